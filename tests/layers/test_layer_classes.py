"""Every layer class of Keras that owns a kernel or an embedding is prunable."""

import inspect
import re

import keras
import numpy as np
import pytest

import tflottery
from tflottery.layers import evidence

L = keras.layers
VECTOR, SEQUENCE, IMAGE, VOLUME = (5,), (6, 5), (8, 8, 4), (5, 5, 5, 2)

# name: (layer, shape of one input, number of weights that can be pruned)
LAYERS = {
    "Dense": (lambda: L.Dense(4), VECTOR, 1),
    "EinsumDense": (
        lambda: L.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d"),
        SEQUENCE,
        1,
    ),
    "Embedding": (lambda: L.Embedding(7, 4), "ids", 1),
    "ReversibleEmbedding": (lambda: L.ReversibleEmbedding(7, 4), "ids", 1),
    "Conv1D": (lambda: L.Conv1D(4, 3), SEQUENCE, 1),
    "Conv2D": (lambda: L.Conv2D(4, 3), IMAGE, 1),
    "Conv3D": (lambda: L.Conv3D(4, 3), VOLUME, 1),
    "Conv1DTranspose": (lambda: L.Conv1DTranspose(4, 3), SEQUENCE, 1),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(4, 3), IMAGE, 1),
    "Conv3DTranspose": (lambda: L.Conv3DTranspose(4, 3), VOLUME, 1),
    "DepthwiseConv1D": (lambda: L.DepthwiseConv1D(3), SEQUENCE, 1),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(3), IMAGE, 1),
    "SeparableConv1D": (lambda: L.SeparableConv1D(4, 3), SEQUENCE, 2),
    "SeparableConv2D": (lambda: L.SeparableConv2D(4, 3), IMAGE, 2),
    "SimpleRNN": (lambda: L.SimpleRNN(4), SEQUENCE, 2),
    "LSTM": (lambda: L.LSTM(4), SEQUENCE, 2),
    "GRU": (lambda: L.GRU(4), SEQUENCE, 2),
    "RNN": (lambda: L.RNN(L.LSTMCell(4)), SEQUENCE, 2),
    "StackedRNNCells": (
        lambda: L.RNN([L.LSTMCell(4), L.GRUCell(3)]),
        SEQUENCE,
        4,
    ),
    "Bidirectional": (lambda: L.Bidirectional(L.GRU(4)), SEQUENCE, 4),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(4)), SEQUENCE, 1),
    "SpectralNormalization": (
        lambda: L.SpectralNormalization(L.Dense(4)),
        VECTOR,
        1,
    ),
    "ConvLSTM1D": (lambda: L.ConvLSTM1D(3, 2), (4, 6, 2), 2),
    "ConvLSTM2D": (lambda: L.ConvLSTM2D(3, 2), (4, 6, 6, 2), 2),
    "ConvLSTM3D": (lambda: L.ConvLSTM3D(2, 2), (3, 4, 4, 4, 2), 2),
    "MultiHeadAttention": (lambda: L.MultiHeadAttention(2, 3), "twice", 4),
    "GroupQueryAttention": (
        lambda: L.GroupQueryAttention(3, 4, 2),
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


def owners_of_kernels():
    """Classes whose source makes a weight called kernel or embeddings."""
    found = set()
    for name, cls in inspect.getmembers(keras.layers, inspect.isclass):
        if not issubclass(cls, keras.layers.Layer):
            continue
        source = "".join(
            inspect.getsource(base)
            for base in cls.__mro__
            if base.__module__.startswith("keras.src.layers")
            and base.__name__ not in ("Layer", "Wrapper")
        )
        names = re.findall(r'name="([a-z_]*)"', source)
        if any(n.endswith(("kernel", "embeddings")) for n in names):
            found.add(name)
    return found


def alias_of_a_listed_class(name):
    cls = getattr(keras.layers, name)
    return any(cls is getattr(keras.layers, other, None) for other in LAYERS)


def test_the_table_covers_every_class_of_keras():
    missing = {
        name
        for name in owners_of_kernels() - LAYERS.keys() - INSIDE
        if not alias_of_a_listed_class(name)
    }
    assert missing == set()


def example(kind):
    rng = np.random.default_rng(0)
    if kind == "ids":
        return [rng.integers(0, 7, (3, 6)).astype("int32")]
    if kind == "twice":
        return [rng.normal(size=(3, *SEQUENCE)).astype("float32")] * 2
    return [rng.normal(size=(3, *kind)).astype("float32")]


def model_of(layer, values):
    inputs = [
        keras.Input(value.shape[1:], dtype=value.dtype) for value in values
    ]
    return keras.Model(inputs, layer(*inputs))


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_wraps_prunes_trains_saves_loads_and_strips(name, tmp_path):
    make, kind, count = LAYERS[name]
    values = example(kind)
    layer = make()
    model = model_of(layer, values)
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
    weights = evidence.current_weights(wrapped)
    for path, kept in mask.items():
        assert np.all(weights[path][~kept] == 0), path
    output = wrapped.predict(values, verbose=0)
    path = tmp_path / "model.keras"
    wrapped.save(path)
    loaded = keras.models.load_model(path)
    assert evidence.current_mask(loaded) == mask
    np.testing.assert_array_equal(loaded.predict(values, verbose=0), output)
    plain = tflottery.strip_pruning(wrapped)
    assert evidence.wrappers(plain) == []
    np.testing.assert_allclose(
        plain.predict(values, verbose=0), output, rtol=1e-6, atol=1e-7
    )
