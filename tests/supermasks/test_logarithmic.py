"""The logarithmic construction: its three lemmas, and the choice by hand."""

import dataclasses
import math

import numpy as np
import pytest

from tflottery.supermasks.construction import Need
from tflottery.supermasks.logarithmic import Logarithmic, UniformControl

NEED = Need(
    outputs=6,
    blocks=4,
    signs=2,
    largest_weight=0.7,
    weight_error=1e-3,
    failure=0.05,
)


def _with_bins(bins, **changes):
    need = dataclasses.replace(NEED, **changes)
    return dataclasses.replace(
        need, weight_error=need.largest_weight * 1.5**-bins * 1.001
    )


def _products(law, need, count, seed=0):
    rng = np.random.default_rng(seed)
    a = law.sample_in(rng, (count,), need)
    b = law.sample_out(rng, (count,), need)
    return a, b


@pytest.mark.parametrize("bins", [1, 5, 20, 54])
def test_the_bins_are_the_fewest_that_reach_the_weight_error(bins):
    need = _with_bins(bins)
    law = Logarithmic()
    assert law.bins(need) == bins
    assert law.error_bound(need) <= need.weight_error
    assert law.error_bound(need) > need.weight_error / 1.5
    assert law.details(need) == {"bins": bins}


def test_a_weight_error_beyond_all_floats_is_refused():
    with pytest.raises(ValueError, match="101 digits"):
        Logarithmic().bins(_with_bins(101))


@pytest.mark.parametrize("bins", [3, 20])
def test_weights_are_hyperbolic_with_signs(bins):
    # ln|a| uniform: deciles of the interval get a tenth each.
    need = _with_bins(bins)
    a, _ = _products(Logarithmic(), need, 200_000)
    assert a.dtype == np.float32
    width = bins * math.log(1.5)
    centre = 0.5 * (math.log(0.7) - 0.5 * (bins + 2) * math.log(1.5))
    place = (np.log(np.abs(a)) - centre) / width + 0.5
    assert place.min() > -1e-4 and place.max() < 1 + 1e-4
    shares = np.histogram(place, 10, (0, 1))[0] / a.size
    np.testing.assert_allclose(shares, 0.1, atol=4 * (0.09 / a.size) ** 0.5)
    positive = a > 0
    assert abs(positive.mean() - 0.5) < 0.005
    # The sign says nothing of the size.
    assert abs(np.median(place[positive]) - np.median(place[~positive])) < 0.01


@pytest.mark.parametrize("bins", [1, 8, 30])
def test_every_bin_is_hit_with_the_probability_of_the_lemma(bins):
    need = _with_bins(bins)
    a, b = _products(Logarithmic(), need, 1_000_000)
    wanted = (a > 0) & (b < 0)
    ratio = np.abs(a.astype("f8") * b) / 0.7
    place = -np.log(ratio) / math.log(1.5)
    least = 1 / (8 * bins)
    noise = 4 * (least / a.size) ** 0.5
    for k in range(1, bins + 1):
        share = (wanted & (place > k) & (place < k + 1)).mean()
        assert share > least - noise


def test_units_are_as_many_as_the_coverage_lemma_asks():
    need = _with_bins(20)
    units = Logarithmic().units(need)
    requirements = 6 * 4 * 2 * 20
    chance = 1 / (8 * 20)
    failure = requirements * math.exp(-units * chance)
    assert 0.9 * need.failure < failure <= need.failure


def test_units_grow_as_the_logarithm_times_its_logarithm():
    law = Logarithmic()
    errors = 10.0 ** -np.arange(1, 13)
    units = np.array(
        [law.units(dataclasses.replace(NEED, weight_error=e)) for e in errors]
    )
    digits = np.log(0.7 / errors) / math.log(1.5)
    form = digits * np.log(48 * digits / 0.05)
    ratio = units / form
    assert ratio[1:].max() / ratio[1:].min() < 1.1
    # Least squares of both laws, on logarithms: a * form, a * error**-power.
    logs = np.log(units[1:])
    of_form = logs - np.log(form[1:])
    powers = np.polyfit(np.log(1 / errors[1:]), logs, 1)
    of_power = logs - np.polyval(powers, np.log(1 / errors[1:]))
    assert of_form.std() < of_power.std() / 4


def _by_hand(a, b, weights, need, bins):
    """The construction in plain loops, on exact products."""
    kept, missing = set(), [0] * len(weights)
    for i, weight in enumerate(weights):
        rest = abs(weight)
        if rest == 0:
            continue
        for k in range(1, bins + 1):
            high = need.largest_weight * (2 / 3) ** k
            for unit in range(len(a)):
                product = float(a[unit]) * float(b[unit, i]) * np.sign(weight)
                if high * 2 / 3 <= product <= high:
                    break
            else:
                missing[i] += 1
                continue
            if product <= rest:
                kept.add((unit, i))
                rest -= product
    return kept, missing


@pytest.mark.parametrize("law", [Logarithmic(), UniformControl()])
def test_the_choice_is_the_one_made_by_hand(law):
    need = _with_bins(9)
    rng = np.random.default_rng(5)
    a = np.abs(law.sample_in(rng, (400,), need))
    b = law.sample_out(rng, (400, 6), need)
    weights = np.array([0.7, -0.7, 0.0, 0.01, -0.3, 1e-6])
    chosen = law.select(a, b, weights, need)
    kept, missing = _by_hand(a, b, weights, need, 9)
    pairs = list(zip(chosen.units, chosen.outputs, strict=True))
    assert len(set(pairs)) == len(pairs), "an edge is kept once"
    assert set(pairs) == kept
    np.testing.assert_array_equal(chosen.missing, missing)


@pytest.mark.parametrize("bins", [5, 15, 40])
def test_no_weight_is_off_by_more_than_the_greedy_lemma_says(bins):
    need = _with_bins(bins)
    law = Logarithmic()
    rng = np.random.default_rng(bins)
    units = law.units(need)
    weights = rng.uniform(-0.7, 0.7, 2000)
    weights[:4] = 0.7, -0.7, 1e-9, 0.0
    a = np.abs(law.sample_in(rng, (units,), need))
    b = law.sample_out(rng, (units, 2000), need)
    chosen = law.select(a, b, weights, need)
    assert not chosen.missing.any()
    products = a[chosen.units].astype("f8") * b[chosen.units, chosen.outputs]
    sums = np.bincount(chosen.outputs, products, minlength=2000)
    worst = np.abs(sums - weights).max()
    assert worst <= law.error_bound(need)
    assert worst > law.error_bound(need) / 2, "the lemma is nearly tight"


def test_empty_bins_are_counted_and_only_for_weights_that_need_them():
    need = _with_bins(6)
    a = np.ones(1, np.float32)
    middle = need.largest_weight * 1.5**-3.5  # Within bin 3.
    b = np.full((1, 3), middle, np.float32)
    chosen = Logarithmic().select(a, b, np.array([0.5, -0.5, 0.0]), need)
    # The first weight has bin 3 alone; no product has the second one's sign.
    assert chosen.missing.tolist() == [5, 6, 0]
    assert list(zip(chosen.units, chosen.outputs, strict=True)) == [(0, 0)]


def test_no_units_at_all_leave_every_bin_empty():
    need = _with_bins(6)
    none = np.zeros((0, 2), np.float32)
    chosen = Logarithmic().select(none[:, 0], none, np.ones(2) * 0.5, need)
    assert chosen.units.size == 0 and chosen.missing.tolist() == [6, 6]


def test_uniform_weights_have_no_products_for_the_late_digits():
    need = _with_bins(30)
    a, b = _products(UniformControl(), need, 200_000)
    assert np.abs(a).max() <= 0.7**0.5
    ratio = np.abs(a.astype("f8") * b) / 0.7
    late = ratio < 1.5**-30
    # P(|ab| < z) = z (1 - ln z), 7e-5 at z = 1.5**-30, spread over all the
    # bins from there on; a hyperbolic law has a fixed share for each bin.
    assert late.mean() < 2e-4
