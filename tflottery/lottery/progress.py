"""`Progress`: what a search tells whoever is watching it.

A search must not know whether a terminal, a log file or nobody is looking on.
It calls these methods; the command line's bars override them, and this class
itself is the silent one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Progress:
    """Listens to a search and does nothing; override what you want to see.

    The order of calls is `start` (and `controls_planned`, if there are any),
    then for each round `round_started`, any number of `step`, and
    `round_finished`; at last `finish`, which may also come early and more than
    once. Before the rounds of a control `branch_started` is called. Rounds
    that an earlier run has finished may be left out.

    Example:
        >>> class Loud(Progress):
        ...     def round_finished(self, row):
        ...         print("round", row["round"], row["test_accuracy_best"])
        >>> Loud().round_finished({"round": 0, "test_accuracy_best": 0.98})
        round 0 0.98
    """

    def start(self, total_rounds: int, replicates: int) -> None:
        """Hears that a search begins.

        Args:
            total_rounds: Rounds of pruning per replicate, which is the number
                of the last round; the dense round 0 comes on top.
            replicates: How many replicates there are.
        """

    def controls_planned(self, rounds: int) -> None:
        """Hears how many rounds of controls each replicate has.

        Args:
            rounds: Rounds of all draws of all controls of one replicate; those
                of the ticket come on top.
        """

    def trained_together(self, networks: int) -> None:
        """Hears that rounds of several networks run at the same time.

        Rounds then begin and end in any order, and steps are told of one
        network only.

        Args:
            networks: How many.
        """

    def branch_started(
        self, replicate: int, branch: str, draw: int, done: int
    ) -> None:
        """Hears that the following rounds are those of a control.

        Args:
            replicate: The replicate's number.
            branch: Name of the control, such as `random_reinit`.
            draw: Number of the draw, from 0.
            done: Rounds of controls of this replicate that are behind.
        """

    def round_started(
        self, replicate: int, round: int, density: float, steps: int
    ) -> None:
        """Hears that a round begins.

        Args:
            replicate: Its number, from 0.
            round: Its number; 0 is the dense one.
            density: Share of the prunable weights that are left, in (0, 1].
            steps: The step at which the round ends.
        """

    def step(
        self,
        replicate: int,
        round: int,
        step: int,
        metrics: Mapping[str, float],
    ) -> None:
        """Hears how far a round is.

        Args:
            replicate: The replicate's number.
            round: The round's number.
            step: Optimizer updates done, as the optimizer counts them.
            metrics: What was measured at this step, such as
                `validation_accuracy`; may be empty.
        """

    def round_finished(self, row: Mapping[str, Any]) -> None:
        """Hears that a round is done and written down.

        Args:
            row: The round's row of `results.csv`.
        """

    def finish(self) -> None:
        """Hears that the search is over or was interrupted."""
