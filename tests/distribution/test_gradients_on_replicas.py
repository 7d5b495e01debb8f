"""Criteria that need gradients, on a model with two true replicas."""

import contextlib

import numpy as np
import pytest
from on_replicas import (
    X,
    Y,
    check_replicas_agree,
    compile_model,
    copies,
    network,
)

import tflottery


@pytest.fixture
def strategy(two_replicas):
    assert two_replicas.num_replicas_in_sync == 2
    return two_replicas


@pytest.mark.parametrize("criterion", ["snip", "grasp", "synflow"])
def test_gradients_rank_weights_on_replicas_as_on_one_device(
    any_keras, strategy, criterion
):
    found = []
    for scope in (contextlib.nullcontext, strategy.scope):
        with scope():  # in which tf_keras calls the hooks of a callback
            model = network(any_keras)
            model = tflottery.prune_iteratively(model, criterion=criterion)
            compile_model(model, any_keras)
            found.append(tflottery.prune(model, 0.5, data=(X, Y)))
    assert found[0] == found[1]
    assert found[0].density == 0.5
    assert check_replicas_agree(model) >= 10


@pytest.mark.parametrize("criterion", ["snip", "synflow"])
def test_gradients_leave_what_replicas_have_of_their_own(
    any_keras, strategy, criterion
):
    with strategy.scope():
        normalised = any_keras.layers.BatchNormalization(dtype="float64")
        model = network(any_keras)
        model = any_keras.Sequential(
            [any_keras.Input((6,), dtype="float64"), normalised, *model.layers]
        )
        model = tflottery.prune_iteratively(model, criterion=criterion)
        compile_model(model, any_keras)
    model.fit(X, Y, batch_size=16, verbose=0)
    before = copies(normalised.moving_mean)
    assert not np.array_equal(*before)  # each replica saw its own halves
    with strategy.scope():
        tflottery.prune(model, 0.5, data=(X, Y))
    np.testing.assert_array_equal(copies(normalised.moving_mean), before)
