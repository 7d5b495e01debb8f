"""Layers of a target as arrays."""

import itertools

import numpy as np
import pytest

from tflottery.supermasks.weighted_layer import (
    Strides,
    WeightedLayer,
    tap_inside,
)


def _reads(size, kernel, stride, padding, tap):
    """The inputs that a kernel entry reads, by Keras' rule of padding."""
    if padding == "valid":
        outputs, before = (size - kernel) // stride + 1, 0
    else:
        outputs = -(-size // stride)
        before = max((outputs - 1) * stride + kernel - size, 0) // 2
    return [y * stride - before + tap for y in range(outputs)]


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_the_tap_of_the_biases_never_falls_on_padding(padding):
    for size, kernel, stride in itertools.product(
        range(1, 12), range(1, 7), range(1, 6)
    ):
        tap = tap_inside(size, kernel, stride, padding)
        assert 0 <= tap < kernel
        reads = _reads(size, kernel, stride, padding, tap)
        assert all(0 <= place < size for place in reads)


def test_an_open_size_is_no_matter_unless_strides_meet_padding():
    for size in range(1, 12):
        assert tap_inside(None, 4, 1, "same") == tap_inside(size, 4, 1, "same")
    assert tap_inside(None, 4, 2, "valid") == 0
    assert tap_inside(None, 4, 2, "same") is None


def test_a_convolution_is_read_by_input_channel():
    kernel = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    bias = np.array([0.0, -500.0, 1, 2, 3])
    strides = Strides((1, 1), "same", (0, 1))
    layer = WeightedLayer("conv", kernel, bias, "relu", strides, (9, 9, 4))
    assert (layer.inputs, layer.filters, layer.blocks) == (4, 5, 5)
    assert (layer.outputs, layer.fan_in, layer.size) == (30, 24, 125)
    assert layer.largest == 500
    assert layer.norm == kernel[..., 4].sum()
    np.testing.assert_array_equal(
        layer.weights_of(2).reshape(2, 3, 5), kernel[:, :, 2]
    )
    np.testing.assert_array_equal(layer.weights_of(4), bias)
    # Row 0, column 1 of the kernel: outputs 5 to 9.
    assert layer.columns_of(4) == slice(5, 10)
    assert layer.columns_of(0) == slice(None)
