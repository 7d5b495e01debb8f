"""Files that the converter made are read, described and checked."""

import random
import sys

import keras
import numpy as np
import pytest
import tflite_models

from tflottery.core import files
from tflottery.core.files import DamagedFileError, ForeignFileError
from tflottery.tflite.file import TFLiteFile

layers = keras.layers


@pytest.fixture(scope="module")
def network():
    given = keras.Input((8, 8, 12))
    x = layers.Conv2D(16, 3, strides=2, dilation_rate=1)(given)
    x = layers.DepthwiseConv2D(3, activation="relu")(x)
    return tflite_models.prune(
        keras.Model(given, layers.Dense(70)(layers.Flatten()(x)))
    )


@pytest.fixture(scope="module")
def contents(network):
    """`{mode: bytes}`, sparse, and one dense file under `"dense"`."""
    found = {
        mode: tflite_models.convert(network, mode)
        for mode in tflite_models.MODES
    }
    found["dense"] = tflite_models.convert(network, sparse=False)
    return found


def _weights(content):
    constants = TFLiteFile.read(content).constants
    return {c.used_by: c for c in constants if len(c.shape) in (2, 4)}


@pytest.mark.parametrize("mode", ["float32", "float16", "dense"])
def test_zeros_of_every_weight_are_those_of_the_model(network, contents, mode):
    expected = tflite_models.kernels(network)
    found = _weights(contents[mode])
    assert len(found) == 3
    for constant in found.values():
        zeros = np.count_nonzero(expected[constant.shape] == 0)
        assert constant.zeros == zeros > 0
        assert constant.zeros_fraction == zeros / np.prod(constant.shape)
        assert constant.encoded == ("dense" if mode == "dense" else "sparse")


@pytest.mark.parametrize("mode", ["dynamic_range", "int8"])
def test_zeros_of_quantised_weights_are_counted_too(network, contents, mode):
    # Rounding makes a few more.
    expected = tflite_models.kernels(network)
    for constant in _weights(contents[mode]).values():
        zeros = np.count_nonzero(expected[constant.shape] == 0)
        assert zeros <= constant.zeros <= 1.1 * zeros
        # The converter leaves weights of fewer than 1,024 entries as they are.
        small = np.prod(constant.shape) < 1024
        floats = mode == "dynamic_range" and small
        assert constant.dtype == ("float32" if floats else "int8")


@pytest.mark.parametrize(
    "mode, through",
    [
        ("float32", ("DENSIFY",)),
        ("float16", ("DENSIFY", "DEQUANTIZE")),
        ("int8", ("DENSIFY",)),
        ("dense", ()),
    ],
)
def test_users_are_found_behind_what_unpacks(contents, mode, through):
    found = _weights(contents[mode])
    names = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    assert set(found) == {(name,) for name in names}
    assert {constant.through for constant in found.values()} == {through}


def test_stored_bytes_hold_the_places_of_a_sparse_tensor(contents):
    dense = _weights(contents["dense"])["FULLY_CONNECTED",]
    sparse = _weights(contents["float32"])["FULLY_CONNECTED",]
    assert dense.bytes == 4 * np.prod(dense.shape)
    kept = np.prod(dense.shape) - dense.zeros
    # Fewer than 256 are kept: one byte for each of 71 segments and each place.
    assert kept < 256
    assert sparse.bytes == 4 * kept + 71 + kept
    assert sparse.block == (1, 1)
    assert dense.block is None


def test_reasons_for_dense_tensors(contents):
    for constant in _weights(contents["dense"]).values():
        assert constant.reason == ("zeros enough, but this is a dense form")
    constants = TFLiteFile.read(contents["float32"]).constants
    reasons = {c.reason for c in constants if len(c.shape) == 1}
    assert reasons == {"a bias: only weights are encoded"}
    assert {c.reason for c in constants if len(c.shape) > 1} == {""}


@pytest.mark.parametrize("share, encoded", [(0.29, "dense"), (0.31, "sparse")])
def test_thirty_percent_zeros_are_asked_for(share, encoded):
    kernel = np.ones(3200, np.float32)
    kernel[: round(3200 * share)] = 0
    kernel = np.random.default_rng(0).permutation(kernel).reshape(64, 50)
    content = tflite_models.convert(tflite_models.dense(kernel))
    (constant,) = TFLiteFile.read(content).constants
    assert constant.encoded == encoded
    few = "fewer than 30 % of its entries are zero"
    assert constant.reason == (few if encoded == "dense" else "")


def test_embeddings_and_rank_five_stay_dense():
    given = keras.Input((4,), dtype="int32")
    x = layers.Reshape((4, 4, 4, 2))(layers.Embedding(50, 32)(given))
    model = keras.Model(given, layers.Conv3D(4, 3)(x))
    content = tflite_models.convert(tflite_models.prune(model))
    reasons = {
        constant.shape: constant.reason
        for constant in TFLiteFile.read(content).constants
    }
    assert reasons[50, 32].startswith("used by GATHER: only Conv, Depthwise")
    assert reasons[3, 3, 3, 2, 4] == (
        "rank 5: the converter encodes rank 2 and 4 only"
    )


def test_weights_in_the_body_of_a_loop_are_found():
    model = keras.Sequential([keras.Input((10, 8)), layers.LSTM(16)])
    file = TFLiteFile.read(tflite_models.convert(tflite_models.prune(model)))
    assert "WHILE" in [operator.name for operator in file.operators]
    shapes = {c.shape for c in file.constants if c.encoded == "sparse"}
    assert shapes == {(64, 8), (64, 16)}


def test_what_the_converter_gets_wrong_is_said():
    odd = tflite_models.in_blocks((62, 128), (4, 1))
    content = tflite_models.convert(tflite_models.dense(odd))
    (constant,) = TFLiteFile.read(content).constants
    assert "left out 256 entries" in constant.warning
    whole = tflite_models.dense(tflite_models.in_blocks((64, 128), (4, 1)))
    (half,) = TFLiteFile.read(tflite_models.convert(whole, "float16")).constants
    assert "as if it were dense" in half.warning
    (fine,) = TFLiteFile.read(tflite_models.convert(whole)).constants
    assert (fine.block, fine.warning) == ((1, 4), "")


def test_operators_options_and_ends(contents):
    file = TFLiteFile.read(contents["dense"])
    names = [operator.name for operator in file.operators]
    assert names[:2] == ["CONV_2D", "DEPTHWISE_CONV_2D"]
    assert names[-1] == "FULLY_CONNECTED"
    assert file.operators[0].options == {
        "stride_h": 2,
        "stride_w": 2,
        "dilation_h": 1,
        "dilation_w": 1,
        "padding": "VALID",
        "activation": "NONE",
    }
    assert file.operators[1].options["activation"] == "RELU"
    assert file.operators[1].inputs[0] == file.operators[0].outputs[0]
    assert [tensor.shape for tensor in file.inputs] == [(1, 8, 8, 12)]
    assert [tensor.shape for tensor in file.outputs] == [(1, 70)]
    assert file.signature is None


def test_a_signature_names_inputs_and_outputs():
    given = keras.Input((4,), name="given")
    model = keras.Model(given, layers.Dense(20)(given))
    file = TFLiteFile.read(tflite_models.convert_with_signature(model))
    assert file.signature.key == "serving_default"
    assert file.signature.inputs == {"given": file.main.inputs[0]}
    assert list(file.signature.outputs.values()) == list(file.main.outputs)
    assert file.signature.subgraph == 0


def test_zero_points_of_channels_are_what_counts_as_zero(contents):
    file = TFLiteFile.read(contents["int8"])
    tensor = next(
        t for t in file.main.tensors if t.dtype == "int8" and t.data.size
    )
    plain = file.zeros(tensor)
    values = file.values(tensor)
    axis = tensor.axis
    points = np.arange(len(tensor.zero_points)) % 2
    object.__setattr__(tensor, "zero_points", points)
    moved = np.moveaxis(values, axis, 0)
    expected = np.count_nonzero(moved[0::2] == 0)
    expected += np.count_nonzero(moved[1::2] == 1)
    assert file.zeros(tensor) == expected != plain


def test_a_path_is_read_locally_and_remotely(contents, tmp_path, bucket):
    expected = TFLiteFile.read(contents["float32"]).constants
    for path in (tmp_path / "a.tflite", bucket.path / "a.tflite"):
        files.write_bytes(path, contents["float32"])
        assert TFLiteFile.read(path).constants == expected != []
    files.write_bytes(tmp_path / "a.tflite", contents["float32"][:-300])
    with pytest.raises(DamagedFileError, match=r"a\.tflite' is damaged"):
        TFLiteFile.read(str(tmp_path / "a.tflite"))


@pytest.mark.parametrize("mode", ["float32", "int8", "dense"])
def test_a_cut_file_is_damaged_wherever_it_is_cut(contents, mode):
    content = contents[mode]
    for cut in range(50):
        with pytest.raises(DamagedFileError, match="is damaged"):
            TFLiteFile.read(content[: len(content) * cut // 50])


def test_flipped_bytes_are_damage_or_other_values_and_nothing_else(contents):
    content, rng = contents["float32"], random.Random(0)
    # The tables, where lengths and places are; the rest are weights.
    refused = 0
    for _ in range(300):
        flipped = bytearray(content)
        flipped[rng.randrange(len(content))] ^= rng.choice([1, 128, 255])
        try:
            file = TFLiteFile.read(flipped)
            for constant in file.constants:
                assert 0 <= constant.zeros_fraction <= 1
        except (DamagedFileError, ForeignFileError):
            refused += 1
    assert 30 < refused < 300


def test_other_files_are_foreign():
    with pytest.raises(ForeignFileError, match="is not a TFLite file"):
        TFLiteFile.read(b"PK\3\4 a zip file, such as a .keras one")


def test_a_tensor_that_is_computed_has_no_values(contents):
    file = TFLiteFile.read(contents["float32"])
    with pytest.raises(ValueError, match="`tensor` must be a constant"):
        file.values(file.inputs[0])


def test_without_litert_the_way_out_is_named(contents, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.schema_py_generated", None)
    with pytest.raises(ImportError, match="pip install ai-edge-litert"):
        TFLiteFile.read(contents["float32"])
