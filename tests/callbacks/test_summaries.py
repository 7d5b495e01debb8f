"""Tests of the numbers about a masked model, on arrays counted by hand."""

from __future__ import annotations

import keras
import ml_dtypes
import numpy as np
import pytest

from tflottery.callbacks import summaries
from tflottery.core.mask import Mask

# Unit 2 has no way in; nothing reads input 1.
WEIGHT = np.array([[0.5, -3.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.25, 0.0]])


@pytest.mark.parametrize("dtype", ["float32", "float16", ml_dtypes.bfloat16])
def test_a_tensor_is_measured_by_its_stored_values(dtype):
    found = summaries.summarise(WEIGHT.astype(dtype))
    assert found == summaries.TensorSummary(9, 3, 0.25, 1, 1)
    assert found.sparsity == pytest.approx(6 / 9)


def test_a_tensor_without_survivors_has_a_weakest_of_zero():
    found = summaries.summarise(np.zeros((2, 3)))
    assert found == summaries.TensorSummary(6, 0, 0.0, 3, 2)


def test_a_filter_is_dead_when_all_its_taps_and_inputs_are_zero():
    kernel = np.ones((3, 3, 2, 4))
    kernel[..., 1] = 0.0
    kernel[:2, :, 0, :] = 0.0
    found = summaries.summarise(kernel)
    assert (found.dead_units, found.unread_inputs) == (1, 0)


def dead_and_unread(layer, name, weight):
    axes = summaries.axes_of(layer, name, weight.ndim)
    found = summaries.summarise(weight, *axes)
    return found.dead_units, found.unread_inputs


def test_a_depthwise_unit_is_one_input_and_one_multiplier():
    kernel = np.ones((3, 3, 2, 2))
    kernel[:, :, 0, 1] = 0.0
    layer = keras.layers.DepthwiseConv2D(3, depth_multiplier=2)
    assert dead_and_unread(layer, "kernel", kernel) == (1, 0)
    kernel[:, :, 0, 0] = 0.0
    assert dead_and_unread(layer, "kernel", kernel) == (2, 1)
    separable = keras.layers.SeparableConv2D(4, 3, depth_multiplier=2)
    assert dead_and_unread(separable, "depthwise_kernel", kernel) == (2, 1)
    point = np.ones((1, 1, 4, 4))
    point[..., 0] = 0.0
    assert dead_and_unread(separable, "pointwise_kernel", point) == (1, 0)


def test_a_transposed_convolution_has_its_units_before_its_inputs():
    kernel = np.ones((3, 3, 5, 2))
    kernel[:, :, :2, :] = 0.0
    layer = keras.layers.Conv2DTranspose(5, 3)
    assert dead_and_unread(layer, "kernel", kernel) == (2, 0)


def test_inputs_of_a_grouped_convolution_are_not_counted():
    layer = keras.layers.Conv2D(4, 3, groups=2)
    kernel = np.zeros((3, 3, 1, 4))
    assert dead_and_unread(layer, "kernel", kernel) == (4, None)


def test_an_einsum_kernel_is_read_by_its_equation():
    # d and e are heads and sizes of the output, c is contracted.
    layer = keras.layers.EinsumDense("abc,cde->abde", (None, 2, 3))
    kernel = np.ones((4, 2, 3))
    kernel[:, 1, :2] = 0.0  # two of the six (d, e)
    kernel[3] = 0.0
    assert dead_and_unread(layer, "kernel", kernel) == (2, 1)
    unusual = np.ones((2, 2))
    assert dead_and_unread(layer, "lora_a", unusual) == (None, None)


def a_measurement(**weights):
    return summaries.Measurement(
        {path: summaries.summarise(w) for path, w in weights.items()},
        Mask({path: w != 0 for path, w in weights.items()}),
    )


def test_the_whole_adds_up_and_takes_the_weakest_of_all():
    found = a_measurement(a=WEIGHT, b=np.full((2, 2), 0.125)).scalars()
    assert found["surviving_weights/whole"] == 3 + 4
    assert found["sparsity/whole"] == pytest.approx(6 / 13)
    assert found["weakest_survivor/whole"] == 0.125
    assert found["weakest_survivor/a"] == 0.25
    assert found["dead_units/whole"] == found["dead_units/a"] == 1
    assert found["unread_inputs/b"] == 0
    assert list(found)[:3] == ["sparsity/whole", "sparsity/a", "sparsity/b"]


def test_a_tag_has_one_slash_so_that_titles_keep_the_whole_path():
    found = a_measurement(**{"block/conv1/kernel": WEIGHT}).scalars()
    assert found["surviving_weights/block.conv1.kernel"] == 3
    assert all(tag.count("/") == 1 for tag in found)


def test_an_empty_tensor_is_not_the_weakest():
    found = a_measurement(a=np.zeros((2, 2)), b=np.ones((2, 2))).scalars()
    assert found["weakest_survivor/whole"] == 1.0


def test_overlap_is_told_only_when_the_mask_has_changed():
    now = a_measurement(a=WEIGHT, b=np.ones((1, 1)))
    same = now.scalars(now.mask)
    assert not [tag for tag in same if tag.startswith("mask_overlap")]
    before = Mask(
        {"a": np.array(WEIGHT != 0) | np.eye(3, dtype=bool)[::-1], "b": [[1]]}
    )
    found = now.scalars(before)
    # The reversed diagonal adds (0, 2), (1, 1) and (2, 0) to three survivors.
    assert found["mask_overlap/a"] == pytest.approx(3 / 6)
    assert found["mask_overlap/b"] == 1.0
    assert found["mask_overlap/whole"] == pytest.approx(4 / 7)
