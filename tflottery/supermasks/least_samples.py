"""How few random units suffice, measured.

Bounds say what is enough; a simulation says how much of it was needed. One
procedure serves all constructions, since it goes by what they keep.
"""

from __future__ import annotations

import numpy as np

from tflottery.core import seeds
from tflottery.core.checks import (
    check_finite,
    check_instance,
    check_positive_int,
)
from tflottery.supermasks.construction import Construction, Need

# Weights that are tried on one block of a simulation. They share their units'
# first weights, as the weights of a layer do.
_OUTPUTS = 20


def failure_rate(
    construction: Construction,
    units: int,
    need: Need,
    *,
    trials: int = 2000,
    seed: int = 0,
) -> float:
    """Measures how often a weight is missed with so many units.

    Targets are drawn uniformly from [-W, W], W being the largest weight, and
    only inputs of one sign are looked at. A weight is missed where what the
    construction keeps is further from it than the weight error, whatever its
    own account says.

    Args:
        construction: The construction.
        units: Units sampled for each input, of both signs, >= 1.
        need: The layer; only largest weight and weight error matter, and what
            the construction itself makes of the rest.
        trials: Weights tried, rounded up to a multiple of 20, which share
            their units' in-weights as those of a layer do. Defaults to 2000.
        seed: Seed of everything drawn. Defaults to 0. More units under the
            same seed are the same units and more.

    Returns:
        A share in [0, 1].

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `units` or `trials` is not positive.

    Example:
        >>> from tflottery.supermasks.sample_counts import make_need
        >>> from tflottery.supermasks.subset_sum import SubsetSum
        >>> need = make_need(784, 300, 0.01)
        >>> few = failure_rate(SubsetSum(), 10, need, trials=200)
        >>> many = failure_rate(SubsetSum(), 40, need, trials=200)
        >>> few > 0.5, many < 0.05
        (True, True)
    """
    check_instance("construction", construction, Construction)
    check_positive_int("units", units)
    check_positive_int("trials", trials)
    missed, blocks = 0, -(-trials // _OUTPUTS)
    largest = need.largest_weight
    for j in range(blocks):

        def rng(what, j=j):
            return seeds.rng(seed, "sample counts", j, what)

        weights = rng("weights").uniform(-largest, largest, _OUTPUTS)
        a = construction.sample_in(rng("in"), (units,), need)
        b = construction.sample_out(rng("out"), (units, _OUTPUTS), need)
        useful = a > 0
        a, b = a[useful], b[useful]
        sums = np.zeros(_OUTPUTS)
        if a.size:
            kept = construction.select(a, b, weights, need)
            into, out = a[kept.units], b[kept.units, kept.outputs]
            products = into.astype(np.float64) * out
            sums = np.bincount(kept.outputs, products, minlength=_OUTPUTS)
        errors = np.abs(sums - weights)
        missed += int(np.count_nonzero(errors > need.weight_error))
    return missed / (blocks * _OUTPUTS)


def least_units(
    construction: Construction,
    need: Need,
    failure: float = 0.01,
    *,
    trials: int = 2000,
    seed: int = 0,
) -> int:
    """Measures the least units that miss no more than a given share of weights.

    Args:
        construction: The construction.
        need: The layer, as in `failure_rate`.
        failure: Share of the weights that may be missed, in (0, 1). Defaults to
            0.01; `trials` should be many times its inverse.
        trials: Weights tried for each count. Defaults to 2000.
        seed: Seed of everything drawn. Defaults to 0.

    Returns:
        The least count of units, found by doubling and halving intervals on
        one fixed draw, of which more units are a longer beginning.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of range.

    Example:
        >>> from tflottery.supermasks.sample_counts import make_need
        >>> from tflottery.supermasks.subset_sum import SubsetSum
        >>> need = make_need(784, 300, 0.1)
        >>> least = least_units(SubsetSum(), need, 0.1, trials=200)
        >>> least < SubsetSum().units(need)
        True
    """
    if not 0 < check_finite("failure", failure) < 1:
        raise ValueError(
            f"`failure` must be in (0, 1). Received: failure={failure!r}. It "
            "is the share of weights that may be missed; use 0.01."
        )

    def suffices(units):
        rate = failure_rate(construction, units, need, trials=trials, seed=seed)
        return rate <= failure

    high = 1
    while not suffices(high):
        high *= 2
    low = high // 2  # Does not suffice, or is 0.
    while high - low > 1:
        middle = (low + high) // 2
        if suffices(middle):
            high = middle
        else:
            low = middle
    return high
