"""`Evidence`: what claims may ask of a run, and what they hear without it.

A claim that cannot be put to a run is not a claim that fails; so whatever is
missing is said, with the command that would supply it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tflottery.reports import branch_names, summary
from tflottery.reports.branch_names import TICKET
from tflottery.reports.lacks import Lack
from tflottery.reports.run import Run
from tflottery.reports.summary import Spread

DENSE = (TICKET, 0)


class Missing(Exception):
    """Something that a claim needs was not run.

    Args:
        what: What is missing, as a sentence.
        branches: Controls that would have to be run.
        analyse: Whether `tflottery analyse` would have to be run.
    """

    def __init__(
        self, what: str, branches: Sequence[str] = (), analyse: bool = False
    ):
        super().__init__(what)
        self.lack = Lack(what, tuple(branches), analyse)


class Evidence:
    """The numbers of a run, by branch and round, paired within replicates.

    Args:
        run: The run.
    """

    def __init__(self, run: Run):
        self._run = run

    def rounds(self, branch: str = TICKET) -> list[int]:
        """Returns the rounds of a branch but the dense one, ascending.

        Raises:
            Missing: If there is none.
        """
        found = sorted(
            {
                row["round"]
                for row in self._run.rows
                if row["branch"] == branch and row["round"]
            }
        )
        if not found:
            raise _not_run(branch)
        return found

    def density(self, round: int) -> float:
        """Returns the density of a round of the ticket, in percent."""
        share = self._run.densities.get(round)
        if share is None:
            raise Missing(f"Round {round} of the ticket is missing.")
        return 100 * share

    def round_at(
        self, density: float, branch: str = TICKET, within: float = 1.12
    ) -> int:
        """Returns the round of a branch that is nearest to a density.

        Args:
            density: In percent.
            branch: Whose rounds to choose from.
            within: How far off it may be, as a factor.

        Raises:
            Missing: If none is near enough.
        """
        return self._nearest(density, self.rounds(branch), branch, within)

    def _nearest(
        self, density: float, rounds: Sequence[int], name: str, within: float
    ) -> int:
        known = [r for r in rounds if r in self._run.densities]

        def off(round: int) -> float:
            return abs(math.log(self.density(round) / density))

        best = min(known, key=off, default=None)
        if best is None or off(best) > math.log(within):
            raise Missing(
                f"No round of {branch_names.label(name)} is near {density:g} % "
                "of the weights.",
                _controls(name),
            )
        return best

    def values(
        self, branch: str, round: int, column: str
    ) -> dict[int, list[float]]:
        """Returns `{replicate: values of its draws}` of a branch's round.

        Raises:
            Missing: If there are none.
        """
        found: dict[int, list[float]] = {}
        for row in self._run.rows:
            if row["branch"] == branch and row["round"] == round:
                value = row.get(column)
                if isinstance(value, int | float):
                    found.setdefault(row["replicate"], []).append(float(value))
        if not found:
            raise Missing(
                f"Round {round} of {branch_names.label(branch)} is not run.",
                _controls(branch),
            )
        return found

    def pairs(
        self,
        column: str,
        first: tuple[str, int],
        second: tuple[str, int],
        combine: Callable[[float, float], float],
    ) -> Spread:
        """Combines two networks' numbers within each replicate.

        Args:
            column: Column of `results.csv`.
            first: Branch and round.
            second: Branch and round.
            combine: Takes a number of each.

        Returns:
            The spread over replicates and draws.

        Raises:
            Missing: If no replicate has both.
        """
        a, b = (self.values(*which, column) for which in (first, second))
        values = [
            combine(x, y)
            for replicate in a.keys() & b.keys()
            for x in a[replicate]
            for y in b[replicate]
        ]
        if not values:
            raise Missing(
                f"No replicate has both {branch_names.label(first[0])} and "
                f"{branch_names.label(second[0])}.",
                _controls(first[0], second[0]),
            )
        return Spread.of(values)

    def table(self, name: str, **chosen: Any) -> list[dict[str, Any]]:
        """Returns rows of a table of `tflottery analyse`.

        Args:
            name: Such as `"stability"`.
            **chosen: Columns and the values they must have.

        Raises:
            Missing: If there are none.
        """
        rows = [
            row
            for row in self._run.table(name)
            if all(row.get(key) == value for key, value in chosen.items())
        ]
        if not rows:
            raise _not_analysed(name, chosen, self._run.branches)
        return rows

    def table_round(
        self, density: float, rows: Sequence[dict], name: str, within: float
    ) -> int:
        """Returns the round of a table that is nearest to a density.

        Args:
            density: In percent.
            rows: Rows with a column `round`.
            name: Name of the table, for the message.
            within: How far off it may be, as a factor.

        Raises:
            Missing: If none is near enough.
        """
        rounds = sorted({row["round"] for row in rows})
        try:
            return self._nearest(density, rounds, TICKET, within)
        except Missing:
            raise Missing(
                f"{name}.csv has no round near {density:g} % of the weights.",
                analyse=True,
            ) from None


def _controls(*branches: str) -> tuple[str, ...]:
    return tuple(name for name in branches if name != TICKET)


def _not_run(branch: str) -> Missing:
    if branch == TICKET:
        return Missing("No round of pruning is finished.")
    text = branch_names.label(branch)
    return Missing(f"{text[0].upper()}{text[1:]} is not run.", (branch,))


# (branch, to) of a table -> the controls that it is made of.
_MADE_OF = {
    ("ticket", "data_order"): ("reordered",),
    ("dense", "data_order"): ("reordered",),
    ("random_ticket", "data_order"): (
        "random_ticket",
        "reordered_random_ticket",
    ),
    ("random_ticket", "pruning"): ("random_ticket",),
}


def _not_analysed(
    name: str, chosen: Mapping[str, Any], there: Sequence[str]
) -> Missing:
    what = ", ".join(
        str(chosen[key]).replace("_", " ")
        for key in ("branch", "to", "group")
        if key in chosen
    )
    needed = _MADE_OF.get((chosen.get("branch"), chosen.get("to")), ())
    return Missing(
        f"{name}.csv has no rows{f' ({what})' if what else ''}.",
        [branch for branch in needed if branch not in there],
        analyse=True,
    )


def mean_of(rows: Sequence[dict], column: str) -> Spread:
    """Returns the spread of a column over rows."""
    found = summary.grouped(rows, [], [column])
    return found[0][column] if found else Spread.of(())
