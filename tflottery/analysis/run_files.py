"""`RunFiles`: masks and weights of a run directory, read and never written.

A search may still be at work there. What is not finished, or damaged, counts
as not there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from tflottery.core import checks, documents, files
from tflottery.core.mask import Mask
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.journal import ReplicateJournal, trained_name

TICKET = "ticket"


@dataclasses.dataclass(frozen=True)
class Place:
    """One trained network of a run directory.

    Args:
        replicate: number of the replicate, from 0.
        round: number of the round; 0 is dense.
        branch: `"ticket"`, or the name of a control.
        draw: which draw of the control.

    Example:
        >>> Place(0, 3).label, Place(0, 3, "reordered", 1).label
        ('ticket', 'reordered/1')
        >>> Place(0, 0).label, Place(0, 0, "reordered", 1).label
        ('dense', 'dense_reordered/1')
    """

    replicate: int
    round: int
    branch: str = TICKET
    draw: int = 0

    @property
    def label(self) -> str:
        """What tables call it, within its replicate and round."""
        if self.branch == TICKET:
            return TICKET if self.round else "dense"
        return f"{'' if self.round else 'dense_'}{self.branch}/{self.draw}"


class RunFiles:
    """Reads the masks and the weights of a run directory.

    Args:
        run_dir: folder of a search, local or remote.
        rounds: numbers of the rounds to look at; others count as not there,
            but for round 0. Default: all.

    Raises:
        ValueError: the folder holds no search.
    """

    def __init__(self, run_dir: Any, rounds: Iterable[int] | None = None):
        self.path = files.as_path(run_dir)
        place = self.path / "config.json"
        if not files.exists(place):
            raise ValueError(
                "`run_dir` must be the folder of a search. Received: "
                f"run_dir={str(run_dir)!r}, where {place.name} is missing. "
                "Run `tflottery find` with this `--run_dir` first."
            )
        stored = documents.read_json(place)
        self.config = SearchConfig.stored(run_dir, stored)
        self.identity = stored["identity"]
        self._rounds = None if rounds is None else _checked(rounds)
        self._finished: dict[tuple[int, str, int], list[int]] = {}
        self.replicates = [
            number
            for number in range(self.config.replicates)
            if self.rounds(number)
        ]
        if not self.replicates:
            raise ValueError(
                "`run_dir` must hold a finished round. Received: "
                f"run_dir={str(run_dir)!r}, where none is. Wait for the first "
                "round, or go on with the search."
            )

    def rounds(
        self, replicate: int, branch: str = TICKET, draw: int = 0
    ) -> list[int]:
        """Returns the finished rounds of a ticket or a control, ascending."""
        key = replicate, branch, draw
        if key not in self._finished:
            journal = self._journal(Place(replicate, 0, branch, draw))
            self._finished[key] = [
                number
                for number in journal.rounds()
                if self._is_chosen(number) and journal.result(number)
            ]
        return self._finished[key]

    def sparse_rounds(self, replicate: int) -> list[int]:
        """Returns the finished rounds of the ticket after the dense one."""
        return [number for number in self.rounds(replicate) if number]

    def draws(
        self, replicate: int, round: int, branches: Collection[str] = ()
    ) -> list[Place]:
        """Returns the controls that have finished a round.

        Args:
            replicate: number of the replicate.
            round: number of the round.
            branches: names of those that matter. Default: all.
        """
        return [
            Place(replicate, round, branch, draw)
            for branch, draw in self._journal(Place(replicate, 0)).draws()
            if (not branches or branch in branches)
            and round in self.rounds(replicate, branch, draw)
        ]

    def has(self, place: Place) -> bool:
        """Tells whether a network is finished."""
        return place.round in self.rounds(
            place.replicate, place.branch, place.draw
        )

    def mask(self, place: Place) -> Mask:
        """Returns the mask a network was trained with."""
        found = self._journal(place).mask(place.round)
        if found is None and place.round == 0:
            return Mask.ones_like(self.mask(Place(place.replicate, 0)))
        return self._there(found, place, "mask")

    def trained(self, place: Place) -> dict[str, np.ndarray]:
        """Returns `{path: array}` of a network's state after training."""
        name = trained_name(place.round)
        snapshot = self._journal(place).snapshot(name)
        return self._there(snapshot, place, "trained").weights()

    def initial(self, replicate: int) -> dict[str, np.ndarray]:
        """Returns `{path: array}` of the state before any training."""
        place = Place(replicate, 0)
        snapshot = self._journal(place).snapshot("initial")
        return self._there(snapshot, place, "initial").weights()

    def _journal(self, place: Place) -> ReplicateJournal:
        journal = ReplicateJournal(self.path, place.replicate, self.identity)
        if place.branch == TICKET:
            return journal
        return journal.of_branch(place.branch, place.draw)

    def _is_chosen(self, round: int) -> bool:
        return not round or self._rounds is None or round in self._rounds

    def _there(self, found: Any, place: Place, name: str) -> Any:
        if found is None:
            raise ValueError(
                f"Round {place.round} of replicate {place.replicate} is not "
                f"whole. Received: {self.path}, where the file {name!r} of "
                f"{place.label!r} is missing or damaged. Run the search again "
                "with this run directory: it makes again what is missing."
            )
        return found


def _checked(rounds: Iterable[int]) -> set[int]:
    if isinstance(rounds, (int, str)):
        raise TypeError(
            "`rounds` must be a list of numbers. Received: rounds="
            f"{rounds!r}. Use rounds=[{rounds}]."
        )
    return {checks.check_non_negative_int("rounds", r) for r in rounds}
