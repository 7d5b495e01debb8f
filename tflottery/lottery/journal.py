"""The journal: what a run directory holds, and what of it can be believed.

Every stage of a search asks here whether its result exists. Whatever is
damaged counts as missing and is made again; `results.csv`, tickets and curves
are made from the rounds' results, so that they can always be made again.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Mapping
from typing import Any

import filelock

from tflottery.core import documents, files
from tflottery.core.mask import Mask
from tflottery.lottery.config import SearchConfig
from tflottery.rewinding.snapshot import Snapshot
from tflottery.rewinding.ticket import Ticket

_logger = logging.getLogger("tflottery")

COLUMNS = (
    "replicate",
    "branch",
    "draw",
    "round",
    "density",
    "sparsity",
    "steps",
    "best_step",
    "validation_loss",
    "validation_accuracy",
    "test_accuracy_best",
    "test_accuracy_final",
    "seconds",
)
CURVE_COLUMNS = (
    "step",
    "train_loss",
    "validation_loss",
    "validation_accuracy",
)


class RunDirectory:
    """A run directory, held by one process.

    Args:
        path: folder, local or remote; made if it is not there.
        config: the settings of the search.
        extra: further facts that must be the same on resuming, such as the
            names of a build function and of a data set.

    Raises:
        ValueError: the folder holds a run of other settings.
    """

    def __init__(
        self, path: Any, config: SearchConfig, extra: Mapping[str, Any]
    ):
        self.path = files.as_path(path)
        self.config = config
        self.identity = {"digest": config.digest(), **extra}
        self._lock: filelock.BaseFileLock | None = None

    def __enter__(self) -> RunDirectory:
        self.path.mkdir(parents=True, exist_ok=True)
        self._acquire()
        try:
            self._check_config()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, *unused) -> None:
        self._release()

    def _acquire(self):
        if "://" in str(self.path):
            return  # object stores have no locks
        lock = filelock.FileLock(str(self.path / "lock"))
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise ValueError(
                "`run_dir` is in use by another process. Received: run_dir="
                f"{str(self.path)!r}. Wait for it, stop it, or give this "
                "search another run directory."
            ) from None
        self._lock = lock

    def _release(self):
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _check_config(self):
        place = self.path / "config.json"
        stored = self._read(place, documents.read_json)
        if stored is None:
            documents.write_json(
                place,
                {"config": self.config.to_dict(), "identity": self.identity},
            )
            return
        if stored.get("identity") != self.identity:
            raise ValueError(
                "`run_dir` holds a run of other settings. Received: run_dir="
                f"{str(self.path)!r}; different: {self._different(stored)}. "
                "Use another run directory, or the settings of that run."
            )

    def _different(self, stored):
        theirs, ours = stored.get("config", {}), self.config.to_dict()
        names = sorted(theirs.keys() | ours.keys())
        found = [
            f"{name} (there {theirs.get(name)!r}, here {ours.get(name)!r})"
            for name in names
            if theirs.get(name) != ours.get(name)
        ]
        return "; ".join(found) or (
            f"{stored.get('identity')} there, {self.identity} here"
        )

    def _read(self, place: Any, read: Callable[[Any], Any]) -> Any:
        """Reads a file; `None` if it is not there or damaged."""
        if not files.exists(place):
            return None
        try:
            return read(place)
        except (files.DamagedFileError, files.ForeignFileError) as error:
            _logger.warning("%s It is made again.", error)
            files.remove(place)
            return None

    def replicate(self, number: int) -> ReplicateJournal:
        """Returns the journal of one replicate."""
        return ReplicateJournal(self, number)

    def rows(self) -> list[dict[str, Any]]:
        """Returns the rows of all finished rounds, in order."""
        found = []
        for number in range(self.config.replicates):
            journal = self.replicate(number)
            for round in range(self.config.rounds + 1):
                result = journal.result(round)
                if result is not None:
                    found.append(result["row"])
        return found

    def write_results(self) -> list[dict[str, Any]]:
        """Writes `results.csv` from the finished rounds; returns its rows."""
        rows = self.rows()
        files.write_text(self.path / "results.csv", _as_csv(COLUMNS, rows))
        return rows


class ReplicateJournal:
    """The files of one replicate.

    Args:
        run: the run directory it is part of.
        number: which replicate, from 0.
    """

    def __init__(self, run: RunDirectory, number: int):
        self.run = run
        self.number = number
        self.path = run.path / f"replicate_{number}"

    def round_path(self, round: int) -> Any:
        """Returns the folder of a round."""
        return self.path / f"round_{round:02d}"

    def result(self, round: int) -> dict[str, Any] | None:
        """Returns a finished round's row and curve, if it is finished."""
        place = self.round_path(round) / "result.json"
        result = self.run._read(place, documents.read_json)
        if result is None:
            return None
        if result.get("identity") != self.run.identity:
            raise ValueError(
                "`run_dir` holds a round of other settings. Received: "
                f"{place}, made with {result.get('identity')}; this search is "
                f"{self.run.identity}. Use another run directory."
            )
        self._mend_curve(round, result)
        return result

    def write_result(
        self, round: int, row: Mapping[str, Any], curve: list[dict[str, Any]]
    ) -> None:
        """Marks a round as finished."""
        result = {
            "identity": self.run.identity,
            "row": dict(row),
            "curve": curve,
        }
        self._mend_curve(round, result)
        documents.write_json(self.round_path(round) / "result.json", result)

    def _mend_curve(self, round, result):
        place = self.round_path(round) / "history.csv"
        text = _as_csv(CURVE_COLUMNS, result["curve"])
        try:
            same = files.exists(place) and files.read_text(place) == text
        except UnicodeDecodeError:
            same = False
        if not same:
            files.write_text(place, text)

    def mask(self, round: int) -> Mask | None:
        """Returns a round's mask, if it is there."""
        return self.run._read(self.round_path(round) / "mask", Mask.load)

    def write_mask(self, round: int, mask: Mask) -> None:
        """Stores a round's mask."""
        mask.save(self.round_path(round) / "mask")

    def ticket(self, round: int) -> Ticket | None:
        """Returns a round's ticket, if it is there."""
        return self.run._read(self.round_path(round) / "ticket", Ticket.load)

    def snapshot(self, name: str) -> Snapshot | None:
        """Returns a stored state: `initial`, `rewind`, `round_03/trained`."""
        return self.run._read(self.path / name, Snapshot.load)

    def write_snapshot(self, name: str, snapshot: Snapshot) -> None:
        """Stores a state."""
        snapshot.save(self.path / name)


def _as_csv(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
