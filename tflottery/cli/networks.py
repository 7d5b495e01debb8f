"""The network that a command line means, and the data that go with it.

It is named by a run directory, a ticket or a `.keras` file. TensorFlow is
imported where it is used.
"""

from __future__ import annotations

import abc
import contextlib
import functools
import importlib
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from tflottery.core import checks, files
from tflottery.core.seeds import child_seed

STATES = ("trained", "rewound")
_EXAMPLES = 200

# Flags that say which network: (name, kind, placeholder, help).
FLAGS = (
    ("run_dir", str, "DIR", "Folder of a search; it may still be running."),
    ("replicate", int, "N", "Which repetition of the search. [0]"),
    ("round", int, "N", "Which round. [the last that is finished]"),
    (
        "state",
        str,
        "NAME",
        "trained: as at the end of the round; rewound: as the round starts, "
        "the ticket. [trained]",
    ),
    ("ticket", str, "FILE", "A ticket by itself, instead of a search."),
    ("keras_model", str, "FILE", "A .keras file, instead of a search."),
)
DATA_FLAGS = (
    (
        "dataset",
        str,
        "NAME",
        "mnist1d, digits or tfds:NAME. [that of the search or of the ticket]",
    ),
    ("data_dir", str, "DIR", "Folder of TensorFlow Datasets. [its own]"),
)
_OF_A_RUN = ("replicate", "round", "state")


class Source(abc.ABC):
    """Where a network comes from.

    Args:
        dataset: name of a data set that is to be used instead of its own.
        data_dir: folder of TFDS data.
    """

    def __init__(self, dataset: str | None, data_dir: str | None):
        self.dataset = dataset
        self.data_dir = data_dir

    @abc.abstractmethod
    def load(self) -> Any:
        """Returns the model."""

    @abc.abstractmethod
    def words(self) -> str:
        """Says which network it is."""

    @abc.abstractmethod
    def own_data(self) -> Any:
        """Returns the data the network was trained on."""

    @functools.cached_property
    def data(self) -> Any:
        """The data asked for, else the network's own."""
        if self.dataset is None:
            return self.own_data()
        from tflottery import data

        return data.load(self.dataset, data_dir=self.data_dir)

    def representative_examples(self) -> Any:
        """Returns some training examples, always the same."""
        count = min(_EXAMPLES, self.data.train_size)
        seed = child_seed(0, "representative examples")
        batches = self.data.train_batches(count, seed=seed)
        x, _ = next(batches.as_numpy_iterator())
        return x


class _Run(Source):
    """A finished round of a search."""

    def __init__(self, run_dir, replicate, round, state, **data):
        super().__init__(**data)
        if not files.exists(files.as_path(run_dir) / "config.json"):
            raise ValueError(
                "`--run_dir` must be the folder of a search. Received: "
                f"--run_dir={run_dir}, where config.json is missing. Run "
                "`tflottery find` with this `--run_dir` first."
            )
        from tflottery.lottery import finished

        self.run_dir, self.state = run_dir, state
        self.found = finished.FinishedRound.of(run_dir, replicate, round)

    def words(self):
        return (
            f"round {self.found.round} of replicate "
            f"{self.found.journal.number} of {self.run_dir}, {self.state}"
        )

    def load(self):
        from tflottery.lottery import finished

        return finished.load_network(
            self.run_dir,
            replicate=self.found.journal.number,
            round=self.found.round,
            state=self.state,
            data_dir=self.data_dir,
        )

    def own_data(self):
        return self.found.data(self.data_dir)


class _TicketFile(Source):
    """A ticket by itself."""

    def __init__(self, path, **data):
        super().__init__(**data)
        self.path = _existing("ticket", path)

    def words(self):
        return f"ticket {self.path}"

    def load(self):
        from tflottery.lottery import finished

        return finished.load_ticket_network(self.path)

    def own_data(self):
        from tflottery import data
        from tflottery.lottery import network_facts
        from tflottery.rewinding.ticket import Ticket

        facts = Ticket.load(self.path).info.get(network_facts.KEY, {})
        name = facts.get("dataset")
        if name is None:
            raise ValueError(_no_data(f"ticket {self.path}"))
        return data.load(name, data_dir=self.data_dir)


class _KerasFile(Source):
    """A model that Keras saved, of either family."""

    def __init__(self, path, **data):
        super().__init__(**data)
        self.path = _existing("keras_model", path)

    def words(self):
        return f"model {self.path}"

    def load(self):
        from tflottery.layers import family
        from tflottery.tfmot.scope import prune_scope

        # With these Keras knows our layers; the command loads them late.
        importlib.import_module("tflottery.layers.subclassed")
        importlib.import_module("tflottery.compaction.row_map")
        name = _family_of_file(self.path)
        keras = family.get(name).keras
        with contextlib.ExitStack() as stack:
            if name == "tf_keras":
                stack.enter_context(prune_scope())
            path = stack.enter_context(_local(self.path))
            return self._load(keras.models.load_model, path)

    def _load(self, load_model, path):
        try:
            return load_model(path, compile=False)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            text = str(error).rpartition("Exception encountered:")[2].strip()
            first = (text.splitlines() or [repr(error)])[0]
            raise ValueError(
                "`--keras_model` must be a model of Keras' own layers. "
                f"Received: {self.path}, of which Keras says: {first} A model "
                "with classes of your own is exported from Python, by "
                "tflottery.export."
            ) from error

    def own_data(self):
        raise ValueError(_no_data(f"model {self.path}"))


def source(given: Mapping[str, Any]) -> Source:
    """Returns the network that flags name.

    Args:
        given: values of `FLAGS` and `DATA_FLAGS` by name; `None` where a flag
            was not given.

    Raises:
        ValueError: no network is named, or more than one, or there is none.
    """
    named = [
        name
        for name in ("run_dir", "ticket", "keras_model")
        if given[name] is not None
    ]
    if len(named) != 1:
        found = " and ".join(f"--{name}" for name in named) or "none of them"
        raise ValueError(
            "One of `--run_dir`, `--ticket` and `--keras_model` must name the "
            f"network. Received: {found}. Use --run_dir with the folder of a "
            "search."
        )
    data = {name: given[name] for name in ("dataset", "data_dir")}
    if given["run_dir"] is not None:
        state = given["state"] or STATES[0]
        checks.check_choice("state", state, STATES)
        return _Run(
            given["run_dir"],
            given["replicate"] or 0,
            given["round"],
            state,
            **data,
        )
    for name in _OF_A_RUN:
        if given[name] is not None:
            raise ValueError(
                f"`--{name}` chooses within a search. Received: --{name}="
                f"{given[name]} with --{named[0]}. Use it with --run_dir."
            )
    path = given[named[0]]
    kind = _TicketFile if given["ticket"] is not None else _KerasFile
    return kind(path, **data)


def _existing(name, path):
    if not files.exists(path):
        raise ValueError(
            f"`--{name}` must be a file. Received: --{name}={path}, which is "
            "missing."
        )
    return path


def _no_data(what):
    return (
        "`--dataset` must be given: nothing says what data the network is "
        f"for. Received: {what}. Use --dataset=NAME, such as tfds:mnist."
    )


@contextlib.contextmanager
def _local(path: str) -> Iterator[str]:
    """Yields the path of a file on this machine with the same content."""
    if files.is_local(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = f"{folder}/model.keras"
        files.write_bytes(copy, files.read_bytes(path))
        yield copy


def _family_of_file(path: str) -> str:
    """Returns the Keras family that saved a file."""
    try:
        with files.as_path(path).open("rb") as file:
            with zipfile.ZipFile(file) as archive:
                facts = json.loads(archive.read("metadata.json"))
        version = int(facts["keras_version"].split(".")[0])
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(
            "`--keras_model` must be a whole .keras file. Received: "
            f"{path}, which is damaged or of another kind ({error}). Save "
            "the model with model.save('NAME.keras')."
        ) from None
    return "keras" if version >= 3 else "tf_keras"
