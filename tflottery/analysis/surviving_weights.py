"""Which initial weights survive: their distribution, their signs, their size.

P1's figures show the initial weights of the survivors of a layer as a bell
that has lost its middle: pruning by trained magnitude removes weights that
began near zero. Two measures say so in numbers. `centre_ratio` compares how
many survivors began near zero with how many weights did: 1 for a random
sample, 0 for an empty middle. `bimodality` compares the density beside the
middle with the density in it, so it tells a thinned bell from one with two
humps: above one half there are two. Sarle's coefficient, the usual one, tells
neither, as it is a matter of tails and skew.

Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, appendix
F.1 and F.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tflottery.analysis.findings import Findings
from tflottery.analysis.run_files import Place, RunFiles
from tflottery.core import checks

BINS = 60  # even, so that zero is a border and signs stay apart


def histogram(
    values: np.ndarray, limit: float, bins: int = BINS
) -> Iterator[tuple[float, float, int]]:
    """Counts values in equal bins that are symmetric about zero.

    Args:
        values: numbers, of any shape.
        limit: the greatest magnitude that is counted; the bins lie in
            [-limit, limit].
        bins: how many. Default 60; an even number keeps signs apart.

    Yields:
        `(low, high, count)`; `low` belongs to the bin and `high` to the next,
        except in the last one.

    Example:
        >>> list(histogram(np.array([-1.0, 0.1, 0.2]), 1.0, bins=2))
        [(-1.0, 0.0, 1), (0.0, 1.0, 2)]
    """
    checks.check_positive_int("bins", bins)
    edges = np.linspace(-limit, limit, bins + 1)
    counts, _ = np.histogram(np.asarray(values, np.float64), edges)
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        yield float(low), float(high), int(count)


def bimodality(values: np.ndarray, scale: float) -> float:
    """Tells one hump about zero from two humps beside it.

    With c the density of the values within half a `scale` of zero, and s that
    from half a `scale` to one and a half, this is s / (s + c).

    Args:
        values: weights, of any shape.
        scale: the standard deviation of the distribution they come from.

    Returns:
        A number in [0, 1]: 0.387 for a bell about zero, 0.5 where middle and
        shoulders are equally dense, above it for two humps, 1 for an empty
        middle; NaN without values in either.

    Example:
        >>> round(bimodality(np.linspace(-2, 2, 401), 1.0), 2)
        0.5
        >>> bimodality(np.array([-0.9, 1.1]), 1.0)
        1.0
    """
    size = np.abs(np.asarray(values, np.float64))
    centre = np.count_nonzero(size <= scale / 2)
    # Twice as wide as the middle.
    both = np.count_nonzero(size <= scale * 1.5)
    shoulders = (both - centre) / 2
    return _ratio(shoulders, shoulders + centre)


def statistics(
    initial: np.ndarray, trained: np.ndarray, alive: np.ndarray
) -> dict[str, Any]:
    """Describes the survivors of one tensor.

    Args:
        initial: all weights before training.
        trained: all weights after the round; only survivors' are looked at.
        alive: bool array, `True` for survivors; all three of one shape.

    Returns:
        `survivors` (count), `positive_share` of their initial weights,
        `kept_sign_share` (those whose trained sign is the initial one),
        `median_magnitude_ratio` (their median initial magnitude over that of
        all weights), `centre_ratio`, `bimodality` and `initial_bimodality`
        (that of all weights). What is not defined is NaN.

    Example:
        >>> initial = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
        >>> found = statistics(initial, initial, np.abs(initial) > 1.5)
        >>> found["survivors"], found["centre_ratio"], found["positive_share"]
        (2, 0.0, 0.5)
        >>> found["median_magnitude_ratio"]
        2.0
    """
    initial = np.asarray(initial, np.float64)
    survivors, after = initial[alive], np.asarray(trained)[alive]
    scale, count = float(initial.std()), survivors.size
    near = [
        _ratio(np.count_nonzero(np.abs(part) <= scale / 2), part.size)
        for part in (survivors, initial)
    ]
    same = np.count_nonzero(np.sign(after) == np.sign(survivors))
    medians = [
        float(np.median(np.abs(part))) if part.size else math.nan
        for part in (survivors, initial)
    ]
    return {
        "survivors": int(count),
        "positive_share": _ratio(np.count_nonzero(survivors > 0), count),
        "kept_sign_share": _ratio(same, count),
        "median_magnitude_ratio": _ratio(*medians),
        "centre_ratio": _ratio(*near),
        "bimodality": bimodality(survivors, scale),
        "initial_bimodality": bimodality(initial, scale),
    }


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan


def examine(run: RunFiles) -> Findings:
    """Describes the survivors of every layer and round of the tickets.

    Initial weights are those of step 0, also where tickets are rewound to a
    later step.

    Args:
        run: the run directory.

    Returns:
        Rows of the tables `surviving_weights` and `signs`.
    """
    bins: list[dict[str, Any]] = []
    signs: list[dict[str, Any]] = []
    for replicate in run.replicates:
        initial = run.initial(replicate)
        rounds = run.sparse_rounds(replicate)
        limits = _trained_limits(run, replicate, rounds)
        for round in rounds:
            place = Place(replicate, round)
            trained = run.trained(place)
            for path, alive in run.mask(place).items():
                where = {"replicate": replicate, "round": round, "layer": path}
                found = statistics(initial[path], trained[path], alive)
                signs.append({**where, **found})
                widest = float(np.max(np.abs(initial[path]), initial=0.0))
                for name, values, limit in (
                    ("initial", initial[path], widest),
                    ("surviving", initial[path][alive], widest),
                    ("trained", trained[path][alive], limits[path]),
                ):
                    bins += _bins(where, name, values, limit)
    lacks = []
    if not signs:
        lacks.append(
            "Survivors need a finished round after round 0; go on with the "
            "search."
        )
    return Findings({"surviving_weights": bins, "signs": signs}, lacks)


def _trained_limits(run, replicate, rounds):
    """Returns `{path: greatest magnitude of a survivor in any round}`."""
    limits: dict[str, float] = {}
    for round in rounds:
        place = Place(replicate, round)
        trained = run.trained(place)
        for path, alive in run.mask(place).items():
            most = float(np.max(np.abs(trained[path][alive]), initial=0.0))
            limits[path] = max(most, limits.get(path, 0.0))
    return limits


def _bins(where, name, values, limit):
    for low, high, count in histogram(values, limit or 1.0):
        row = {"weights": name, "low": low, "high": high, "count": count}
        yield {**where, **row}
