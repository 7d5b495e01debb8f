"""From errors of weights to the error of the output, and back."""

import dataclasses

import numpy as np
import pytest

from tflottery.supermasks import error_bounds
from tflottery.supermasks.error_bounds import Found, LayerSize


def _network(rng, sizes):
    return [
        (rng.uniform(-1, 1, (n, m)), rng.uniform(-1, 1, m))
        for n, m in zip(sizes, sizes[1:], strict=False)
    ]


def _run(network, x):
    inputs = []
    for kernel, bias in network:
        inputs.append(np.abs(x).max())
        x = np.maximum(x @ kernel + bias, 0)
    return x, inputs


def _sizes(network, inputs):
    return [
        LayerSize(np.abs(kernel).sum(0).max(), len(kernel), True, largest)
        for (kernel, _), largest in zip(network, inputs, strict=True)
    ]


def _off_by(network, w, rng):
    """All weights off by w, as badly as chance can."""
    return [
        (
            kernel + w * rng.choice([-1, 1], kernel.shape),
            bias + w * rng.choice([-1, 1], bias.shape),
        )
        for kernel, bias in network
    ]


def test_the_recursion_is_the_one_of_the_text():
    layers = [
        LayerSize(norm=2.0, fan_in=3, has_bias=True, largest_input=1.5),
        LayerSize(norm=4.0, fan_in=5, has_bias=False, largest_input=2.0),
    ]
    first = 3 * 0.1 * 1.5 + 0.1
    second = 4 * first + 5 * 0.2 * (2 + first)
    found = error_bounds.output_errors(layers, [0.1, 0.2])
    np.testing.assert_allclose(found, [first, second])


@pytest.mark.parametrize("seed", range(20))
def test_no_network_with_such_weights_is_further_off(seed):
    rng = np.random.default_rng(seed)
    network = _network(rng, (4, 6, 5, 2))
    x = rng.uniform(-1, 1, (500, 4))
    outputs, inputs = _run(network, x)
    sizes = _sizes(network, inputs)
    for w in (0.3, 1e-3):
        others, _ = _run(_off_by(network, w, rng), x)
        distance = np.abs(outputs - others).max()
        bound = error_bounds.output_errors(sizes, [w] * 3)[-1]
        assert distance <= bound
        assert distance > bound / 1000, "a bound this loose says nothing"


def test_the_bound_is_met_where_all_signs_conspire():
    # One layer, x = 1 everywhere, all errors of one sign: e = n w + w.
    layer = LayerSize(norm=3.0, fan_in=3, has_bias=True, largest_input=1.0)
    bound = error_bounds.output_errors([layer], [0.01])[-1]
    kernel = np.ones((3, 1))
    off = (np.ones(3) @ (kernel + 0.01) + 0.01) - np.ones(3) @ kernel
    np.testing.assert_allclose(bound, off)


@pytest.mark.parametrize("epsilon", [10.0, 0.1, 1e-3, 1e-6])
def test_the_weight_error_uses_epsilon_up_and_no_more(epsilon):
    layers = [LayerSize(5.0, 8, True, 2.0), LayerSize(3.0, 4, False, 1.0)]
    w = error_bounds.weight_error_for(layers, epsilon)
    error = error_bounds.output_errors(layers, [w, w])[-1]
    assert epsilon * (1 - 1e-9) < error <= epsilon


def test_inputs_under_which_nothing_matters_are_refused():
    layer = LayerSize(norm=2.0, fan_in=3, has_bias=False, largest_input=0.0)
    with pytest.raises(ValueError, match="must not all be zero"):
        error_bounds.weight_error_for([layer], 0.1)


def test_errors_as_found_bound_the_output_and_are_the_tighter_bound():
    rng = np.random.default_rng(0)
    network = _network(rng, (4, 6, 2))
    x = rng.uniform(-1, 1, (500, 4))
    outputs, inputs = _run(network, x)
    sizes = _sizes(network, inputs)
    other = [
        (k + 0.01 * rng.uniform(-1, 1, k.shape), b + 0.001) for k, b in network
    ]
    found = [
        Found(np.abs(k - m).sum(0), np.abs(b - c), 1.0, 1)
        for (k, b), (m, c) in zip(network, other, strict=True)
    ]
    tight = error_bounds.found_errors(sizes, found)[-1]
    distance = np.abs(outputs - _run(other, x)[0]).max()
    loose = error_bounds.output_errors(sizes, [0.01, 0.01])[-1]
    assert distance <= tight < loose


def test_rounding_is_worse_than_what_float32_does():
    rng = np.random.default_rng(0)
    network = _network(rng, (50, 60, 3))
    x = rng.uniform(-1, 1, (200, 50))
    outputs, inputs = _run(network, x)
    small = [(k.astype("f4"), b.astype("f4")) for k, b in network]
    exact = [(k.astype("f8"), b.astype("f8")) for k, b in small]
    in_float32, _ = _run(small, x.astype("f4"))
    in_float64, _ = _run(exact, x.astype("f4").astype("f8"))
    sizes = _sizes(network, inputs)
    # A ticket with one edge for each weight: sums as long as the target's.
    found = [
        Found(np.zeros(1), np.zeros(1), size.norm + 1, size.fan_in + 1)
        for size in sizes
    ]
    bound = error_bounds.rounding_errors(sizes, found, [0.0, 0.0])[-1]
    seen = np.abs(in_float32 - in_float64).max()
    assert 0 < seen < bound < 1e-2
    longer = [dataclasses.replace(was, terms=10 * was.terms) for was in found]
    assert error_bounds.rounding_errors(sizes, longer, [0, 0])[-1] > bound
