"""Simulated counts of samples, held to what can be computed."""

import math

import numpy as np
import pytest

from tflottery.supermasks.least_samples import failure_rate, least_units
from tflottery.supermasks.logarithmic import Logarithmic
from tflottery.supermasks.polynomial import Polynomial
from tflottery.supermasks.sample_counts import make_need
from tflottery.supermasks.subset_sum import SubsetSum


def _polynomial_failures(units, error, points=2001):
    """P(no product of `units` units is near), averaged over weights."""

    def below(x):  # Distribution of a product of two U[-s, s], s * s = e.
        size = np.maximum(np.abs(x), 1e-300) / math.e
        return 0.5 + np.sign(x) * 0.5 * size * (1 - np.log(size))

    weights = np.linspace(-1, 1, points)
    weights = weights[np.abs(weights) > error]  # Others may keep nothing.
    hit = 0.5 * (below(weights + error) - below(weights - error))
    return ((1 - hit) ** units).mean() * (1 - error)


@pytest.mark.parametrize("units", [20, 60])
def test_measured_failures_are_those_that_can_be_computed(units):
    expected = _polynomial_failures(units, 0.1)

    rate = failure_rate(Polynomial(), units, make_need(1, 1, 0.1), trials=4000)

    # 20 weights of a block share their units' first weights, so deviations are
    # larger than binomial ones: 0.012 and 0.005 over a dozen seeds.
    assert rate == pytest.approx(expected, abs=0.036)


def test_more_units_under_the_same_seed_never_fail_more():
    need = make_need(1, 1, 0.01)

    rates = [
        failure_rate(SubsetSum(), units, need, trials=200)
        for units in (1, 10, 20, 30, 50)
    ]

    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0.9 and rates[-1] == 0


def test_the_least_count_suffices_and_one_less_does_not():
    need = make_need(1, 1, 0.05)

    least = least_units(SubsetSum(), need, 0.1, trials=300, seed=3)

    def rate(units):
        return failure_rate(SubsetSum(), units, need, trials=300, seed=3)

    assert rate(least) <= 0.1 < rate(least - 1)


def test_the_constructions_stand_in_the_order_of_their_theorems():
    need = make_need(1, 1, 0.01)

    subset, logarithmic, polynomial = (
        least_units(construction, need, 0.05, trials=200)
        for construction in (SubsetSum(), Logarithmic(), Polynomial())
    )

    assert 2 * subset < logarithmic < polynomial / 2


def test_the_least_count_of_the_polynomial_construction_is_a_power():
    coarse, fine = (
        least_units(Polynomial(), make_need(1, 1, error), 0.1, trials=400)
        for error in (0.1, 0.01)
    )

    assert fine / coarse == pytest.approx(10, rel=0.5)


def test_bad_arguments_are_refused():
    need = make_need(1, 1, 0.1)
    with pytest.raises(ValueError, match=r"`failure` must be in \(0, 1\)"):
        least_units(SubsetSum(), need, 0.0)
    with pytest.raises(ValueError, match="`units` must be a positive"):
        failure_rate(SubsetSum(), 0, need)
    with pytest.raises(TypeError, match="`construction`"):
        failure_rate("subset sum", 5, need)
