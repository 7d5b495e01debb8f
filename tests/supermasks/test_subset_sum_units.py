"""How many units subset sums take: the proof's steps, the rule's failures."""

import math

import numpy as np
import pytest

from tflottery.supermasks import subset_sum
from tflottery.supermasks.construction import Need
from tflottery.supermasks.least_samples import failure_rate, least_units
from tflottery.supermasks.sample_counts import make_need
from tflottery.supermasks.subset_sum import SubsetSum


def _need(weight_error=0.01, failure=0.05, outputs=10, blocks=5, largest=1.0):
    return Need(outputs, blocks, 1, largest, weight_error, failure)


def _block(construction, need, seed=0, units=None):
    """The useful units of one block."""
    rng = np.random.default_rng(seed)
    units = construction.units(need) if units is None else units
    a = construction.sample_in(rng, (units,), need)
    b = construction.sample_out(rng, (units, need.outputs), need)
    return a[a > 0], b[a > 0]


def _sums(a, b, kept, outputs):
    products = a[kept.units].astype(np.float64) * b[kept.units, kept.outputs]
    return np.bincount(kept.outputs, products, minlength=outputs)


def _layer_misses(construction, need, seed, share=1.0):
    """Whether any weight of a layer is missed, all of them of largest size."""
    units = math.ceil(share * construction.units(need))
    weights = np.full(need.outputs, need.largest_weight)
    for j in range(need.blocks):
        a, b = _block(construction, need, 1000 * seed + j, units)
        kept = construction.select(a, b, weights, need)
        errors = _sums(a, b, kept, need.outputs) - weights
        is_missed = np.abs(errors) > need.weight_error
        assert (is_missed == (kept.missing > 0)).all()
        if is_missed.any():
            return True
    return False


# The law of the weights.


@pytest.mark.parametrize("largest", [0.02, 1.0, 50.0])
def test_weights_are_uniform_and_products_reach_2e_largest_weights(largest):
    need = _need(largest=largest, outputs=2000)
    construction = SubsetSum()
    rng = np.random.default_rng(0)

    for draw in (construction.sample_in, construction.sample_out):
        weights = draw(rng, (200_000,), need)
        side = math.sqrt(2 * math.e * largest)
        assert weights.dtype == np.float32
        assert np.abs(weights).max() <= side * (1 + 1e-6)
        # Quartiles of a uniform law, to 5 deviations of 0.87 / sqrt(200,000).
        quartiles = np.quantile(weights / side, [0.25, 0.5, 0.75])
        np.testing.assert_allclose(quartiles, [-0.5, 0, 0.5], atol=0.01)


# The proof, step by step.


def test_a_unit_covers_new_points_at_the_rate_of_the_proof():
    """W over a unit's largest product, where that is 2W or more and a > 0:
    half of (1/2e) ln(2e/2) = 1/4e on average, that is 0.0920."""
    rng = np.random.default_rng(1)
    need = _need()
    a = SubsetSum().sample_in(rng, (1_000_000,), need).astype(np.float64)
    largest_product = a * math.sqrt(2 * math.e)
    covers = np.zeros(a.size)
    np.divide(1.0, largest_product, out=covers, where=largest_product >= 2)

    assert covers.mean() == pytest.approx(1 / (4 * math.e), abs=5e-4)


def test_the_potential_shrinks_by_the_factor_of_the_proof():
    """1/v - 1 is convex, so among the laws of the next v on [v, min(2v, 1)]
    with mean v + q v (1 - v) the two ends make its average largest."""
    q = 1 / (4 * math.e)
    v = np.linspace(1e-6, 1 - 1e-6, 10_001)
    end = np.minimum(2 * v, 1)
    chance = q * v * (1 - v) / (end - v)
    average = (1 - chance) * (1 / v - 1) + chance * (1 / end - 1)

    factor = average / (1 / v - 1)
    assert factor.max() <= subset_sum._GROWTH + 1e-9
    # Nothing is given away for small v: there is no better factor.
    assert factor[:5000] == pytest.approx(subset_sum._GROWTH, abs=1e-6)


def test_covered_shares_grow_as_the_proof_says():
    """Simulated: the average of 1/v - 1 over draws of 16 units stays below
    2W/E times the factor to the 16th, with E = 0.2 of W, for real subsets."""
    need, error, units = _need(weight_error=0.2), 0.2, 16
    points = np.linspace(-1, 1, 2001)
    potentials = []
    for seed in range(60):
        a, b = _block(SubsetSum(), need, seed, units)
        sums = np.zeros(1)
        for product in (a * b[:, 0])[:10]:
            sums = np.concatenate([sums, sums + product])
        sums = np.sort(sums)
        place = np.searchsorted(sums, points).clip(1, sums.size - 1)
        gaps = np.abs(points - sums[place]).clip(
            max=np.abs(points - sums[place - 1])
        )
        share = (gaps <= error / 2).mean()
        potentials.append(1 / share - 1)

    assert np.mean(potentials) <= 2 / error * subset_sum._GROWTH**units


def test_the_proved_number_is_the_formula_of_the_docstring():
    need = _need(weight_error=0.002, failure=0.01, largest=0.5)
    # 8 * (10 * 5) * 250**2 / 0.01 = 2.5e9.
    expected = math.log(2.5e9) / math.log(1 / (1 - 1 / (8 * math.e)))

    assert SubsetSum("proved").units(need) == math.ceil(expected) == 460
    measured = SubsetSum().units(need)
    assert SubsetSum().details(need) == {
        "units": measured,
        "proved_units": 460,
    }
    assert measured < 460


# The measured rule.


def test_failures_of_reach_are_those_of_simulated_sums():
    rng = np.random.default_rng(2)
    pairs = rng.uniform(-1, 1, (2, 12, 100_000))
    products = 2 * math.e * pairs[0] * pairs[1]
    products[(pairs[0] < 0) | (products < 0)] = 0
    failures = (products.sum(0) < 1).mean()

    # 0.145; five binomial deviations are 0.0056, cells of 1/500 round by less.
    assert subset_sum._reach_failures()[12] == pytest.approx(failures, abs=7e-3)
    assert subset_sum._reach_failures()[12] >= failures - 0.0056


@pytest.mark.parametrize(
    ("weight_error", "units"), [(0.1, 22), (0.01, 30), (1e-3, 38)]
)
def test_the_rule_lies_above_simulated_failures_and_not_far(
    weight_error, units
):
    construction, need = SubsetSum(), _need(weight_error, outputs=1)
    rule = subset_sum._reach_failures()[units] + 4 / weight_error * 0.75**units
    weights = np.ones(20)
    missed, blocks = 0, 200
    for seed in range(blocks):
        rng = np.random.default_rng(seed)
        a = construction.sample_in(rng, (units,), need)
        b = construction.sample_out(rng, (units, 20), need)
        kept = construction.select(a[a > 0], b[a > 0], weights, need)
        missed += np.count_nonzero(kept.missing)

    rate = missed / (20 * blocks)
    assert rule / 6 < rate < rule


def test_layers_fail_no_more_often_than_promised():
    """60 layers, each weight as large as any, failure 0.25 allowed: 15 on
    average if the rule were exact, and 27 or more with probability < 0.001.
    With half the units nearly all fail, so the count is not a waste."""
    need = _need(failure=0.25, outputs=8, blocks=4)

    failed = sum(_layer_misses(SubsetSum(), need, seed) for seed in range(60))
    halved = sum(
        _layer_misses(SubsetSum(), need, seed, share=0.5) for seed in range(20)
    )

    assert failed < 27
    assert halved >= 18


@pytest.mark.slow
@pytest.mark.parametrize("weight_error", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_rare_failures_are_as_rare_as_promised(weight_error):
    """300 layers with failure 0.02: 6 expected, 16 with probability < 0.001."""
    need = _need(weight_error, failure=0.02, outputs=16, blocks=4)

    failed = sum(_layer_misses(SubsetSum(), need, seed) for seed in range(300))

    assert failed < 16


@pytest.mark.parametrize("samples", ["measured", "proved"])
def test_units_grow_as_the_logarithm_of_the_error(samples):
    units = np.array(
        [
            SubsetSum(samples).units(_need(10.0**-decade, failure=0.3))
            for decade in range(1, 8)
        ]
    )

    steps = np.diff(units)[1:]
    # A power would multiply; a logarithm adds the same for every decade.
    assert steps.max() - steps.min() <= 2
    # measured: ln 10 / ln(4/3) = 8.0; proved: 2 ln 10 / 0.04707 = 97.8.
    expected = {"measured": 8, "proved": 97.8}[samples]
    assert steps.mean() == pytest.approx(expected, abs=0.5)


def test_the_units_that_are_really_needed_grow_by_the_same_steps():
    least = [
        least_units(SubsetSum(), make_need(1, 1, error), 0.05, trials=600)
        for error in (1e-1, 1e-2, 1e-3)
    ]

    steps = np.diff(least)
    assert 6 <= steps.min() and steps.max() <= 13


def test_ever_smaller_failures_are_affordable():
    few, many = (
        SubsetSum().units(_need(failure=failure)) for failure in (1e-3, 1e-12)
    )

    assert few < many < 3 * few


def test_units_do_not_depend_on_the_scale_of_the_weights():
    plain = SubsetSum().units(_need(0.01, largest=1.0))

    assert SubsetSum().units(_need(1e-5, largest=1e-3)) == plain


def test_measuring_failures_says_what_the_construction_keeps():
    # The rule itself promises 0.05 / 50 for a weight; 2000 weights see none
    # of 2 expected with probability 0.13, and more than 10 hardly ever.
    need = _need()

    assert failure_rate(SubsetSum(), SubsetSum().units(need), need) <= 0.005
