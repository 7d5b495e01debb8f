"""Every layer class of Keras that owns a kernel or an embedding is prunable."""

import inspect
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tflottery
from tflottery.layers import evidence

FAMILIES = {"keras": keras, "tf_keras": tf_keras}
VECTOR, SEQUENCE, IMAGE, VOLUME = (5,), (6, 5), (8, 8, 4), (5, 5, 5, 2)

# name: (layer of a module `layers`, shape of one input, number of weights
# that can be pruned); a name that a family lacks is left out there
LAYERS = {
    "Dense": (lambda L: L.Dense(4), VECTOR, 1),
    "EinsumDense": (
        lambda L: L.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d"),
        SEQUENCE,
        1,
    ),
    "Embedding": (lambda L: L.Embedding(7, 4), "ids", 1),
    "ReversibleEmbedding": (lambda L: L.ReversibleEmbedding(7, 4), "ids", 1),
    "Conv1D": (lambda L: L.Conv1D(4, 3), SEQUENCE, 1),
    "Conv2D": (lambda L: L.Conv2D(4, 3), IMAGE, 1),
    "Conv3D": (lambda L: L.Conv3D(4, 3), VOLUME, 1),
    "Conv1DTranspose": (lambda L: L.Conv1DTranspose(4, 3), SEQUENCE, 1),
    "Conv2DTranspose": (lambda L: L.Conv2DTranspose(4, 3), IMAGE, 1),
    "Conv3DTranspose": (lambda L: L.Conv3DTranspose(4, 3), VOLUME, 1),
    "LocallyConnected1D": (
        lambda L: L.LocallyConnected1D(4, 3),
        SEQUENCE,
        1,
    ),
    "LocallyConnected2D": (
        lambda L: L.LocallyConnected2D(4, 3, implementation=2),
        IMAGE,
        1,
    ),
    "DepthwiseConv1D": (lambda L: L.DepthwiseConv1D(3), SEQUENCE, 1),
    "DepthwiseConv2D": (lambda L: L.DepthwiseConv2D(3), IMAGE, 1),
    "SeparableConv1D": (lambda L: L.SeparableConv1D(4, 3), SEQUENCE, 2),
    "SeparableConv2D": (lambda L: L.SeparableConv2D(4, 3), IMAGE, 2),
    "SimpleRNN": (lambda L: L.SimpleRNN(4), SEQUENCE, 2),
    "LSTM": (lambda L: L.LSTM(4), SEQUENCE, 2),
    "GRU": (lambda L: L.GRU(4), SEQUENCE, 2),
    "RNN": (lambda L: L.RNN(L.LSTMCell(4)), SEQUENCE, 2),
    "StackedRNNCells": (
        lambda L: L.RNN([L.LSTMCell(4), L.GRUCell(3)]),
        SEQUENCE,
        4,
    ),
    "Bidirectional": (lambda L: L.Bidirectional(L.GRU(4)), SEQUENCE, 4),
    "TimeDistributed": (lambda L: L.TimeDistributed(L.Dense(4)), SEQUENCE, 1),
    "SpectralNormalization": (
        lambda L: L.SpectralNormalization(L.Dense(4)),
        VECTOR,
        1,
    ),
    "ConvLSTM1D": (lambda L: L.ConvLSTM1D(3, 2), (4, 6, 2), 2),
    "ConvLSTM2D": (lambda L: L.ConvLSTM2D(3, 2), (4, 6, 6, 2), 2),
    "ConvLSTM3D": (lambda L: L.ConvLSTM3D(2, 2), (3, 4, 4, 4, 2), 2),
    "MultiHeadAttention": (lambda L: L.MultiHeadAttention(2, 3), "twice", 4),
    "GroupQueryAttention": (
        lambda L: L.GroupQueryAttention(3, 4, 2),
        "twice",
        4,
    ),
}
# Owners of a kernel that are exercised inside another layer of the table, and
# one whose kernels are the fixed windows of a Fourier transform.
INSIDE = {
    "STFTSpectrogram",
    "LSTMCell",
    "GRUCell",
    "SimpleRNNCell",
    "ConvLSTM1DCell",
    "ConvLSTM2DCell",
    "ConvLSTM3DCell",
}
CASES = [
    (family, name)
    for family, module in FAMILIES.items()
    for name in LAYERS
    if hasattr(module.layers, name)
]
# Near relatives of layers that are tried anyhow: in the slow tier.
RELATIVES = {
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "ConvLSTM1D",
    "ConvLSTM3D",
    "DepthwiseConv1D",
    "GRU",
    "SeparableConv1D",
    "SimpleRNN",
}
every_class = pytest.mark.parametrize(
    ("family", "name"),
    [
        pytest.param(
            family,
            name,
            marks=[pytest.mark.slow] if name in RELATIVES else [],
        )
        for family, name in CASES
    ],
)


@pytest.fixture(autouse=True)
def spectral_normalization_of_tf_keras(monkeypatch):
    """Mends what keeps tf_keras from making and loading this layer at all.

    It takes `InputSpec` from `tf.keras`, which need not be tf_keras, and its
    class is missing from the list that files are loaded by.
    """
    monkeypatch.setattr(tf.compat.v2, "keras", tf_keras)
    cls = tf_keras.layers.SpectralNormalization
    with tf_keras.saving.custom_object_scope({cls.__name__: cls}):
        yield


def owners_of_kernels(module):
    """Classes whose source makes a weight called kernel or embeddings."""
    found = set()
    for name, cls in inspect.getmembers(module.layers, inspect.isclass):
        if not issubclass(cls, module.layers.Layer):
            continue
        source = "".join(
            inspect.getsource(base)
            for base in cls.__mro__
            if ".src.layers" in base.__module__
            and base.__name__ not in ("Layer", "Wrapper")
        )
        names = re.findall(r'name="([a-z_]*)"', source)
        if any(n.endswith(("kernel", "embeddings")) for n in names):
            found.add(name)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_covers_every_class(family):
    module = FAMILIES[family]
    owners = owners_of_kernels(module)
    listed = {getattr(module.layers, name, None) for name in [*LAYERS, *INSIDE]}
    missing = {n for n in owners if getattr(module.layers, n) not in listed}
    assert missing == set() and len(owners) >= 20


def example(kind):
    rng = np.random.default_rng(0)
    if kind == "ids":
        return [rng.integers(0, 7, (3, 6)).astype("int32")]
    if kind == "twice":
        return [rng.normal(size=(3, *SEQUENCE)).astype("float32")] * 2
    return [rng.normal(size=(3, *kind)).astype("float32")]


def model_of(family, name):
    """Returns a functional model of one layer, and its inputs."""
    module = FAMILIES[family]
    make, kind, _ = LAYERS[name]
    values = example(kind)
    inputs = [
        module.Input(value.shape[1:], dtype=value.dtype) for value in values
    ]
    return module.Model(inputs, make(module.layers)(*inputs)), values


def check_pruned_weights_are_zero(model, mask):
    weights = evidence.current_weights(model)
    assert len(weights) == len(mask) >= 1
    for path, kept in mask.items():
        assert np.all(weights[path][~kept] == 0), path
        assert np.any(weights[path][kept] != 0), path


@every_class
def test_a_layer_wraps_prunes_trains_saves_loads_and_strips(
    family, name, tmp_path
):
    model, values = model_of(family, name)
    count = LAYERS[name][2]
    expected = np.asarray(model(values))
    wrapped = tflottery.prune_iteratively(model)
    np.testing.assert_array_equal(np.asarray(wrapped(values)), expected)
    assert len(tflottery.masks(wrapped)) == count
    tflottery.prune_once(wrapped, sparsity=0.5)
    mask = evidence.current_mask(wrapped)
    assert mask.sparsity == pytest.approx(0.5, abs=0.5 / min(9, mask.size))
    output = np.asarray(wrapped(values))
    assert not np.array_equal(output, expected)
    wrapped.compile("adam", "mse")
    wrapped.fit(values, np.zeros_like(output), epochs=2, verbose=0)
    check_pruned_weights_are_zero(wrapped, mask)
    output = wrapped.predict(values, verbose=0)
    path = tmp_path / "model.keras"
    wrapped.save(path)
    loaded = FAMILIES[family].models.load_model(path)
    assert evidence.current_mask(loaded) == mask
    np.testing.assert_array_equal(loaded.predict(values, verbose=0), output)
    plain = tflottery.strip_pruning(wrapped)
    assert evidence.wrappers(plain) == []
    np.testing.assert_allclose(
        plain.predict(values, verbose=0), output, rtol=1e-6, atol=1e-7
    )


COMMON = ("Dense", "SeparableConv2D", "LSTM", "MultiHeadAttention")
legacy_classes = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in COMMON else [pytest.mark.slow])
        for family, name in CASES
        if family == "tf_keras"
    ],
)


def save_h5(model, path):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*HDF5 file")
        model.save(path)


@legacy_classes
def test_an_hdf5_file_keeps_masks_and_outputs(name, tmp_path):
    model, values = model_of("tf_keras", name)
    wrapped = tflottery.prune_once(model, sparsity=0.5)
    mask, output = evidence.current_mask(wrapped), wrapped(values).numpy()
    wrapped.compile("adam", "mse")
    save_h5(wrapped, tmp_path / "model.h5")
    with tflottery.prune_scope():
        loaded = tf_keras.models.load_model(tmp_path / "model.h5")
    assert evidence.current_mask(loaded) == mask and mask.sparsity > 0.4
    np.testing.assert_array_equal(loaded(values).numpy(), output)
    loaded.fit(values, output + 1, verbose=0)
    check_pruned_weights_are_zero(loaded, mask)


@legacy_classes
@pytest.mark.parametrize("file", ["weights", "model.weights.h5", "weights.h5"])
def test_weights_alone_keep_masks_and_outputs(name, file, tmp_path):
    model, values = model_of("tf_keras", name)
    wrapped = tflottery.prune_once(model, sparsity=0.5)
    wrapped.save_weights(str(tmp_path / file))
    other = tflottery.prune_iteratively(model_of("tf_keras", name)[0])
    other.load_weights(str(tmp_path / file))
    mask = evidence.current_mask(wrapped)
    assert evidence.current_mask(other) == mask and mask.sparsity > 0.4
    np.testing.assert_array_equal(
        other(values).numpy(), wrapped(values).numpy()
    )
    check_pruned_weights_are_zero(other, mask)


@legacy_classes
@pytest.mark.parametrize("how", ["export", "save"])
def test_a_saved_model_computes_the_same(name, how, tmp_path):
    model, values = model_of("tf_keras", name)
    wrapped = tflottery.prune_once(model, sparsity=0.5)
    output = wrapped(values).numpy()
    folder = str(tmp_path / "saved")
    if how == "export":
        wrapped.export(folder)
        loaded = tf.saved_model.load(folder)
        found = loaded.serve(values if len(values) > 1 else values[0])
    else:
        wrapped.save(folder, save_format="tf")
        loaded = tf_keras.models.load_model(folder)
        mask = evidence.current_mask(wrapped)
        assert evidence.current_mask(loaded) == mask
        found = loaded(values)
    np.testing.assert_allclose(found, output, rtol=1e-5, atol=1e-6)
