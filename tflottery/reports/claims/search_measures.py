"""Measures on `results.csv`: accuracies and early-stopping steps."""

from __future__ import annotations

from collections.abc import Callable

from tflottery.reports.branch_names import TICKET, label
from tflottery.reports.claims import writing
from tflottery.reports.claims.claim import Measure, Measured
from tflottery.reports.claims.evidence import DENSE, Evidence, Missing
from tflottery.reports.summary import Spread

BEST, FINAL = "test_accuracy_best", "test_accuracy_final"
SAME = 0.002
_PLACES = {
    BEST: "test accuracy at early stop",
    FINAL: "test accuracy at the end",
    "validation_accuracy": "validation accuracy at early stop",
}


def _gain(evidence: Evidence, column: str, first, second) -> Spread:
    return evidence.pairs(column, first, second, lambda a, b: a - b)


def _ratio(evidence: Evidence, first, second) -> Spread:
    return evidence.pairs(
        "best_step", first, second, lambda a, b: b / max(a, 1)
    )


def _at(evidence: Evidence, round: int) -> str:
    return f" at {writing.density(evidence.density(round))}"


def dense_accuracy(paper: float, within: float, column: str = FINAL) -> Measure:
    """The dense network's accuracy is the paper's, within so many points."""

    def measure(evidence: Evidence) -> Measured:
        values = evidence.values(*DENSE, column)
        found = Spread.of(v for draws in values.values() for v in draws)
        ours = writing.spread(found, writing.percent)
        return Measured(ours, abs(found.mean - paper / 100) <= within / 100)

    rule = f"mean {_PLACES[column]} within {within:g} points of {paper:g} %"
    return Measure(rule, measure)


def earlier(density: float, share: float) -> Measure:
    """The ticket stops earlier than the dense network by a share."""

    def measure(evidence: Evidence) -> Measured:
        round = evidence.round_at(density)
        found = evidence.pairs(
            "best_step", (TICKET, round), DENSE, lambda a, b: a / max(b, 1) - 1
        )
        ours = writing.spread(found, writing.whole_percent)
        return Measured(ours + _at(evidence, round), found.mean <= -share / 2)

    return Measure(
        f"at least {50 * share:.0f} % earlier, half as much", measure
    )


def times_faster(density: float, paper: float) -> Measure:
    """The ticket stops so many times earlier than the dense network."""
    return _times(density, paper, TICKET, DENSE)


def times_faster_than(branch: str, density: float, paper: float) -> Measure:
    """The ticket stops so many times earlier than a control."""
    return _times(density, paper, TICKET, (branch, None))


def _times(density: float, paper: float, faster: str, slower) -> Measure:
    least = 1 + (paper - 1) / 2

    def measure(evidence: Evidence) -> Measured:
        branch, fixed = slower
        own = branch if fixed is None else faster
        round = evidence.round_at(density, own)
        other = (branch, round if fixed is None else fixed)
        found = _ratio(evidence, (faster, round), other)
        ours = writing.spread(found, writing.times)
        return Measured(ours + _at(evidence, round), found.mean >= least)

    return Measure(f"at least {least:.2f}×, half the gain", measure)


def gain(density: float, points: float, column: str = BEST) -> Measure:
    """The ticket gains so many points over the dense network."""

    def measure(evidence: Evidence) -> Measured:
        round = evidence.round_at(density)
        found = _gain(evidence, column, (TICKET, round), DENSE)
        ours = writing.spread(found, writing.points)
        return Measured(ours + _at(evidence, round), found.mean >= points / 200)

    rule = f"{_PLACES[column]} at least {points / 2:g} points up, half as much"
    return Measure(rule, measure)


def best_gain(points: float, column: str = BEST) -> Measure:
    """Some round's ticket gains so many points over the dense network."""

    def measure(evidence: Evidence) -> Measured:
        gains = {
            round: _gain(evidence, column, (TICKET, round), DENSE)
            for round in evidence.rounds()
        }
        best = max(gains, key=lambda round: gains[round].mean)
        ours = writing.spread(gains[best], writing.points)
        return Measured(
            ours + _at(evidence, best), gains[best].mean >= points / 200
        )

    rule = (
        f"the round with the greatest mean gain has at least {points / 2:g} "
        "points, half as much"
    )
    return Measure(rule, measure)


def no_worse(
    density: float, column: str = BEST, same: float = SAME, branch: str = TICKET
) -> Measure:
    """A branch is as accurate as the dense network at a density."""

    def measure(evidence: Evidence) -> Measured:
        round = evidence.round_at(density, branch)
        found = _gain(evidence, column, (branch, round), DENSE)
        ours = writing.spread(found, writing.points)
        return Measured(ours + _at(evidence, round), found.mean >= -same)

    rule = f"{_PLACES[column]} at most {100 * same:g} points below dense"
    return Measure(rule, measure)


def worse(density: float, column: str = BEST, same: float = SAME) -> Measure:
    """The ticket is less accurate than the dense network."""

    def measure(evidence: Evidence) -> Measured:
        round = evidence.round_at(density)
        found = _gain(evidence, column, (TICKET, round), DENSE)
        ours = writing.spread(found, writing.points)
        return Measured(ours + _at(evidence, round), found.mean < -same)

    rule = f"{_PLACES[column]} more than {100 * same:g} points below dense"
    return Measure(rule, measure)


def no_later(density: float, slack: float = 0.2) -> Measure:
    """The ticket stops no later than the dense network."""

    def measure(evidence: Evidence) -> Measured:
        round = evidence.round_at(density)
        found = evidence.pairs(
            "best_step", (TICKET, round), DENSE, lambda a, b: a / max(b, 1) - 1
        )
        ours = writing.spread(found, writing.whole_percent)
        return Measured(ours + _at(evidence, round), found.mean <= slack)

    rule = f"at most {100 * slack:.0f} % later, half of the gain at its best"
    return Measure(rule, measure)


def fastest_between(low: float, high: float) -> Measure:
    """The round with the earliest stop lies between two densities."""

    def measure(evidence: Evidence) -> Measured:
        steps = {
            round: _ratio(evidence, (TICKET, round), DENSE)
            for round in evidence.rounds()
        }
        best = max(steps, key=lambda round: steps[round].mean)
        where = evidence.density(best)
        ours = (
            f"{writing.density(where)}, "
            f"{writing.spread(steps[best], writing.times)} faster"
        )
        return Measured(ours, low <= where <= high)

    rule = f"between {low:g} and {high:g} %, two rounds to either side"
    return Measure(rule, measure)


def better_than(
    branch: str, density: float, points: float, column: str = BEST
) -> Measure:
    """The ticket is so many points better than a control at a density."""

    def measure(evidence: Evidence) -> Measured:
        round = evidence.round_at(density, branch)
        found = _gain(evidence, column, (TICKET, round), (branch, round))
        ours = writing.spread(found, writing.points)
        return Measured(ours + _at(evidence, round), found.mean >= points / 200)

    return Measure(f"at least {points / 2:g} points, half as much", measure)


def mean_gain(
    first: str,
    second: str,
    holds: Callable[[float], bool],
    rule: str,
    *,
    column: str = BEST,
    below: float = 100.0,
    above: float = 0.0,
) -> Measure:
    """Compares two branches in all rounds that both have.

    Args:
        first: A branch.
        second: Another, or `"dense"`.
        holds: Takes the mean difference over these rounds.
        rule: The same in words.
        column: Which accuracy.
        below: Only rounds up to this density, in percent.
        above: Only rounds from this density on, in percent.
    """

    def measure(evidence: Evidence) -> Measured:
        found = common_rounds(evidence, first, second, below, above)
        gains = [
            _gain(
                evidence,
                column,
                (first, round),
                DENSE if second == "dense" else (second, round),
            )
            for round in found
        ]
        mean = Spread.of(g.mean for g in gains)
        ours = (
            f"{writing.points(mean.mean)} in the mean of {len(gains)} "
            f"round{'s' if len(gains) > 1 else ''}"
        )
        if len(gains) > 1:
            ends = (writing.points(e).split()[0] for e in (mean.low, mean.high))
            ours += f" ({' to '.join(ends)})"
        return Measured(ours, holds(mean.mean))

    return Measure(rule, measure)


def common_rounds(
    evidence: Evidence,
    first: str,
    second: str,
    below: float = 100.0,
    above: float = 0.0,
) -> list[int]:
    """Returns the rounds that two branches have between two densities.

    Raises:
        Missing: If there is none.
    """
    found = set(evidence.rounds(first))
    if second != "dense":
        found &= set(evidence.rounds(second))
    chosen = [
        round
        for round in sorted(found)
        if above <= evidence.density(round) <= below
    ]
    if not chosen:
        names = [n for n in (first, second) if n not in (TICKET, "dense")]
        who = " and ".join(label(name) for name in names) or "the ticket"
        raise Missing(
            f"No finished round of {who} is between {above:g} and {below:g} % "
            "of the weights.",
            names,
        )
    return chosen
