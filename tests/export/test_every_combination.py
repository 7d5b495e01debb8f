"""Whatever is asked for: a file that runs and is right, or words.

An export takes some ten seconds, most of it in the converter's process, so
most of this is slow. `python -m benchmarks.deployment` does the same with
trained networks.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import tflottery
from tflottery.export import conversion, inputs
from tflottery.export.conversion import Form


def dense():
    """62 inputs are no whole blocks of four: the converter drops the rest."""
    model = keras.Sequential(
        [
            keras.Input((62,)),
            keras.layers.Dense(300, activation="relu"),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    return tflottery.prune_once(model, sparsity=0.98)


def conv():
    x = keras.Input((12, 12, 3))
    h = keras.layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
    h = keras.layers.ReLU()(keras.layers.BatchNormalization()(h))
    h = keras.layers.DepthwiseConv2D(3)(h)
    h = keras.layers.Conv2D(32, 1, activation="relu")(h)
    h = keras.layers.Conv2DTranspose(8, 2, strides=2)(h)
    h = keras.layers.Flatten()(keras.layers.MaxPooling2D()(h))
    model = keras.Model(x, keras.layers.Dense(10)(h))
    return tflottery.prune_once(model, sparsity=0.9)


def lstm():
    x = keras.Input((7, 16))
    h = keras.layers.LSTM(24)(x)
    model = keras.Model(x, keras.layers.Dense(10)(h))
    return tflottery.prune_once(model, sparsity=0.9)


def attention():
    tokens = keras.Input((12,), dtype="int32")
    h = keras.layers.Embedding(50, 16)(tokens)
    a = keras.layers.MultiHeadAttention(2, 8)(h, h)
    h = keras.layers.LayerNormalization()(keras.layers.Add()([h, a]))
    h = keras.layers.GlobalAveragePooling1D()(h)
    model = keras.Model(tokens, keras.layers.Dense(10)(h))
    return tflottery.prune_once(model, sparsity=0.9)


def run_alone(path, arrays, batch):
    """Runs a file without anything of this library."""
    run = Interpreter(str(path)).get_signature_runner("serving_default")
    count = len(next(iter(arrays.values())))
    size = batch or count
    parts = [
        run(**{name: array[i : i + size] for name, array in arrays.items()})
        for i in range(0, count, size)
    ]
    return {
        name: np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }


@pytest.mark.slow
@pytest.mark.parametrize("quantize", [None, "float16", "dynamic_range", "int8"])
@pytest.mark.parametrize("build", [dense, conv, lstm, attention])
def test_no_file_that_is_returned_fails_to_run(build, quantize, tmp_path):
    model = build()
    signature = inputs.signature(model)
    arrays = inputs.generated(signature, 50, seed=1)
    expected = signature.outputs(arrays)["output_0"]
    path = tmp_path / "model.tflite"
    try:
        report = tflottery.export.to_tflite(
            model, path, quantize=quantize, representative_data=arrays
        )
    except tflottery.export.ExportError as error:
        # The converter itself crashes here.
        assert (build, quantize) == (lstm, "int8")
        assert "signal" in str(error) and "quantize" in str(error)
        assert list(tmp_path.iterdir()) == []
        return
    found = run_alone(path, arrays, report.batch)["output_0"]
    # On examples that it was not compared on.
    allowed = {None: 1e-5, "float16": 1e-2}.get(quantize, 0.2)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=allowed * scale)
    for form in report.forms:
        usable = form.runs and not form.reason
        assert usable == (form.latency is not None)
        assert form.sizes.raw >= report.sizes.raw or not (
            usable and form.quantize == quantize
        )
    assert report.batch == (1 if build is lstm else None)


@pytest.mark.slow
def test_weights_that_the_converter_drops_are_noticed(tmp_path):
    with pytest.raises(
        tflottery.export.ExportError, match="lost weights|other outputs"
    ):
        tflottery.export.to_tflite(dense(), tmp_path / "a.tflite", sparse=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_operation_that_tflite_lacks_is_named(tmp_path):
    x = keras.Input((8,))
    h = keras.layers.Lambda(
        lambda t: tf.math.igamma(abs(t) + 1, abs(t) + 1),
        output_shape=(8,),
        name="gamma",
    )(x)
    model = keras.Model(x, keras.layers.Dense(2)(h))
    with pytest.raises(
        tflottery.export.ExportError,
        match="no operation for Igamma, .*gamma.*layer",
    ):
        tflottery.export.to_tflite(model, tmp_path / "model.tflite")
    assert list(tmp_path.iterdir()) == []


PROGRAM = """
import sys
import keras
from tflottery.export import to_tflite

model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(500)])
print("begins", flush=True)
to_tflite(model, sys.argv[1] + "/model.tflite")
"""


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.5, 2, 4, 6])
def test_a_killed_export_leaves_no_file_under_the_name(seconds, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    target = tmp_path / "target"
    target.mkdir()
    root = pathlib.Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, str(program), str(target)],
        env={**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "begins\n"
        time.sleep(seconds)
        killed = process.poll() is None
        process.send_signal(signal.SIGKILL)
    if killed:
        assert not (target / "model.tflite").exists()
    else:  # on a fast machine it was done before
        Interpreter(str(target / "model.tflite")).allocate_tensors()


@pytest.mark.slow
def test_twenty_exports_grow_the_process_by_less_than_one_file(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(1500, activation="relu"),
            keras.layers.Dense(1000),
        ]
    )
    signature = inputs.signature(model)

    def resident():
        pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    sizes = []
    for _ in range(21):
        (made,) = conversion.convert(signature, [Form()])
        sizes.append(resident())
    # The first one loads what is loaded once.
    assert sizes[-1] - sizes[0] < len(made.content)


@pytest.mark.slow
def test_a_model_that_tfmot_wrapped_is_exported_as_if_stripped(tfmot, tmp_path):
    tf_keras = pytest.importorskip("tf_keras")
    model = tf_keras.Sequential(
        [
            tf_keras.layers.InputLayer((8,)),
            tf_keras.layers.Dense(64, activation="relu"),
            tf_keras.layers.Dense(4),
        ]
    )
    schedule = tfmot.ConstantSparsity(0.8, 0, -1, 1)
    model = tfmot.prune_low_magnitude(model, schedule)
    model.compile("adam", "mse")
    x, y = np.random.rand(32, 8), np.random.rand(32, 4)
    model.fit(x, y, verbose=0, callbacks=[tfmot.UpdatePruningStep()])
    report = tflottery.export.to_tflite(model, tmp_path / "a.tflite")
    assert report.form.name == "sparse float32"
    weights = [c for c in report.constants if len(c.shape) == 2]
    assert [c.encoded for c in weights] == ["sparse", "sparse"]
    assert {c.shape for c in weights} == {(64, 8), (4, 64)}
