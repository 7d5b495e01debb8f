"""The run directory: which search it belongs to, who works on it, its table.

Several processes may share one, each at another replicate; a claim that
expires says who has which. `results.csv` is made from the rounds' results, by
every process that finishes one, so that no row is ever lost.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from tflottery.core import documents, files
from tflottery.core.claims import Claim, ClaimedError
from tflottery.distribution.workers import Workers
from tflottery.lottery.given import differences
from tflottery.lottery.journal import ReplicateJournal, as_csv
from tflottery.lottery.training_config import TrainingConfig

_logger = logging.getLogger("tflottery")

_CONFIG, _GIVEN = "config.json", "given.json"

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


class RunDirectory:
    """A run directory, which other processes may work on too.

    Of several workers only the chief touches it; the others are told what it
    has read there, and need no access.

    Args:
        path: folder, local or remote; made if it is not there.
        config: the settings of the experiment.
        extra: further facts that must be the same on resuming, such as the
            names of a build function and of a data set.
        workers: the processes that run this search together. Default: this
            one alone.
        given: facts about a build function and a data set of the user's, as
            `given` makes them; for `given.json`.

    Raises:
        ValueError: the folder holds a run of other settings, or of another
            network or other data.
    """

    def __init__(
        self,
        path: Any,
        config: TrainingConfig,
        extra: Mapping[str, Any],
        workers: Workers | None = None,
        given: Mapping[str, Any] | None = None,
    ):
        self.path = files.as_path(path)
        self.config = config
        self.identity = {"digest": config.digest(), **extra}
        self.given = dict(given or {})
        self.workers = workers or Workers()
        self._claimed: set[int] = set()
        self._rows: dict[tuple[int, str, int, int], dict[str, Any]] = {}
        self.workers.from_chief(self._check)

    @staticmethod
    def exists(path: Any) -> bool:
        """Tells whether a folder is a run directory already."""
        return files.exists(files.as_path(path) / _CONFIG)

    def _check(self):
        if self.given and not self.exists(self.path):
            documents.write_json(self.path / _GIVEN, self.given)
        self._check_config()
        # Runs of older versions have none, and nobody can know any more.
        if self.given and files.exists(self.path / _GIVEN):
            self._check_given()

    def _check_config(self):
        place = self.path / _CONFIG
        stored = self._read(place)
        if stored is None:
            documents.write_json(
                place,
                {"config": self.config.to_dict(), "identity": self.identity},
            )
            stored = self._read(place)  # another may have been faster
        if stored is not None and self._is_other(stored):
            raise ValueError(
                "`run_dir` holds a run of other settings. Received: run_dir="
                f"{str(self.path)!r}; different: {self._different(stored)}. "
                "Use another run directory, or the settings of that run."
            )

    def _check_given(self):
        stored = self._read(self.path / _GIVEN)
        if stored is None:
            documents.write_json(self.path / _GIVEN, self.given)
            return
        found = [*differences(stored, self.given)]
        if found:
            more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
            raise ValueError(
                "`run_dir` holds a run of another network or other data. "
                f"Received: run_dir={str(self.path)!r}; different: "
                f"{'; '.join(found[:3])}{more}. Use another run directory, or "
                "the `build` and `data` of that run."
            )

    def _read(self, place):
        if not files.exists(place):
            return None
        try:
            return documents.read_json(place)
        except (files.DamagedFileError, files.ForeignFileError) as error:
            _logger.warning("%s It is made again.", error)
            return None

    def _is_other(self, stored):
        """Tells whether a run has other settings, a changed default's too."""
        both = stored.get("config", {}).keys() & self.config.to_dict().keys()
        return stored.get("identity") != self.identity or any(
            name in both for name in self._differing(stored)
        )

    def _differing(self, stored):
        """Returns the names of settings with other values: `[there, here]`."""
        theirs, ours = stored.get("config", {}), self.config.to_dict()
        pairs = {
            name: [theirs.get(name), ours.get(name)]
            for name in sorted(theirs.keys() | ours.keys())
        }
        return {
            name: pair
            for name, pair in pairs.items()
            if len(set(map(documents.canonical_json, pair))) > 1
        }

    def _different(self, stored):
        return "; ".join(
            f"{name} (there {there!r}, here {here!r})"
            for name, (there, here) in self._differing(stored).items()
        ) or (f"{stored.get('identity')} there, {self.identity} here")

    @contextlib.contextmanager
    def claimed(self, number: int) -> Iterator[ReplicateJournal]:
        """Gives this search the right to work on a replicate.

        Args:
            number: which replicate, from 0.

        Yields:
            Its journal, which may write.

        Raises:
            ClaimedError: another process works on it.
        """
        claim = Claim(self.path / "claims" / f"replicate_{number}")

        def acquire():
            try:
                claim.acquire()
            except ClaimedError as error:
                return str(error), error.holder
            return None

        refusal = self.workers.from_chief(acquire)
        if refusal is not None:
            raise ClaimedError(*refusal)
        self._claimed.add(number)
        for place in [place for place in self._rows if place[0] == number]:
            del self._rows[place]  # it may be made again
        try:
            yield ReplicateJournal(
                self.path, number, self.identity, self.workers, claim
            )
        finally:
            self._claimed.discard(number)
            if self.workers.is_chief:
                claim.release()

    def rows(self) -> list[dict[str, Any]]:
        """Returns the rows of all finished rounds, in order.

        Rounds of any process count, so this reads what others have written.
        """
        return self.workers.from_chief(lambda: [*self._read_rows().values()])

    def _read_rows(
        self, own: Mapping[Any, Any] | None = None
    ) -> dict[Any, dict[str, Any]]:
        """Reads the rows; those of claimed replicates only if not given."""
        found = {}
        for number in range(self.config.replicates):
            journal = ReplicateJournal(self.path, number, self.identity)
            known = own if number in self._claimed and own else self._rows
            for place, files_of in self._places(journal):
                row = known.get(place)
                if row is None and known is not own:
                    result = files_of.result(place[-1])
                    row = None if result is None else result["row"]
                    if number not in self._claimed and row is not None:
                        self._rows[place] = row
                if row is not None:
                    found[place] = row
        return found

    def _places(
        self, journal: ReplicateJournal
    ) -> Iterator[tuple[tuple[int, str, int, int], ReplicateJournal]]:
        """Yields `(replicate, branch, draw, round)` and where its files are."""
        for round in self.config.ticket_rounds:
            yield (journal.number, "ticket", 0, round), journal
        for branch, draw in journal.draws():
            of_draw = journal.of_branch(branch, draw)
            for round in of_draw.rounds():
                yield (journal.number, branch, draw, round), of_draw

    def write_results(self) -> list[dict[str, Any]]:
        """Writes `results.csv` from the finished rounds; returns its rows.

        Another process may finish a round at the same time. Whoever writes
        last looks once more whether a result has come since, so that the
        table ends with every row.
        """
        return self.workers.from_chief(self._write_results)

    def _write_results(self) -> list[dict[str, Any]]:
        rows = self._read_rows()
        own = rows
        while True:
            table = as_csv(COLUMNS, [*rows.values()])
            files.write_text(self.path / "results.csv", table)
            now = self._read_rows(own)
            if now == rows:
                return [*rows.values()]
            rows = now
