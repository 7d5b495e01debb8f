"""Measures that look at a branch over many rounds."""

from __future__ import annotations

from tflottery.reports.branch_names import TICKET
from tflottery.reports.claims import writing
from tflottery.reports.claims.claim import Measure, Measured
from tflottery.reports.claims.evidence import DENSE, Evidence
from tflottery.reports.claims.search_measures import (
    BEST,
    SAME,
    common_rounds,
)
from tflottery.reports.summary import Spread


def _gains(
    evidence: Evidence, branch: str, rounds: list[int], column: str
) -> dict[int, Spread]:
    return {
        round: evidence.pairs(
            column, (branch, round), DENSE, lambda a, b: a - b
        )
        for round in rounds
    }


def _worst(evidence: Evidence, gains: dict[int, Spread]) -> str:
    worst = min(gains, key=lambda round: gains[round].mean)
    where = writing.density(evidence.density(worst))
    return f"least: {writing.spread(gains[worst], writing.points)} at {where}"


def never_below(
    above: float,
    *,
    below: float = 100.0,
    branch: str = TICKET,
    column: str = BEST,
    same: float = SAME,
) -> Measure:
    """A branch is never less accurate than dense between two densities."""

    def measure(evidence: Evidence) -> Measured:
        rounds = common_rounds(evidence, branch, "dense", below, above)
        gains = _gains(evidence, branch, rounds, column)
        return Measured(
            _worst(evidence, gains),
            all(g.mean >= -same for g in gains.values()),
        )

    rule = (
        f"in the mean of every round from {above:g} % on at most "
        f"{100 * same:g} points below dense"
    )
    return Measure(rule, measure)


def always_below(
    below: float, *, branch: str, column: str = BEST, above: float = 0.0
) -> Measure:
    """A branch is less accurate than dense in every round below a density."""

    def measure(evidence: Evidence) -> Measured:
        rounds = common_rounds(evidence, branch, "dense", below, above)
        gains = _gains(evidence, branch, rounds, column)
        best = max(gains, key=lambda round: gains[round].mean)
        where = writing.density(evidence.density(best))
        ours = f"most: {writing.spread(gains[best], writing.points)} at {where}"
        if len(rounds) > 1:
            ours += f", of {len(rounds)} rounds"
        return Measured(ours, all(g.mean < 0 for g in gains.values()))

    rule = f"in the mean of every round run up to {below:g} % below dense"
    return Measure(rule, measure)


def never_above(
    *, column: str = BEST, same: float = SAME, below: float = 100.0
) -> Measure:
    """No round of the ticket is more accurate than the dense network."""

    def measure(evidence: Evidence) -> Measured:
        rounds = common_rounds(evidence, TICKET, "dense", below)
        gains = _gains(evidence, TICKET, rounds, column)
        best = max(gains, key=lambda round: gains[round].mean)
        where = writing.density(evidence.density(best))
        ours = f"most: {writing.spread(gains[best], writing.points)} at {where}"
        return Measured(ours, gains[best].mean < same)

    rule = (
        f"no round up to {below:g} % that is {100 * same:g} points or more "
        "above dense"
    )
    return Measure(rule, measure)


def slower_and_slower(branch: str) -> Measure:
    """A control stops later the sparser it is, and later than the ticket."""

    def measure(evidence: Evidence) -> Measured:
        rounds = common_rounds(evidence, branch, TICKET)
        ratios = {
            round: evidence.pairs(
                "best_step",
                (branch, round),
                DENSE,
                lambda a, b: a / max(b, 1),
            )
            for round in rounds
        }
        tickets = [
            evidence.pairs(
                "best_step", (TICKET, r), DENSE, lambda a, b: a / max(b, 1)
            ).mean
            for r in rounds
        ]
        first, last = ratios[rounds[0]], ratios[rounds[-1]]
        where = [
            writing.density(evidence.density(r))
            for r in (rounds[0], rounds[-1])
        ]
        ours = (
            f"{writing.spread(first, writing.times)} the dense step at "
            f"{where[0]}, {writing.spread(last, writing.times)} at {where[1]}"
        )
        slower = all(
            ratios[r].mean > t for r, t in zip(rounds, tickets, strict=True)
        )
        return Measured(ours, slower and last.mean > max(first.mean, 1))

    rule = (
        "mean early-stopping step later than the ticket's in every round run, "
        "later in the sparsest than in the densest, and there later than dense"
    )
    return Measure(rule, measure)


def earlier_between(branch: str, high: float, low: float) -> Measure:
    """A branch stops earlier than dense between two densities."""

    def measure(evidence: Evidence) -> Measured:
        rounds = common_rounds(evidence, branch, "dense", high, low)
        changes = {
            round: evidence.pairs(
                "best_step",
                (branch, round),
                DENSE,
                lambda a, b: a / max(b, 1) - 1,
            )
            for round in rounds
        }
        worst = max(changes, key=lambda round: changes[round].mean)
        where = writing.density(evidence.density(worst))
        ours = (
            f"latest: {writing.spread(changes[worst], writing.whole_percent)} "
            f"at {where}, of {len(rounds)} rounds"
        )
        means = [change.mean for change in changes.values()]
        return Measured(
            ours, max(means) <= 0.05 and sum(means) / len(means) < 0
        )

    rule = (
        f"between {high:g} and {low:g} % in the mean earlier, and in no round "
        "more than 5 % later"
    )
    return Measure(rule, measure)


def better_between(branch: str, high: float, low: float) -> Measure:
    """A branch is more accurate than dense between two densities."""

    def measure(evidence: Evidence) -> Measured:
        rounds = common_rounds(evidence, branch, "dense", high, low)
        gains = _gains(evidence, branch, rounds, BEST)
        means = [gain.mean for gain in gains.values()]
        mean = sum(means) / len(means)
        ours = (
            f"mean of {len(rounds)} rounds {writing.points(mean)}; "
            f"{_worst(evidence, gains)}"
        )
        return Measured(ours, mean > 0 and min(means) >= -SAME)

    rule = (
        f"between {high:g} and {low:g} % in the mean above dense, and in no "
        f"round more than {100 * SAME:g} points below"
    )
    return Measure(rule, measure)
