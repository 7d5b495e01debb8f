"""`find_ticket`: the search for winning tickets, resumable at any moment.

Replicates and rounds are stages; each asks the journal whether its result is
there. The loop is the whole algorithm: train, prune the weakest survivors,
rewind the others, repeat.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from tflottery import data as datasets
from tflottery.core import checks, files
from tflottery.core.claims import Claim, ClaimedError
from tflottery.core.seeds import child_seed
from tflottery.distribution import batches, limits, strategies
from tflottery.distribution.workers import Workers
from tflottery.lottery import context as context_module
from tflottery.lottery import logs, network, recipes, verdict
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.context import SearchContext
from tflottery.lottery.progress import Progress
from tflottery.lottery.run_directory import RunDirectory
from tflottery.lottery.stages import ReplicateStages
from tflottery.rewinding.ticket import Ticket

_logger = logging.getLogger("tflottery")

BRANCHES = ("ticket",)


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Args:
        rows: the rows of `results.csv`, numbers as numbers.
        run_dir: the run directory.
        verdict: what was found, in words.

    Example:
        >>> dense = {"round": 0, "density": 1.0, "best_step": 900,
        ...          "test_accuracy_best": 0.97}
        >>> half = {"round": 1, "density": 0.5, "best_step": 700,
        ...         "test_accuracy_best": 0.98}
        >>> result = SearchResult([dense, half], "runs/first", "")
        >>> result.winning_round
        1
    """

    rows: list[dict[str, Any]]
    run_dir: str
    verdict: str

    @property
    def winning_round(self) -> int | None:
        """The sparsest round that is a winning ticket, or `None`."""
        return verdict.winning_round(self.rows)

    @property
    def ticket(self) -> Ticket:
        """The best ticket of replicate 0: winning, else the best match."""
        return self.ticket_of_round(verdict.ticket_round(self.rows))

    def ticket_of_round(self, round: int, replicate: int = 0) -> Ticket:
        """Returns the ticket of one round."""
        place = files.as_path(self.run_dir) / f"replicate_{replicate}"
        return Ticket.load(place / f"round_{round:02d}" / "ticket")


def find_ticket(
    build: Callable[..., Any] | None = None,
    data: Any = None,
    config: SearchConfig | None = None,
    *,
    run_dir: Any = None,
    data_dir: str | None = None,
    progress: Progress | None = None,
    checkpoint_seconds: float = 30.0,
    summaries: bool = True,
    strategy: Any = None,
    replicates: Sequence[int] | None = None,
    branches: Sequence[str] | None = None,
) -> SearchResult:
    """Searches for winning tickets: replicates, rounds, all on disk.

    Round 0 trains the dense network for `config.steps` steps. Each further
    round removes the weakest survivors, rewinds weights, optimizer, step
    counter, seeds and data order to step k, and trains to the end. Stopped at
    any moment and started again with the same arguments, it goes on where it
    was and ends with the same bits.

    Under a strategy the batches are the same as without one, divided among
    its replicas. With several workers each calls this function with the same
    arguments; the chief alone touches the run directory. Several independent
    processes may share a run directory: each works on replicates that no
    other has claimed.

    Args:
        build: function that returns a new, built model (logits), compiled or
            not; it may take `seed`. Default: `config.model` from the zoo.
        data: a `tflottery.data.Dataset`. Default: `config.dataset`.
        config: the settings. Default: the recipe `mnist1d_mlp`.
        run_dir: folder for all results. Default: `runs/<digest>`.
        data_dir: folder of TFDS data.
        progress: is told what happens; see `tflottery.lottery.progress`.
        checkpoint_seconds: least time between two checkpoints in a round.
        summaries: whether to write TensorBoard logs.
        strategy: a `tf.distribute.Strategy`, or one by name: `"none"`,
            `"one_device"`, `"mirrored"`, `"multi_worker"`, `"tpu"`. Default:
            the one in scope.
        replicates: numbers of the replicates to run here, from 0. Default:
            all that no other process works on.
        branches: what to run of each replicate. Default: `["ticket"]`.

    Returns:
        A `SearchResult`, over all rounds that are finished when it is made,
        by whichever process.

    Raises:
        ValueError: a bad setting or a strategy that cannot work, before
            anything is trained; a run directory of other settings; all that
            there is to do is being done by other processes.
        TrainingDivergedError: the loss is not a number; finished rounds stay.
        WorkerLostError: another worker of the cluster has gone.

    Example:
        >>> import tempfile, tflottery
        >>> config = tflottery.SearchConfig(
        ...     dataset="digits", steps=20, validate_every=10, rounds=1,
        ...     model_options={"hidden": [8]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = tflottery.find_ticket(
        ...         config=config, run_dir=folder, summaries=False)
        >>> [round(row["density"], 2) for row in result.rows]
        [1.0, 0.8]

    Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019,
    section 1; Frankle et al., Stabilizing the Lottery Ticket Hypothesis,
    2019, algorithm 1.
    """
    config = (
        recipes.get(recipes.names()[0]).config if config is None else config
    )
    for branch in branches or BRANCHES:
        checks.check_choice("branches", branch, BRANCHES)
    chosen = _chosen(replicates, config.replicates)
    workers = Workers(strategies.get(strategy))
    if build is None:
        limits.limits(workers.strategy, config.keras)  # refuses
    batches.check_batch_size(config.batch_size, workers.replicas)
    extra = {
        "build": _name_of(build),
        "data": None if data is None else repr(data),
    }
    if data is None:
        data = datasets.load(
            config.dataset,
            data_dir=data_dir,
            validation=config.validation_size,
            seed=child_seed(config.seed, "split"),
        )
    checks.check_instance("data", data, datasets.Dataset)
    context_module.rewind_step(config, data)  # refuses before any work
    run_dir = f"runs/{config.digest()}" if run_dir is None else run_dir
    build = (
        network.builder(config, data)
        if build is None
        else network.seeded(build)
    )
    if progress is None or not workers.is_chief:
        progress = Progress()
    with workers.watched():
        run = RunDirectory(run_dir, config, extra, workers)
        context = SearchContext(
            run, config, build, data, progress, checkpoint_seconds, workers
        )
        progress.start(config.rounds, config.replicates)
        _run_replicates(context, chosen, summaries)
        rows = run.write_results()
        progress.finish()
    return SearchResult(rows, str(run_dir), verdict.verdict(rows))


def _run_replicates(context, numbers, summaries):
    """Finishes the replicates that no other process works on."""
    waiting, deadline = list(numbers), None
    while waiting:
        refusals = {}
        for number in waiting:
            try:
                with context.run.claimed(number) as replicate:
                    _run_replicate(context, replicate, summaries)
            except ClaimedError as error:
                refusals[number] = error
        if len(refusals) < len(waiting):
            deadline = None  # it took its time: who was alive may not be now
        if deadline is None:
            deadline = time.monotonic() + Claim.EXPIRES_SECONDS + 15
            _announce_waiting(refusals)
        unknown = any(not e.holder.is_here for e in refusals.values())
        if not context.workers.from_chief(
            lambda unknown=unknown, end=deadline: _wait(unknown, end)
        ):
            break
        waiting = list(refusals)
    if refusals and len(refusals) == len(numbers):
        raise next(iter(refusals.values()))
    for number, error in refusals.items():
        _logger.warning("Replicate %d is left to another: %s", number, error)


def _announce_waiting(refusals):
    """Says whose death or life has to be found out."""
    for number, error in refusals.items():
        if not error.holder.is_here:
            _logger.warning(
                "Replicate %d is claimed by %s. Waiting up to two minutes to "
                "see whether that is still alive.",
                number,
                error.holder,
            )


def _wait(unknown: bool, deadline: float) -> bool:
    """Waits a little if a claim may still expire; tells whether it did."""
    if not unknown or time.monotonic() > deadline:
        return False
    time.sleep(5)
    return True


def _run_replicate(context, replicate, summaries):
    """Finishes every round of a replicate."""
    stages = ReplicateStages(context, replicate)
    unfinished = stages.unfinished()
    if not unfinished:
        return
    with contextlib.ExitStack() as stack:
        writer = None
        if summaries:
            writer = stack.enter_context(logs.open_writer(context, replicate))
        for round in range(context.config.rounds + 1):
            if round in unfinished:
                stages.run(round)
                context.run.write_results()
            if summaries:
                logs.write_round(writer, context, replicate, round)


def _chosen(replicates, count):
    """Returns the numbers of the replicates to run, each checked."""
    if replicates is None:
        return list(range(count))
    for number in replicates:
        checks.check_non_negative_int("replicates", number)
        if number >= count:
            raise ValueError(
                "`replicates` must be numbers below the `replicates` of the "
                f"config, counted from 0. Received: {number}, of {count} "
                f"replicates. Use 0 to {count - 1}, or set more replicates "
                "in the config."
            )
    return list(dict.fromkeys(replicates))


def _name_of(build: Any) -> str | None:
    if build is None:
        return None
    return getattr(build, "__qualname__", type(build).__qualname__)
