"""Measures on the tables of `tflottery analyse`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tflottery.reports import summary
from tflottery.reports.branch_names import TICKET
from tflottery.reports.claims import writing
from tflottery.reports.claims.claim import Measure, Measured
from tflottery.reports.claims.evidence import Evidence, Missing, mean_of
from tflottery.reports.summary import Spread

RANDOM = "random_ticket"
_ALL = "all"
_NEAR = 1.35  # one round of pruning a fifth to either side, and a little


def _of_round(evidence, density, name, **chosen) -> tuple[list, str]:
    rows = evidence.table(name, **chosen)
    round = evidence.table_round(density, rows, name, _NEAR)
    found = [row for row in rows if row["round"] == round]
    return found, f" at {writing.density(evidence.density(round))}"


def _both(
    evidence: Evidence, density: float, to: str, column: str
) -> tuple[Spread, Spread, str]:
    """Returns tickets' and random tickets' spread in the same round."""
    tickets, randoms = (
        evidence.table("stability", branch=branch, to=to, layer=_ALL)
        for branch in (TICKET, RANDOM)
    )
    shared = {row["round"] for row in tickets} & {r["round"] for r in randoms}
    tickets = [row for row in tickets if row["round"] in shared]
    round = evidence.table_round(density, tickets, "stability", _NEAR)
    spreads = (
        mean_of([row for row in rows if row["round"] == round], column)
        for rows in (tickets, randoms)
    )
    where = f" at {writing.density(evidence.density(round))}"
    return (*spreads, where)


def closer(
    to: str, column: str, density: float, ours: float, other: float
) -> Measure:
    """Tickets end closer to one another than random tickets do.

    Args:
        to: `"data_order"` or `"pruning"`.
        column: `"distance"` or `"angle"`.
        density: In percent.
        ours: The paper's number for tickets.
        other: Its number for random tickets.
    """
    is_distance = column == "distance"
    least = 1 + (other / ours - 1) / 2 if is_distance else (other - ours) / 2
    write = writing.number if is_distance else writing.degrees

    def measure(evidence: Evidence) -> Measured:
        a, b, where = _both(evidence, density, to, column)
        ratio = b.mean / a.mean if a.mean else 1.0
        found = ratio if is_distance else b.mean - a.mean
        text = f"{writing.spread(a, write)} / {writing.spread(b, write)}"
        if is_distance:
            text += f", {writing.times(ratio)}"
        return Measured(text + where, found >= least)

    rule = (
        f"random tickets at least {least:.2f}× as far, half the gap"
        if is_distance
        else f"random tickets at least {least:.0f}° wider, half the gap"
    )
    return Measure(rule, measure)


def as_far_as_random(to: str, density: float, most: float = 1.3) -> Measure:
    """Tickets end no closer to one another than random tickets do."""

    def measure(evidence: Evidence) -> Measured:
        a, b, where = _both(evidence, density, to, "distance")
        ratio = b.mean / a.mean if a.mean else 1.0
        text = (
            f"{writing.spread(a, writing.number)} / "
            f"{writing.spread(b, writing.number)}, {writing.times(ratio)}"
        )
        return Measured(text + where, 1 / most <= ratio <= most)

    return Measure(f"within {most:g}× of one another", measure)


def stable(
    branch: str, density: float, *, is_stable: bool = True, most: float = 0.02
) -> Measure:
    """Two trainings on other orders of the data are linearly connected."""

    def measure(evidence: Evidence) -> Measured:
        chosen = {"branch": branch, "to": "data_order"}
        if branch == "dense":
            found, where = evidence.table("instability", **chosen), ""
        else:
            found, where = _of_round(evidence, density, "instability", **chosen)
        height = mean_of(found, "test_instability")
        ours = writing.spread(height, writing.points) + where
        return Measured(ours, (height.mean < most) == is_stable)

    side = "below" if is_stable else "at least"
    return Measure(
        f"mean test instability {side} {100 * most:g} points", measure
    )


def trained_to(least: float, above: float) -> Measure:
    """Tickets fit their training data, down to a density."""

    def measure(evidence: Evidence) -> Measured:
        rows = [
            row
            for row in evidence.table("interpolation", branch=TICKET)
            if row["alpha"] == 1 and 100 * row["density"] >= above
        ]
        if not rows:
            raise Missing(
                "interpolation.csv has no trained tickets.", analyse=True
            )
        points = summary.grouped(rows, ["round"], ["train_error"])
        worst = max(points, key=lambda point: point["train_error"].mean)
        error = worst["train_error"]
        share = Spread(
            1 - error.mean, 1 - error.high, 1 - error.low, error.count
        )
        where = writing.density(evidence.density(worst["round"]))
        ours = f"least: {writing.spread(share, writing.percent)} at {where}"
        return Measured(ours, share.mean >= least)

    rule = f"in the mean of every round at least {100 * least:g} %"
    return Measure(rule, measure)


def of_layers(
    table: str,
    value: Callable[[Sequence[dict]], dict[str, float]],
    holds: Callable[[list[float]], bool],
    rule: str,
    *,
    density: float = 3.58,
    write: Callable[[float], str] = writing.number,
) -> Measure:
    """A number per layer at a density, over replicates.

    Args:
        table: Name of the table.
        value: Takes the rows of one replicate and round; returns a number per
            layer, in the order of the network.
        holds: Takes the mean of each layer.
        rule: The same in words.
        density: In percent; the nearest round of the table is taken.
        write: How a number is written.
    """

    def measure(evidence: Evidence) -> Measured:
        rows, where = _of_round(evidence, density, table)
        found: dict[str, list[float]] = {}
        for replicate in sorted({row["replicate"] for row in rows}):
            own = [row for row in rows if row["replicate"] == replicate]
            for layer, number in value(own).items():
                found.setdefault(layer, []).append(number)
        if not found:
            raise Missing(
                f"{table}.csv has no numbers at this density.", analyse=True
            )
        means = {name: Spread.of(v) for name, v in found.items()}
        text = "; ".join(
            f"{name.removesuffix('/kernel')} {writing.spread(spread, write)}"
            for name, spread in means.items()
        )
        return Measured(text + where, holds([s.mean for s in means.values()]))

    return Measure(rule, measure)
