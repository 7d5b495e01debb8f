"""Subset-sum tickets: which products are kept, and what the ticket computes."""

import numpy as np
import pytest

from tflottery.supermasks.construction import Need
from tflottery.supermasks.subset_sum import SubsetSum, subset_sum_ticket


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


# The choice.


def test_products_that_are_kept_sum_to_the_weights():
    need = _need(weight_error=1e-3, outputs=200)
    a, b = _block(SubsetSum(), need)
    weights = np.linspace(-1, 1, 200)

    kept = SubsetSum().select(a, b, weights, need)

    assert np.abs(_sums(a, b, kept, 200) - weights).max() <= 1e-3
    assert kept.missing.sum() == 0
    pairs = set(zip(kept.units.tolist(), kept.outputs.tolist(), strict=True))
    assert len(pairs) == kept.units.size


def test_zero_weights_keep_no_edge():
    need = _need(outputs=4)
    a, b = _block(SubsetSum(), need)

    kept = SubsetSum().select(a, b, np.array([0.0, 0.5, 0.0, -0.5]), need)

    assert set(kept.outputs.tolist()) == {1, 3}
    assert kept.missing.tolist() == [0, 0, 0, 0]


def test_what_no_sample_meets_is_missing_and_comes_as_near_as_it_can():
    need = _need(weight_error=0.01, outputs=3)
    a = np.array([1.0, 1.0], np.float32)
    b = np.array([[0.25, -0.5, 0.0], [0.5, 0.25, 0.0]], np.float32)

    kept = SubsetSum().select(a, b, np.array([0.9, 0.25, 0.005]), need)

    # 0.75 is as near to 0.9 as sums get; 0.25 is there; 0 is near to 0.005.
    assert kept.missing.tolist() == [1, 0, 0]
    assert _sums(a, b, kept, 3).tolist() == [0.75, 0.25, 0.0]


def test_without_units_all_but_the_smallest_weights_are_missing():
    need = _need(weight_error=0.01, outputs=2)

    kept = SubsetSum().select(
        np.zeros(0, np.float32),
        np.zeros((0, 2), np.float32),
        np.array([0.5, 0.005]),
        need,
    )

    assert kept.missing.tolist() == [1, 0] and kept.units.size == 0


def test_candidates_beyond_the_fortieth_are_looked_at_too():
    need = _need(weight_error=0.01, outputs=2)
    a = np.ones(80, np.float32)
    b = np.zeros((80, 2), np.float32)
    b[3] = [0.5, 0.1]  # Reaches the first weight, and not the second.
    b[60] = [7.0, 0.75]

    kept = SubsetSum().select(a, b, np.array([0.5, 0.75]), need)

    assert kept.missing.tolist() == [0, 0]
    assert sorted(zip(kept.units, kept.outputs, strict=True)) == [
        (3, 0),
        (60, 1),
    ]


def test_twenty_one_useful_candidates_meet_nearly_all_weights():
    """The published experiment: 21 numbers, error 0.01 of the range."""
    need = _need(weight_error=0.01, outputs=500)
    rng = np.random.default_rng(4)
    a = np.abs(SubsetSum().sample_in(rng, (21,), need))
    b = SubsetSum().sample_out(rng, (21, 500), need)
    weights = np.clip(rng.normal(0, 0.2, 500), -1, 1)

    assert SubsetSum().select(a, b, weights, need).missing.mean() < 0.005


# The tickets.


def _target(keras, seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.Dense(5, activation="relu", bias_initializer="normal"),
            keras.layers.Dense(2, bias_initializer="normal"),
        ]
    )


def _inputs(lowest=-1.0, examples=200):
    rng = np.random.default_rng(0)
    return rng.uniform(lowest, 1, (examples, 3)).astype(np.float32)


@pytest.mark.parametrize("lowest", [0.0, -1.0])
def test_a_ticket_computes_what_the_target_does(any_keras, lowest):
    target, inputs = _target(any_keras), _inputs(lowest)

    ticket = subset_sum_ticket(target, inputs, epsilon=0.05)

    assert ticket.certificate.holds
    assert ticket.certificate.construction == "subset sum"
    difference = np.abs(
        ticket.model.predict(inputs, verbose=0)
        - target.predict(inputs, verbose=0)
    )
    assert difference.max() <= 0.05
    # It is a subnetwork: each weight is one of the random ones, or zero.
    values = ticket.mask.apply(ticket.random_weights())
    for weight, value in zip(
        ticket.model.get_weights(), values.values(), strict=True
    ):
        np.testing.assert_array_equal(weight, value)


def test_convolutions_with_padding_and_pooling_are_rebuilt():
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    target = keras.Sequential(
        [
            layers.Input((6, 6, 2)),
            layers.Conv2D(3, 3, padding="same", bias_initializer="normal"),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    inputs = np.random.default_rng(1).uniform(-1, 1, (50, 6, 6, 2))

    ticket = subset_sum_ticket(target, inputs, epsilon=0.1, control=False)

    assert ticket.certificate.holds
    difference = ticket.model.predict(inputs, verbose=0) - target.predict(
        inputs, verbose=0
    )
    assert np.abs(difference).max() <= 0.1


def test_one_product_for_each_weight_is_not_enough_with_as_few_units():
    import keras

    control = subset_sum_ticket(
        _target(keras), _inputs(), epsilon=0.05
    ).certificate.control

    assert control.missing > 10
    assert control.weight_error_exceeded


def test_too_few_samples_are_reported_as_missing():
    import keras

    ticket = subset_sum_ticket(
        _target(keras), _inputs(), epsilon=0.01, samples=8, control=False
    )

    assert ticket.certificate.missing > 0
    assert not ticket.certificate.holds
    assert ticket.certificate.control is None
    # What was found still bounds what is measured.
    assert ticket.certificate.sup_error <= ticket.certificate.found_error_bound


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [1e-1, 1e-3, 1e-5])
def test_certificates_hold_over_seeds(epsilon):
    """delta = 0.05: of 20 tickets 1 may fail, 5 with probability 0.003."""
    import keras

    certificates = [
        subset_sum_ticket(
            _target(keras), _inputs(), epsilon, seed=seed, control=False
        ).certificate
        for seed in range(20)
    ]

    assert sum(not found.holds for found in certificates) < 5
    assert all(found.bound_is_kept for found in certificates if found.holds)


def test_unknown_rules_and_numbers_are_refused():
    with pytest.raises(ValueError, match="samples.*'proven'.*proved"):
        SubsetSum("proven")
    with pytest.raises(ValueError, match="`samples` must be a positive"):
        SubsetSum(0)


def test_errors_finer_than_float32_are_refused():
    with pytest.raises(ValueError, match="float32 itself is coarser"):
        SubsetSum().units(_need(weight_error=1e-10))
