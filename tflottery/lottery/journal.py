"""The journal of a replicate: what is on disk, and what can be believed.

Every stage of a search asks here whether its result exists. Whatever is
damaged counts as missing and is made again; tickets and curves are made from
the rounds' results, so that they can always be made again.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tflottery.core import documents, files, records
from tflottery.core.claims import Claim
from tflottery.core.mask import Mask
from tflottery.distribution.workers import Workers
from tflottery.rewinding.snapshot import Snapshot
from tflottery.rewinding.ticket import Ticket

_logger = logging.getLogger("tflottery")

BRANCHES = "branches"
_DRAW = "draw_"
_ROUND = "round_"

CURVE_COLUMNS = (
    "step",
    "train_loss",
    "validation_loss",
    "validation_accuracy",
)


class ReplicateJournal:
    """The files of one replicate.

    With a claim it may write, remove and mend; without one it only reads.
    Of several workers the chief reads and writes. All of them must call the
    same methods, in the same order; if the chief cannot go on, all hear why.

    Args:
        run_path: the run directory.
        number: which replicate, from 0.
        identity: what all results of the run must say of themselves.
        workers: the processes that run this search together. Default: this
            one alone.
        claim: the right to write. Default: none.
        folder: of a control's draw inside the replicate's. Default: that of
            the replicate itself, where the ticket is.
    """

    def __init__(
        self,
        run_path: Any,
        number: int,
        identity: Mapping[str, Any],
        workers: Workers | None = None,
        claim: Claim | None = None,
        folder: str = "",
    ):
        self.number = number
        self._run_path = run_path
        self.path = files.as_path(run_path) / f"replicate_{number}"
        if folder:
            self.path = self.path / folder
        self.identity = dict(identity)
        self.workers = workers
        self.claim = claim

    def of_branch(self, branch: str, draw: int) -> ReplicateJournal:
        """Returns the journal of one draw of a control.

        Args:
            branch: name of the control, as in `results.csv`.
            draw: number of the draw, from 0.
        """
        return ReplicateJournal(
            self._run_path,
            self.number,
            self.identity,
            self.workers,
            self.claim,
            f"{BRANCHES}/{branch}/{_DRAW}{draw}",
        )

    def draws(self) -> list[tuple[str, int]]:
        """Returns `(branch, draw)` of the controls that have a folder."""
        return self._on_chief(lambda: list(self._draws()))

    def _draws(self):
        for branch in _folders(self.path / BRANCHES):
            numbers = [
                folder.name.removeprefix(_DRAW)
                for folder in _folders(branch)
                if folder.name.startswith(_DRAW)
            ]
            for number in sorted(int(n) for n in numbers if n.isdecimal()):
                yield branch.name, number

    def rounds(self) -> list[int]:
        """Returns the rounds that have a folder, ascending."""

        def look():
            names = [folder.name for folder in _folders(self.path)]
            found = [name.removeprefix(_ROUND) for name in names]
            return sorted(int(number) for number in found if number.isdecimal())

        return self._on_chief(look)

    def _on_chief(self, function: Callable[[], Any]) -> Any:
        """Returns what the chief finds."""
        if self.workers is None:
            return function()
        return self.workers.from_chief(function)

    def _read(self, place: Any, read: Callable[[Any], Any]) -> Any:
        """Reads a file here; `None` if it is not there or damaged."""
        if not files.exists(place):
            return None
        try:
            return read(place)
        except (files.DamagedFileError, files.ForeignFileError) as error:
            if self.claim is not None:
                _logger.warning("%s It is made again.", error)
                files.remove(place)
            return None

    def _write(self, function: Callable[[], None]) -> None:
        """Writes on the chief, if it still has the right to."""

        def write():
            if self.claim is not None:
                self.claim.check()
            function()

        self._on_chief(write)

    def round_path(self, round: int) -> Any:
        """Returns the folder of a round."""
        return self.path / round_name(round)

    def result(self, round: int) -> dict[str, Any] | None:
        """Returns a finished round's row and curve, if it is finished."""
        return self._on_chief(lambda: self._result(round))

    def _result(self, round):
        place = self.round_path(round) / "result.json"
        result = self._read(place, documents.read_json)
        if result is None:
            return None
        if result.get("identity") != self.identity:
            raise ValueError(
                "`run_dir` holds a round of other settings. Received: "
                f"{place}, made with {result.get('identity')}; this search is "
                f"{self.identity}. Use another run directory."
            )
        if self.claim is not None:
            self._mend_curve(round, result)
        return result

    def is_finished(self, round: int) -> bool:
        """Tells whether all that a round leaves behind is there and whole."""
        folder, trained = self.round_path(round), trained_name(round)

        def look():
            return (
                self._result(round) is not None
                and self._read(folder / "mask", Mask.load) is not None
                and self._read(self.path / trained, Snapshot.load) is not None
                and self._read(folder / "ticket", Ticket.load) is not None
            )

        return self._on_chief(look)

    def write_result(
        self, round: int, row: Mapping[str, Any], curve: list[dict[str, Any]]
    ) -> None:
        """Marks a round as finished."""
        result = {
            "identity": self.identity,
            "row": dict(row),
            "curve": curve,
        }

        def write():
            self._mend_curve(round, result)
            documents.write_json(self.round_path(round) / "result.json", result)

        self._write(write)

    def _mend_curve(self, round, result):
        place = self.round_path(round) / "history.csv"
        text = as_csv(CURVE_COLUMNS, result["curve"])
        try:
            same = files.exists(place) and files.read_text(place) == text
        except UnicodeDecodeError:
            same = False
        if not same:
            files.write_text(place, text)

    def mask(self, round: int) -> Mask | None:
        """Returns a round's mask, if it is there."""
        place = self.round_path(round) / "mask"
        return self._on_chief(lambda: self._read(place, Mask.load))

    def write_mask(self, round: int, mask: Mask) -> None:
        """Stores a round's mask."""
        self._write(lambda: mask.save(self.round_path(round) / "mask"))

    def write_ticket(self, round: int, ticket: Ticket) -> None:
        """Stores a round's ticket."""
        self._write(lambda: ticket.save(self.round_path(round) / "ticket"))

    def snapshot(self, name: str) -> Snapshot | None:
        """Returns a stored state: `initial`, `rewind`, `round_03/trained`."""
        place = self.path / name
        return self._on_chief(lambda: self._read(place, Snapshot.load))

    def write_snapshot(self, name: str, snapshot: Snapshot) -> None:
        """Stores a state."""
        self._write(lambda: snapshot.save(self.path / name))

    def record(self, name: str, kind: str) -> tuple[dict, dict] | None:
        """Returns arrays and facts stored under a name, if they are there."""
        place = self.path / name

        def read(place):
            return records.read_record(place, kind)

        return self._on_chief(lambda: self._read(place, read))

    def write_record(
        self,
        name: str,
        kind: str,
        arrays: Mapping[str, Any],
        facts: Mapping[str, Any],
    ) -> None:
        """Stores arrays and facts, in place of what was there."""
        place = self.path / name
        self._write(lambda: records.write_record(place, kind, arrays, facts))

    def remove(self, name: str) -> None:
        """Removes what is stored under a name, if it is there."""
        self._write(lambda: files.remove(self.path / name))


def round_name(round: int) -> str:
    """Returns the name of a round's folder in that of its replicate."""
    return f"{_ROUND}{round:02d}"


def _folders(place: Any) -> list[Any]:
    """Returns the folders in a folder that may not be there, sorted."""
    if not place.is_dir():
        return []
    found = [path for path in place.iterdir() if path.is_dir()]
    return sorted(found, key=lambda path: path.name)


def trained_name(round: int) -> str:
    """Returns the name of a round's trained state."""
    return f"{round_name(round)}/trained"


def as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Writes rows as a table with one line of column names."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
