"""Which sparse kernels a converted file can use, and why not."""

import re

import keras
import pytest
import tflite_models

from tflottery.tflite import delegates
from tflottery.tflite.delegates import Cpu, sparse_kernels
from tflottery.tflite.file import TFLiteFile

layers = keras.layers
AVX = Cpu("x86_64", has_avx=True)
ARM = Cpu("aarch64")


def _mobile(
    end="mean", start=True, stride=1, kernel=3, same=False, middle=None
):
    """Three 1x1 convolutions as XNNPACK wants them, or nearly so."""
    x = given = keras.Input((32, 32, 3))
    if start:
        x = layers.ZeroPadding2D(1)(x)
    padding = "valid" if start else "same"
    x = layers.Conv2D(8, 3, 2, padding, activation="relu6")(x)
    y = x
    if not same:
        y = layers.ZeroPadding2D(kernel // 2)(y)
    y = layers.DepthwiseConv2D(kernel, padding="same" if same else "valid")(y)
    y = layers.Conv2D(8, 1)(y)
    x = layers.Add()([x, y])
    if middle is not None:
        x = middle(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3, 2, "valid")(x)
    x = layers.Conv2D(32, 1, stride, activation="relu")(x)
    x = layers.Conv2D(16, 1)(x)
    if end == "mean":
        x = layers.Dense(4)(layers.GlobalAveragePooling2D()(x))
    elif end == "max":
        x = layers.Dense(4)(layers.GlobalMaxPooling2D()(x))
    return keras.Model(given, x)


def _kernels(model, sparsity=0.9, mode="float32", sparse=True, cpu=AVX):
    model = tflite_models.prune(model, sparsity)
    content = tflite_models.convert(model, mode, sparse)
    return sparse_kernels(TFLiteFile.read(content), cpu)


@pytest.fixture(scope="module")
def mobile():
    return _kernels(_mobile())


def test_a_network_made_for_it_uses_them_on_arm(mobile):
    assert mobile.on_arm == "on ARM: 3 of 3 pointwise convolutions"
    points = [o for o in mobile.operators if o.pointwise]
    assert [o.shape[0] for o in points] == [8, 32, 16]
    assert all(o.on_arm and o.sparse and not o.reason for o in points)
    others = [o for o in mobile.operators if not o.pointwise]
    assert [o.operator for o in others] == [
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
    ]
    assert {o.reason for o in others} == {
        "XNNPACK has sparse kernels for 1x1 convolutions only"
    }


def test_x86_with_avx_never_uses_them(mobile):
    assert mobile.here == (
        "on this CPU: none: XNNPACK does not use sparse kernels on x86 with AVX"
    )
    assert str(mobile).splitlines() == [
        f"Sparse kernels {mobile.here}.",
        "Sparse kernels on ARM: 3 of 3 pointwise convolutions.",
    ]


@pytest.mark.parametrize(
    "cpu, refused",
    [
        (Cpu("x86_64", True), "x86 with AVX"),
        (Cpu("AMD64", None), "which this AMD64 is taken to have"),
        (Cpu("x86_64", False), ""),
        (Cpu("arm64"), ""),
        (Cpu("aarch64", None), ""),
    ],
)
def test_the_cpu_decides(cpu, refused):
    assert refused in cpu.refusal
    assert bool(cpu.refusal) == bool(refused)


def test_the_flags_of_this_cpu_are_read(monkeypatch):
    text = "processor : 0\nflags\t\t: fpu sse4_2 avx2\n"
    monkeypatch.setattr(delegates.pathlib.Path, "read_text", lambda *args: text)
    # avx2 alone is not avx: flags are words.
    assert Cpu.here().has_avx is False
    text = text.replace("avx2", "avx avx2")
    assert Cpu.here().has_avx is True
    text = "CPU implementer : 0x41\n"
    assert Cpu.here().has_avx is None


def test_half_precision_and_a_second_padding_are_fine():
    found = _kernels(_mobile(kernel=5), mode="float16", cpu=ARM)
    assert found.here == (
        "on this CPU (aarch64): 3 of 3 pointwise convolutions"
    )
    # Padding "same" of stride 1 is known beforehand.
    assert "3 of 3" in _kernels(_mobile(same=True)).on_arm


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"start": False}, "has no explicit padding of 1 on all sides"),
        ({"kernel": 7}, "7x7 DEPTHWISE_CONV_2D .* is neither 3x3 nor 5x5"),
        ({"end": "max"}, "a cluster ends with the mean over the image"),
        ({"end": "none"}, "an output of the file follows 1x1 CONV_2D"),
        ({"middle": layers.MaxPooling2D(2)}, "MAX_POOL_2D .* follows ADD"),
    ],
)
def test_what_is_in_the_way_is_named(options, reason):
    found = _kernels(_mobile(**options)).on_arm
    assert found.startswith("on ARM: none of 3 pointwise convolutions")
    assert re.search(reason, found)


def test_strides_of_a_pointwise_convolution_break_the_cluster():
    found = _kernels(_mobile(stride=2))
    assert found.on_arm.startswith("on ARM: none of 3")
    reasons = [o.reason for o in found.operators if o.pointwise]
    assert "has strides (2, 2)" in reasons[1]


def test_what_follows_a_stranger_names_it():
    found = _kernels(_mobile(middle=layers.MaxPooling2D(2)))
    last = [o for o in found.operators if o.pointwise][-1]
    assert "MAX_POOL_2D" in last.reason
    assert "has no form in XNNPACK's sparse layout" in last.reason


@pytest.mark.parametrize("sparsity, count", [(0.6, "none of"), (0.72, "3 of")])
def test_more_than_two_thirds_must_be_zero(sparsity, count):
    found = _kernels(_mobile(), sparsity).on_arm
    assert found.startswith(f"on ARM: {count}")
    assert ("not more than two thirds" in found) == (count == "none of")


def test_a_dense_file_tells_xnnpack_nothing():
    found = _kernels(_mobile(), sparse=False)
    assert "no weight is encoded sparse" in found.on_arm
    assert not any(o.sparse or o.on_arm for o in found.operators)


@pytest.mark.parametrize("mode", ["int8", "dynamic_range"])
def test_quantised_weights_have_no_sparse_kernel(mode):
    given = keras.Input((32, 32, 3))
    x = layers.Conv2D(32, 3, 2, "valid")(layers.ZeroPadding2D(1)(given))
    x = layers.Conv2D(64, 1)(x)
    model = keras.Model(given, layers.GlobalAveragePooling2D()(x))
    found = _kernels(model, mode=mode).on_arm
    assert "int8; only float32 and float16 can be sparse" in found


def test_fully_connected_layers_have_none_but_in_blocks():
    kernel = tflite_models.in_blocks((64, 128), (1, 1))
    found = _kernels(tflite_models.dense(kernel), sparsity=0)
    assert "the file has none of those" in found.on_arm
    assert found.in_blocks == ""
    kernel = tflite_models.in_blocks((64, 128), (4, 1))
    found = _kernels(tflite_models.dense(kernel), sparsity=0)
    assert found.operators[0].in_blocks
    assert str(found).splitlines()[2] == (
        "Sparse kernels on any CPU: 1 of 1 fully connected layers, in blocks, "
        "by LiteRT's own kernel."
    )
