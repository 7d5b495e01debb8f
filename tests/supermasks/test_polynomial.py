"""Polynomial tickets: the nearest product, the proofs' numbers, the tickets."""

import math

import numpy as np
import pytest

from tflottery.supermasks import polynomial
from tflottery.supermasks.both_weights import BothWeights
from tflottery.supermasks.construction import Need
from tflottery.supermasks.polynomial import (
    Polynomial,
    nearest_products,
    polynomial_ticket,
)


def _need(weight_error=0.1, failure=0.05, outputs=10, blocks=5, largest=1.0):
    return Need(outputs, blocks, 1, largest, weight_error, failure)


def _block(construction, need, seed=0, units=None):
    rng = np.random.default_rng(seed)
    units = construction.units(need) if units is None else units
    a = construction.sample_in(rng, (units,), need)
    b = construction.sample_out(rng, (units, need.outputs), need)
    return a[a > 0], b[a > 0]


def _sums(a, b, kept, outputs):
    products = a[kept.units].astype(np.float64) * b[kept.units, kept.outputs]
    return np.bincount(kept.outputs, products, minlength=outputs)


# The choice.


@pytest.mark.parametrize("chunk", [8, 1 << 17])
def test_no_product_is_nearer_than_the_one_found(monkeypatch, chunk):
    monkeypatch.setattr(polynomial, "_PRODUCTS_PER_CHUNK", chunk)
    rng = np.random.default_rng(0)
    a = rng.uniform(0, 1, 101).astype(np.float32)
    b = rng.uniform(-1, 1, (101, 7)).astype(np.float32)
    weights = rng.uniform(-1, 1, 7)

    units = nearest_products(a, b, weights)

    gaps = np.abs(a[:, None].astype(np.float64) * b - weights)
    assert units.tolist() == gaps.argmin(0).tolist()


def test_each_weight_keeps_one_edge_within_the_error():
    need = _need(0.01, outputs=50)
    a, b = _block(Polynomial(), need)
    weights = np.linspace(-1, 1, 50)

    kept = Polynomial().select(a, b, weights, need)

    assert sorted(kept.outputs.tolist()) == list(range(50))
    assert np.abs(_sums(a, b, kept, 50) - weights).max() <= 0.01
    assert not kept.missing.any()
    assert (np.diff(kept.units) >= 0).all()


@pytest.mark.parametrize("construction", [Polynomial(), BothWeights()])
def test_zero_weights_keep_no_edge(construction):
    need = _need(0.3, outputs=3)
    a, b = _block(construction, need)

    kept = construction.select(a, b, np.array([0.0, 0.5, 0.0]), need)

    assert kept.outputs.tolist() == [1] and not kept.missing.any()


def test_no_edge_is_kept_that_is_worse_than_none():
    need = _need(0.3, outputs=2)
    a, b = np.ones(1, np.float32), np.array([[0.9, 0.9]], np.float32)

    kept = Polynomial().select(a, b, np.array([0.2, 0.5]), need)

    # 0 is nearer to 0.2 than 0.9 is, and near enough; 0.9 misses 0.5.
    assert kept.outputs.tolist() == [1]
    assert kept.missing.tolist() == [0, 1]


@pytest.mark.parametrize("construction", [Polynomial(), BothWeights()])
def test_without_units_all_but_the_smallest_weights_are_missing(construction):
    kept = construction.select(
        np.zeros(0, np.float32),
        np.zeros((0, 2), np.float32),
        np.array([0.5, 0.05]),
        _need(0.1, outputs=2),
    )

    assert kept.missing.tolist() == [1, 0] and kept.units.size == 0


@pytest.mark.parametrize("largest", [0.1, 3.0])
def test_both_weights_near_given_values_make_a_product_within_the_error(
    largest,
):
    need = _need(0.2 * largest, outputs=20, largest=largest)
    a, b = _block(BothWeights(), need)
    weights = np.linspace(-largest, largest, 20)

    kept = BothWeights().select(a, b, weights, need)

    assert kept.missing.sum() == 0 and kept.outputs.size == 20
    assert np.abs(_sums(a, b, kept, 20) - weights).max() <= need.weight_error
    middle, near = (
        math.sqrt(largest),
        need.weight_error / 3 / math.sqrt(largest),
    )
    out = np.abs(b[kept.units, kept.outputs])
    assert np.abs(out - middle).max() <= near * (1 + 1e-5)


# How many units.


def test_units_are_those_of_the_docstrings():
    need = _need(0.02, failure=0.01, outputs=10, blocks=5, largest=0.5)
    # ln(50 / 0.01) = 8.517, W / E = 25.
    polynomial_units = 2 * math.e * 25 * math.log(5000)
    both_units = 18 * math.e * 625 * math.log(5000)

    assert Polynomial().units(need) == math.ceil(polynomial_units) == 1158
    assert BothWeights().units(need) == math.ceil(both_units) == 260462


def test_a_unit_hits_the_largest_weight_as_often_as_the_proof_says():
    """With probability E / (2eW), a hair more since the density is convex; at
    E = 0.1 that is 0.0184, and five deviations of 400,000 draws 0.0011."""
    need = _need(0.1)
    rng = np.random.default_rng(0)
    a = Polynomial().sample_in(rng, (400_000,), need)
    b = Polynomial().sample_out(rng, (400_000,), need)

    hits = ((a > 0) & (np.abs(a * b - 1) <= 0.1)).mean()

    assert hits == pytest.approx(0.1 / (2 * math.e), abs=0.0012)
    for weight in (0.0, 0.3, -0.7):  # Smaller weights are hit more often.
        assert ((a > 0) & (np.abs(a * b - weight) <= 0.1)).mean() > hits


def test_both_weights_of_a_unit_are_right_as_often_as_the_proof_says():
    """t**2 / (2 s**2) where the interval of a is cut at 0, and twice that
    elsewhere; t = E / 3, s**2 = e."""
    need = _need(0.6, outputs=2)
    least = 0.6**2 / (18 * math.e)
    rng = np.random.default_rng(1)
    a = BothWeights().sample_in(rng, (400_000,), need)
    b = BothWeights().sample_out(rng, (400_000,), need)
    is_b = np.abs(b - 1) <= 0.2

    at_zero = ((a > 0) & (a <= 0.2) & is_b).mean()
    at_one = ((a > 0) & (np.abs(a - 1) <= 0.2) & is_b).mean()

    assert at_zero == pytest.approx(least, rel=0.06)
    assert at_one == pytest.approx(2 * least, rel=0.06)


@pytest.mark.parametrize("construction", [Polynomial(), BothWeights()])
def test_layers_fail_as_often_as_proved_and_not_much_less(construction):
    """For weights all of the largest size (polynomial) or near 0 (both
    weights, the worst case there) the proof gives away the union bound only:
    with failure 0.3 a layer fails with probability 1 - e**-0.3 = 0.26 or
    less; 15.6 of 60, 29 or more with probability < 0.001."""
    need = _need(0.3, failure=0.3, outputs=5, blocks=2)
    is_polynomial = isinstance(construction, Polynomial)
    weights = np.full(5, 1.0 if is_polynomial else 0.3001)

    def failures(share, layers):
        units = math.ceil(share * construction.units(need))
        failed = 0
        for seed in range(layers):
            failed += any(
                construction.select(
                    *_block(construction, need, 2 * seed + j, units),
                    weights,
                    need,
                ).missing.any()
                for j in range(2)
            )
        return failed

    assert failures(1, 60) < 29
    assert failures(0.2, 60) > 30


def test_units_grow_as_a_power_of_the_error():
    for construction, power in ((Polynomial(), 1), (BothWeights(), 2)):
        coarse, fine = (construction.units(_need(e)) for e in (1e-2, 1e-4))
        assert fine / coarse == pytest.approx(100**power, rel=1e-3)


def test_errors_beyond_the_largest_weight_ask_for_no_less_than_that():
    for construction in (Polynomial(), BothWeights()):
        assert construction.units(_need(50.0)) == construction.units(_need(1.0))


# The tickets.


def _target(keras):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.Dense(4, activation="relu", bias_initializer="normal"),
            keras.layers.Dense(2, bias_initializer="normal"),
        ]
    )


def test_a_ticket_computes_what_the_target_does(any_keras):
    target = _target(any_keras)
    inputs = np.random.default_rng(0).uniform(-1, 1, (100, 3))

    ticket = polynomial_ticket(target, inputs, epsilon=0.3)

    certificate = ticket.certificate
    assert certificate.holds and certificate.construction == "polynomial"
    difference = np.abs(
        ticket.model.predict(inputs, verbose=0)
        - target.predict(inputs, verbose=0)
    )
    assert difference.max() <= 0.3
    # One edge for each weight and sign; inputs of the first layer have both.
    first, second = ticket.kept
    assert first.edge_unit.size == 2 * 3 * 4 + 4
    assert second.edge_unit.size == 4 * 2 + 2
    # The first layer waits in vain for both weights to be near their values.
    assert certificate.control.missing > 0
