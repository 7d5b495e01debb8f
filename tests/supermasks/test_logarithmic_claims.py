"""What the theorem claims, measured over many random networks."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import strong_targets

from tflottery.supermasks.construction import Need
from tflottery.supermasks.kept_edges import weight_errors
from tflottery.supermasks.logarithmic import (
    Logarithmic,
    UniformControl,
    logarithmic_ticket,
)
from tflottery.supermasks.random_network import RandomLayer
from tflottery.supermasks.search import search_layer
from tflottery.supermasks.weighted_layer import WeightedLayer

BOX = strong_targets.box((4,))


def _check(certificate):
    assert certificate.bound_is_kept == (
        certificate.sup_error <= certificate.epsilon
    )
    if certificate.missing == 0:
        assert certificate.holds
        assert certificate.sup_error <= certificate.error_bound


@pytest.mark.parametrize("epsilon", [1e-1, 1e-3, 1e-5])
def test_the_bound_holds_for_every_ticket_without_a_missing_bin(epsilon):
    for seed in range(3):
        target = strong_targets.dense(keras, (4, 4, 2), seed=seed)
        ticket = logarithmic_ticket(
            target, BOX, epsilon, seed=seed, storage="kept", control=False
        )
        _check(ticket.certificate)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_the_bound_holds_over_twenty_networks_and_five_sizes(epsilon):
    failures = 0
    for seed in range(20):
        target = strong_targets.dense(keras, seed=seed)
        certificate = logarithmic_ticket(
            target, BOX, epsilon, seed=seed, control=False
        ).certificate
        _check(certificate)
        failures += certificate.missing > 0
    # Twenty draws of probability 0.05: more than 4 with probability 0.0026.
    assert failures <= 4


def _tiny_layer(seed, failure, share=1.0, law=None):
    """Searches one layer of three inputs and four outputs, by itself."""
    rng = np.random.default_rng(seed)
    layer = WeightedLayer(
        "fc", rng.uniform(-1, 1, (3, 4)), None, "relu", None, (3,)
    )
    need = Need(4, 3, 2, layer.largest, 0.01, failure)
    law = law or Logarithmic()
    units = math.ceil(share * law.units(need))
    drawn = RandomLayer(0, layer, need, law, seed, units)
    kept = search_layer(
        drawn, may_hold=lambda size: None, on_block=lambda: None
    )
    return kept, weight_errors(kept, 2).largest, law.error_bound(need)


def test_bins_are_missing_no_more_often_than_promised():
    failure, draws = 0.2, 300
    failures = 0
    for seed in range(draws):
        kept, error, bound = _tiny_layer(seed, failure)
        if kept.missing.any():
            failures += 1
        else:
            assert error <= bound
    # At most 60 are expected. It is a union bound with the least likely bin's
    # probability, so there are far fewer, but some.
    assert 0 < failures <= failure * draws
    # With half the units the promise is broken, so the test can fail.
    halved = [
        _tiny_layer(seed, failure, 0.5)[0].missing.any() for seed in range(50)
    ]
    assert np.mean(halved) > failure + 4 * (failure / 50) ** 0.5


def test_weights_within_reach_of_missing_bins_are_counted_as_missing():
    for seed in range(20):
        kept, error, bound = _tiny_layer(seed, 0.5, 0.2)
        assert kept.missing.any()
        # A weight may be well off only where a bin of it is missing.
        kernel = kept.layer.kernel
        for sign in (1, -1):
            off = np.abs(kept.weights(sign)[0] - kernel) > bound
            assert not (off & (kept.missing == 0)).any()


def test_uniform_weights_miss_bins_and_exceed_the_bound():
    # 20 digits of 144 weights, those of the first layer for either sign of
    # input: the bins of the last five or so are mostly empty.
    target = strong_targets.dense(keras, seed=0, use_bias=False)
    largest = max(np.abs(w).max() for w in target.get_weights())
    certificate = logarithmic_ticket(
        target, BOX, weight_error=largest * 1.5**-20 * 1.01, seed=1
    ).certificate
    assert {layer.details["bins"] for layer in certificate.layers} == {20}
    assert certificate.holds
    control = certificate.control
    assert 150 < control.missing < 800
    assert control.weight_error_exceeded
    assert control.largest_weight_error > 3 * certificate.weight_error
    assert control.sup_error > 3 * certificate.sup_error
    assert control.found_error_bound > certificate.error_bound


def test_uniform_weights_fall_behind_as_the_error_shrinks():
    missing = []
    for bins in (5, 15, 25):
        layer = WeightedLayer(
            "fc",
            np.random.default_rng(0).uniform(-1, 1, (2, 8)),
            None,
            "relu",
            None,
            (2,),
        )
        need = Need(8, 2, 1, layer.largest, layer.largest * 1.5**-bins, 0.05)
        need = dataclasses.replace(need, weight_error=need.weight_error * 1.01)
        units = Logarithmic().units(need)
        counts = []
        for law in (Logarithmic(), UniformControl()):
            kept = search_layer(
                RandomLayer(0, layer, need, law, 1, units),
                may_hold=lambda size: None,
                on_block=lambda: None,
            )
            counts.append(int(kept.missing.sum()))
        assert counts[0] == 0
        missing.append(counts[1])
    assert missing[0] <= 2 and missing[0] < missing[1] < missing[2]
    assert missing[2] > 8 * 2 * 5
