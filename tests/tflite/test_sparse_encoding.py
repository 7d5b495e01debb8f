"""Encodings are decoded to the weights that the Keras model had."""

import keras
import numpy as np
import pytest
import tflite_models

from tflottery.core.files import DamagedFileError
from tflottery.tflite import sparse_encoding
from tflottery.tflite.file import TFLiteFile
from tflottery.tflite.tables import Level, Sparsity

layers = keras.layers


@pytest.fixture(scope="module")
def network():
    """All kinds of layers whose weights the converter encodes."""
    given = keras.Input((8, 8, 12))
    x = layers.Conv2D(20, 1)(given)
    x = layers.Conv2D(24, 3, padding="same")(x)
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.Conv2DTranspose(8, 3)(x)
    x = layers.Flatten()(x)
    return tflite_models.prune(keras.Model(given, layers.Dense(40)(x)))


def _sparse(content):
    file = TFLiteFile.read(content)
    for tensor in file.main.tensors:
        if tensor.sparsity is not None:
            yield tensor, file.values(tensor)


def _levels(*parts):
    return tuple(
        Level(part)
        if isinstance(part, int)
        else Level(0, np.array(part[0]), np.array(part[1]))
        for part in parts
    )


@pytest.mark.parametrize("mode", ["float32", "float16"])
def test_all_kinds_of_kernels_are_read_back_bit_for_bit(network, mode):
    expected = tflite_models.kernels(network)
    found = dict.fromkeys(expected, False)
    for tensor, values in _sparse(tflite_models.convert(network, mode)):
        assert values.dtype == mode
        np.testing.assert_array_equal(
            values, expected[tensor.shape].astype(mode)
        )
        found[tensor.shape] = True
    assert [
        shape for shape in found if len(shape) > 1 and not found[shape]
    ] == []


@pytest.mark.parametrize(
    "mode, side", [("float32", 4), ("int8", 16), ("dynamic_range", 16)]
)
def test_blocks_along_the_inputs_are_read_back(mode, side):
    # Dense(inputs, units) is stored as (units, inputs).
    kernel = tflite_models.in_blocks((64, 128), (side, 1))
    content = tflite_models.convert(tflite_models.dense(kernel), mode)
    ((tensor, values),) = _sparse(content)
    assert sparse_encoding.block_shape(tensor.sparsity, 2) == (1, side)
    scales = tensor.scales[:, None] if len(tensor.scales) else 1
    np.testing.assert_allclose(values * scales, kernel.T, atol=0.03)
    assert np.array_equal(values == 0, kernel.T == 0)


def test_what_lies_in_no_block_is_lost_as_it_is_when_the_file_runs():
    # The converter makes 15 blocks of 4 out of 62 inputs.
    kernel = tflite_models.in_blocks((62, 128), (4, 1))
    content = tflite_models.convert(tflite_models.dense(kernel))
    ((tensor, values),) = _sparse(content)
    assert sparse_encoding.left_out(tensor.sparsity, tensor.shape) == 2 * 128
    assert np.count_nonzero(kernel[60:]) > 0
    np.testing.assert_array_equal(values[:, :60], kernel.T[:, :60])
    assert not values[:, 60:].any()
    given = np.ones((1, 62), np.float32)
    ran = tflite_models.run(content, given)
    np.testing.assert_allclose(ran, given @ values.T, rtol=1e-4)


def test_blocks_in_both_dimensions():
    # [[1 2 . .]    Blocks of 2x2, rows of blocks dense, columns compressed.
    #  [3 4 . .]
    #  [. . 5 6]
    #  [. . 7 8]]
    sparsity = Sparsity(
        (0, 1, 2, 3), (0, 1), _levels(2, ([0, 1, 2], [0, 1]), 2, 2)
    )
    dense = sparse_encoding.decode(sparsity, (4, 4), np.arange(1, 9))
    expected = np.zeros((4, 4))
    expected[:2, :2] = [[1, 2], [3, 4]]
    expected[2:, 2:] = [[5, 6], [7, 8]]
    assert sparse_encoding.block_shape(sparsity, 2) == (2, 2)
    np.testing.assert_array_equal(dense, expected)


def test_columns_first_and_two_compressed_levels():
    # Column 2 holds a 5 in row 0; column 0 a 6 in row 1 and a 7 in row 2.
    columns, rows = ([0, 2], [0, 2]), ([0, 2, 3], [1, 2, 0])
    sparsity = Sparsity((1, 0), (), _levels(columns, rows))
    dense = sparse_encoding.decode(sparsity, (3, 3), np.array([6.0, 7.0, 5.0]))
    np.testing.assert_array_equal(dense, [[0, 0, 5], [6, 0, 0], [7, 0, 0]])


@pytest.mark.parametrize("mode", ["float32", "int8"])
def test_a_layer_without_any_weight_left_is_read(mode):
    # As int8 it is even stored in blocks larger than the layer.
    model = tflite_models.dense(np.zeros((6, 64), np.float32))
    file = TFLiteFile.read(tflite_models.convert(model, mode))
    (constant,) = [c for c in file.constants if len(c.shape) == 2]
    assert (constant.encoded, constant.zeros_fraction) == ("sparse", 1.0)


def test_nothing_stored_is_all_zeros():
    sparsity = Sparsity((0, 1), (), _levels(2, ([0, 0, 0], [])))
    dense = sparse_encoding.decode(sparsity, (2, 3), np.zeros(0, np.float16))
    assert dense.dtype == np.float16
    assert dense.tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    "order, block_map, levels, values, what",
    [
        ((0, 0), (), (2, ([0, 1, 2], [0, 1])), 2, "levels in the order"),
        ((0, 1), (), (2,), 2, "levels in the order"),
        ((0, 1, 2), (5,), (2, ([0, 1, 2], [0, 1]), 2), 4, "blocks of"),
        (
            (0, 1, 2),
            (1,),
            (2, ([0, 1, 2], [0, 0]), 8),
            16,
            "places outside of 0",
        ),
        ((0, 1), (), (3, ([0, 1, 2], [0, 1])), 2, "a level of 3 for 2"),
        ((0, 1), (), (2, ([0, 2], [0, 1])), 2, "2 segments for 2 rows"),
        ((0, 1), (), (2, ([0, 1, 3], [0, 1])), 2, r"segments that run \(0, 3"),
        ((0, 1), (), (2, ([0, 3, 2], [0, 1])), 2, "segments that run"),
        ((0, 1), (), (2, ([0, 1, 2], [0, 3])), 2, "places outside of 3"),
        ((0, 1), (), (2, ([0, 1, 2], [0, -1])), 2, "places outside of 3"),
        ((0, 1), (), (2, ([0, 2, 2], [1, 1])), 2, "out of order"),
        ((0, 1), (), (2, ([0, 1, 2], [0, 1])), 5, "5 values for 2 places"),
    ],
)
def test_contradictions_are_named(order, block_map, levels, values, what):
    sparsity = Sparsity(order, block_map, _levels(*levels))
    with pytest.raises(DamagedFileError, match=what):
        sparse_encoding.decode(sparsity, (2, 3), np.ones(values))


def test_a_shape_past_all_sizes_takes_no_memory():
    levels = _levels(2, ([0, 1, 2], [0, 1]))
    with pytest.raises(DamagedFileError, match="more than TFLite can take"):
        sparse_encoding.decode(
            Sparsity((0, 1), (), levels), (2, 2**40), np.ones(2)
        )
