"""Networks of finished rounds, taken from a run directory or a ticket.

What a search has found is there to be used: evaluated, exported, trained on.
All here only reads, so a search that is still at work is not disturbed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from tflottery import data as datasets
from tflottery.core import checks, documents, files
from tflottery.lottery import context, loading, network_facts
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.journal import ReplicateJournal, trained_name
from tflottery.rewinding.snapshot import Snapshot
from tflottery.rewinding.ticket import Ticket

STATES = ("trained", "rewound")


def load_network(
    run_dir: Any,
    *,
    replicate: int = 0,
    round: int | None = None,
    state: str = "trained",
    branch: str = "ticket",
    draw: int = 0,
    build: Callable[..., Any] | None = None,
    data_dir: str | None = None,
) -> Any:
    """Returns the network of a finished round of a search, or of a ticket.

    Args:
        run_dir: folder of the search, local or remote; the search may still
            be running. Or the file of a ticket, with the weights to start
            from; `replicate`, `round` and `state` mean nothing then.
        replicate: which repetition, from 0.
        round: which round, from 0, the dense one. Default: the last one that
            is finished.
        state: `"trained"` for weights as they were at the end of the round,
            bit for bit; `"rewound"` for those the round starts from, the
            ticket.
        branch: `"ticket"`, or a control that `run_controls` has trained, as
            `results.csv` names it.
        draw: which draw of the control, from 0.
        build: the function the search was given to build its model, if it
            was given one.
        data_dir: folder of TFDS data; for runs of older versions only, which
            do not say what shape an input has.

    Returns:
        A wrapped model of the Keras family of the search. It is not compiled,
        unless it is of a class of its own that `build` compiles.

    Raises:
        ValueError: `run_dir` holds no search, the round is not finished, the
            model does not fit, or `build` is missing.
        DamagedFileError: a file of the round is damaged.

    Example:
        >>> import tempfile, tflottery
        >>> config = tflottery.SearchConfig(
        ...     dataset="digits", steps=20, validate_every=20, rounds=1,
        ...     model_options={"hidden": [8]}, jit_compile=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = tflottery.find_ticket(
        ...         config=config, run_dir=folder, summaries=False)
        ...     model = tflottery.load_network(folder)
        >>> model.output_shape, round(tflottery.sparsity(model), 2)
        ((None, 10), 0.2)
    """
    checks.check_choice("state", state, STATES)
    place = files.as_path(run_dir)
    if files.exists(place) and not place.is_dir():
        return load_ticket_network(place, build)
    found = FinishedRound.of(run_dir, replicate, round, branch, draw)
    ticket = found.ticket()
    if state == "trained":
        ticket = dataclasses.replace(ticket, snapshot=found.trained())
    facts = ticket.info.get(network_facts.KEY)
    if facts is None and build is None:
        facts = _facts_of_old_run(found, data_dir)
    return ticket.apply(network_facts.build_from(facts or {}, build))


def load_ticket_network(
    path: Any, build: Callable[..., Any] | None = None
) -> Any:
    """Returns the network of a ticket file, with the weights to start from.

    Args:
        path: file of a ticket, local or remote.
        build: function that returns a new, built model of the architecture
            the ticket was found in. Default: the zoo's model that the ticket
            names.

    Returns:
        A wrapped model, as of `load_network`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the ticket does not say what its model is, and `build` is
            missing; or the model does not fit.
        DamagedFileError: the file is damaged.
    """
    ticket = Ticket.load(path)
    facts = ticket.info.get(network_facts.KEY)
    if facts is None and build is None:
        raise ValueError(
            "`build` must be given: the ticket does not say what its model "
            f"is. Received: {path}, which no search has written, or one of an "
            "older version. Pass a function that returns the model, or load "
            "the network from the folder of the search."
        )
    return ticket.apply(network_facts.build_from(facts or {}, build))


@dataclasses.dataclass(frozen=True)
class FinishedRound:
    """A finished round of a search, to be read.

    Args:
        config: settings of the search.
        identity: what its results say of themselves; `build` and `data` are
            `None`, or tell what the user gave in their place.
        journal: of the replicate, without the right to write.
        round: number of the round.
    """

    config: SearchConfig
    identity: dict[str, Any]
    journal: ReplicateJournal
    round: int

    @classmethod
    def of(
        cls,
        run_dir: Any,
        replicate: int = 0,
        round: int | None = None,
        branch: str = "ticket",
        draw: int = 0,
    ) -> FinishedRound:
        """Finds a round in a run directory.

        Args:
            run_dir: folder of the search.
            replicate: which repetition, from 0.
            round: which round; default: the last one that is finished.
            branch: `"ticket"`, or a control.
            draw: which draw of the control, from 0.

        Raises:
            ValueError: there is no such search, or no such branch or round.
            DamagedFileError: the settings are damaged.
        """
        place = files.as_path(run_dir) / "config.json"
        if not files.exists(place):
            raise ValueError(
                "`run_dir` must be the folder of a search. Received: "
                f"run_dir={str(run_dir)!r}, where {place.name} is missing. "
                "Run `tflottery find` with this `--run_dir` first."
            )
        stored = documents.read_json(place)
        config = SearchConfig.stored(run_dir, stored)
        checks.check_non_negative_int("replicate", replicate)
        if replicate >= config.replicates:
            raise ValueError(
                "`replicate` must be below the number of replicates of the "
                f"search. Received: replicate={replicate}, of "
                f"{config.replicates}. They are counted from 0."
            )
        identity = stored["identity"]
        journal = ReplicateJournal(run_dir, replicate, identity)
        if branch != "ticket":
            journal = _of_branch(journal, branch, draw)
        return cls(config, identity, journal, _chosen(journal, config, round))

    def ticket(self) -> Ticket:
        """Returns the ticket of the round."""
        return self._read("ticket", Ticket.load)

    def trained(self) -> Snapshot:
        """Returns the state of training at the end of the round."""
        name = trained_name(self.round).rsplit("/", 1)[-1]
        return self._read(name, Snapshot.load)

    def data(self, data_dir: str | None = None) -> datasets.Dataset:
        """Returns the data of the search, divided as it was there.

        Args:
            data_dir: folder of TFDS data.

        Raises:
            ValueError: the search was given data that has no name.
        """
        if self.identity.get("data") is not None:
            raise ValueError(
                "The data of the search must have a name to be loaded. "
                f"Received: run_dir={str(self.journal.path.parent)!r}, a "
                f"search on {self.identity['data']}. Use that data from "
                "Python."
            )
        return loading.load_data(self.config, data_dir)

    def _read(self, name, load):
        place = self.journal.round_path(self.round) / name
        try:
            return load(place)
        except FileNotFoundError:
            raise ValueError(
                f"Round {self.round} of replicate {self.journal.number} is not "
                f"whole. Received: {place}, which is missing. Run the search "
                "again with this run directory: it makes again what is missing."
            ) from None


def _of_branch(
    journal: ReplicateJournal, branch: str, draw: int
) -> ReplicateJournal:
    """Returns the journal of a control that has been run."""
    known = journal.draws()
    if (branch, draw) not in known:
        listed = ", ".join(f"{name} {number}" for name, number in known)
        raise ValueError(
            "`branch` and `draw` must be those of a control that was run. "
            f"Received: branch={branch!r}, draw={draw}; of replicate "
            f"{journal.number} there are: {listed or 'none'}. Run "
            f"`tflottery controls --branch={branch}` first."
        )
    return journal.of_branch(branch, draw)


def _chosen(
    journal: ReplicateJournal, config: SearchConfig, round: int | None
) -> int:
    """Returns the round asked for, if it is finished."""
    if round is not None:
        checks.check_non_negative_int("round", round)
    finished = [
        number
        for number in range(config.rounds + 1)
        if files.exists(journal.round_path(number) / "result.json")
    ]
    if finished and round in (None, *finished):
        return finished[-1] if round is None else int(round)
    listed = ", ".join(map(str, finished)) or "none"
    way_out = f"There are rounds 0 to {config.rounds}"
    if round is None or round <= config.rounds:
        way_out += "; run the search again with its run directory to go on"
    raise ValueError(
        f"`round` must be a finished round of replicate {journal.number}. "
        f"Received: round={round}; finished: {listed}. {way_out}."
    )


def _facts_of_old_run(found: FinishedRound, data_dir: str | None) -> Any:
    """Returns what the tickets of older versions do not say."""
    if found.identity.get("build") is not None:
        return {"build": found.identity["build"]}
    if found.identity.get("data") is not None:
        raise ValueError(
            "`build` must be given: this run is of an older version, and of "
            "data without a name, so that nothing says what shape an input "
            f"has. Received: build=None; data {found.identity['data']}. Pass a "
            "function that returns the model."
        )
    return network_facts.collect(
        found.config,
        found.identity,
        found.data(data_dir),
        seed=context.model_seed(found.config, found.journal.number),
    )
