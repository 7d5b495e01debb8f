"""Gradient evidence against formulas and finite differences."""

import keras
import numpy as np
import pytest

import tflottery
from tflottery.layers import evidence, saliency
from tflottery.pruning import criteria

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 5)).astype("float32")
Y = RNG.normal(size=(12, 3)).astype("float32")


def linear():
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(3, use_bias=False, name="out"),
        ]
    )
    return tflottery.prune_iteratively(model)


def deep(use_bias=False, activation="relu"):
    keras.utils.set_random_seed(1)
    layers = [
        keras.layers.Dense(
            width, use_bias=use_bias, activation=activation, name=f"d{width}"
        )
        for width in (9, 7)
    ]
    model = keras.Sequential(
        [
            keras.Input((5,)),
            *layers,
            keras.layers.Dense(3, use_bias=use_bias, name="out"),
        ]
    )
    return tflottery.prune_iteratively(model)


def gather(model, name, **keywords):
    return saliency.gather(model, criteria.get(name), **keywords)


def test_gradients_of_a_linear_model_are_the_formula():
    """L = mean((XW - Y)^2) over N rows and O outputs."""
    model = linear()
    w = model.layers[0].kernel.numpy()
    found = gather(model, "snip", data=(X, Y), loss="mse")
    expected = 2 / Y.size * X.T @ (X @ w - Y)
    np.testing.assert_allclose(
        found.gradients["out/kernel"], expected, rtol=1e-4, atol=1e-6
    )
    scores = criteria.get("snip").scores(found)["out/kernel"]
    np.testing.assert_allclose(scores, np.abs(w * expected), rtol=1e-3)


def test_hessian_times_gradient_of_a_linear_model_is_the_formula():
    """The Hessian of L in each column of W is 2 X'X / (N O)."""
    model = linear()
    w = model.layers[0].kernel.numpy()
    gradient = 2 / Y.size * X.T @ (X @ w - Y)
    found = gather(model, "grasp", data=(X, Y), loss="mse")
    np.testing.assert_allclose(
        found.hessian_gradients["out/kernel"],
        2 / Y.size * X.T @ X @ gradient,
        rtol=1e-3,
        atol=1e-6,
    )


def test_hessian_times_gradient_of_a_deep_model_is_a_finite_difference():
    model = deep(use_bias=True, activation="tanh")
    data = {"data": (X, Y), "loss": "mse"}
    gradient = gather(model, "snip", **data).gradients
    found = gather(model, "grasp", **data).hessian_gradients
    weights = evidence.current_weights(model)
    step = 3e-2

    def gradient_at(sign):
        for path, wrapper, relative in evidence.masked_weights(model):
            variable = wrapper.masked_weights[relative][0]
            variable.assign(weights[path] + sign * step * gradient[path])
        return gather(model, "snip", **data).gradients

    ahead, behind = gradient_at(1), gradient_at(-1)
    assert len(found) == 3
    for path, value in found.items():
        expected = (ahead[path] - behind[path]) / (2 * step)
        # float32 gradients of about 0.1 over a step of 0.03.
        np.testing.assert_allclose(value, expected, rtol=0.02, atol=2e-4)


def test_gradients_are_those_of_the_masked_network():
    model = deep()
    tflottery.prune(model, 0.5)
    found = gather(model, "snip", data=(X, Y), loss="mse").gradients
    for path, kept in evidence.current_mask(model).items():
        assert np.all(found[path][~kept] == 0) and np.any(found[path][kept])


def test_the_flow_is_conserved_from_layer_to_layer():
    """Without biases the scores of every layer sum to the same flow."""
    model = deep()
    found = gather(model, "synflow")
    weights = evidence.current_weights(model)
    flow = np.ones((1, 5))
    for value in weights.values():
        flow = flow @ np.abs(value)
    scores = criteria.get("synflow").scores(found)
    assert len(scores) == 3
    for path, value in scores.items():
        assert value.sum() == pytest.approx(flow.sum(), rel=1e-4), path


def test_computing_the_flow_changes_no_weight():
    model = deep()
    before = evidence.current_weights(model)
    gather(model, "synflow")
    after = evidence.current_weights(model)
    assert len(before) == 3
    for path in before:
        np.testing.assert_array_equal(before[path], after[path])


def test_synflow_keeps_a_path_through_every_layer_at_high_sparsity():
    model = tflottery.prune_once(deep(), sparsity=0.95, criterion="synflow")
    mask = evidence.current_mask(model)
    size = 45 + 63 + 21
    assert mask.kept == round(0.05 * size)
    flow = np.ones((1, 5))
    for value in evidence.current_weights(model).values():
        flow = flow @ np.abs(value)
    assert flow.sum() > 0
