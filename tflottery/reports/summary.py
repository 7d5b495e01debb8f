"""Mean, least and greatest value over the runs of a round.

The lottery papers print means with bars from the least to the greatest value;
so do our tables and figures, and both take the numbers from here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DENSE_BRANCH = "ticket"


@dataclasses.dataclass(frozen=True)
class Spread:
    """Some values, as their mean and their two ends.

    Args:
        mean: Arithmetic mean; NaN if there are no values.
        low: The least value.
        high: The greatest value.
        count: How many values there are, NaN left out.

    Example:
        >>> Spread.of([1.0, 2.0, 6.0])
        Spread(mean=3.0, low=1.0, high=6.0, count=3)
    """

    mean: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Makes the spread of some numbers; NaN counts as missing."""
        known = [float(v) for v in values if not math.isnan(v)]
        if not known:
            return cls(math.nan, math.nan, math.nan, 0)
        mean = math.fsum(known) / len(known)
        return cls(mean, min(known), max(known), len(known))


@dataclasses.dataclass(frozen=True)
class Point:
    """All runs of one branch in one round.

    Args:
        branch: Name of the branch.
        round: Number of the round; 0 is dense.
        density: Share of the prunable weights that are left, in (0, 1].
        count: How many runs (replicates times draws) there are.
        values: Spread of every other column that holds numbers.
    """

    branch: str
    round: int
    density: float
    count: int
    values: Mapping[str, Spread]

    def __getitem__(self, column: str) -> Spread:
        """Returns the spread of a column; an unknown one has no values."""
        return self.values.get(column) or Spread.of(())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Gathers the rows of `results.csv` by branch and round.

    Args:
        rows: Rows as `results.read_results` gives them.

    Returns:
        Points, those of `ticket` first, the other branches in the order in
        which they appear; rounds ascending within a branch.

    Example:
        >>> rows = [
        ...     {"branch": "ticket", "round": 1, "density": 0.8, "best_step": s}
        ...     for s in (100, 300)
        ... ]
        >>> summarise(rows)[0]["best_step"].mean
        200.0
    """
    branches = sorted(
        dict.fromkeys(row["branch"] for row in rows),
        key=lambda branch: branch != DENSE_BRANCH,
    )
    groups: dict[tuple[str, int], list] = {}
    for row in rows:
        groups.setdefault((row["branch"], row["round"]), []).append(row)
    points = []
    for branch, number in sorted(
        groups, key=lambda key: (branches.index(key[0]), key[1])
    ):
        group = groups[branch, number]
        columns = dict.fromkeys(k for row in group for k in row)
        values = {
            name: Spread.of(row[name] for row in group)
            for name in columns
            if all(_is_number(row.get(name)) for row in group)
        }
        points.append(
            Point(branch, number, values["density"].mean, len(group), values)
        )
    return points


def grouped(
    rows: Sequence[Mapping[str, Any]],
    by: Sequence[str],
    columns: Sequence[str],
) -> list[dict[str, Any]]:
    """Gathers rows that are alike in some columns, spreads the others.

    Args:
        rows: Rows of any table.
        by: Columns whose values make a group.
        columns: Columns to spread; a cell that is no number has no value.

    Returns:
        A dict per group, in the order in which groups appear: the values of
        `by`, and a `Spread` for each of `columns`.

    Example:
        >>> rows = [dict(layer="fc1", angle=a) for a in (10.0, 30.0)]
        >>> grouped(rows, ["layer"], ["angle"])[0]["angle"].mean
        20.0
    """
    groups: dict[tuple, list] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return [
        {
            **dict(zip(by, key, strict=True)),
            **{
                name: Spread.of(
                    row[name] for row in group if _is_number(row.get(name))
                )
                for name in columns
            },
        }
        for key, group in groups.items()
    ]


def branches(points: Iterable[Point]) -> dict[str, list[Point]]:
    """Sorts points by branch, in the order given."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.branch, []).append(point)
    return found


def dense_point(points: Iterable[Point]) -> Point | None:
    """Returns the dense round, or `None` if it is not among the points.

    The dense network is round 0 of the branch `ticket`; a branch of controls
    has none of its own.
    """
    for point in points:
        if point.branch == DENSE_BRANCH and point.round == 0:
            return point
    return None
