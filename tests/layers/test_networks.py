"""Whole networks: `keras.applications`, and a transformer of a user's own."""

import gc
import inspect
import logging

import keras
import numpy as np
import pytest
import tf_keras

import tflottery
from tflottery.layers import evidence

FAMILIES = {"keras": keras, "tf_keras": tf_keras}


def application_builders():
    return {
        (family, name): function
        for family, module in FAMILIES.items()
        for name, function in inspect.getmembers(
            module.applications, inspect.isfunction
        )
        if name[0].isupper()
    }


BUILDERS = application_builders()


def parameters():
    return [
        pytest.param(
            family,
            name,
            marks=pytest.mark.slow,
            id=f"{family}-{name}",
        )
        for family, name in BUILDERS
    ]


def build_application(family, name):
    builder = BUILDERS[family, name]
    accepted = inspect.signature(builder).parameters
    arguments = {"weights": None, "classes": 4}
    side = {"NASNetLarge": 331, "NASNetMobile": 224}.get(name, 96)
    if "input_shape" in accepted or "kwargs" in accepted:
        arguments["input_shape"] = (side, side, 3)
    return builder(**arguments), side


def check_network(k, model, x, tmp_path):
    expected = np.asarray(model(x))
    wrapped = tflottery.prune_iteratively(model)
    assert len(tflottery.masks(wrapped)) >= 1
    np.testing.assert_allclose(
        np.asarray(wrapped(x)), expected, rtol=1e-5, atol=1e-6
    )
    wrapped = tflottery.prune_once(wrapped, sparsity=0.5, scope="layerwise")
    mask = evidence.current_mask(wrapped)
    wrapped.compile("sgd", "mse")
    wrapped.train_on_batch(x, np.zeros_like(expected))
    weights = evidence.current_weights(wrapped)
    for path, kept in mask.items():
        assert np.all(weights[path][~kept] == 0), path
    output = np.asarray(wrapped(x))
    path = tmp_path / "model.keras"
    wrapped.save(path)
    loaded = k.models.load_model(path)
    assert evidence.current_mask(loaded) == mask
    np.testing.assert_allclose(
        np.asarray(loaded(x)), output, rtol=1e-4, atol=1e-5
    )
    del loaded
    plain = tflottery.strip_pruning(wrapped)
    assert evidence.wrappers(plain) == []
    np.testing.assert_allclose(
        np.asarray(plain(x)), output, rtol=1e-4, atol=1e-5
    )
    return mask


def test_every_application_is_listed():
    for family in FAMILIES:
        assert len([name for which, name in BUILDERS if which == family]) >= 38


@pytest.mark.parametrize(("family", "name"), parameters())
def test_every_network_of_applications_wraps(family, name, tmp_path):
    k = FAMILIES[family]
    k.backend.clear_session()
    gc.collect()  # models hold themselves in circles, gigabytes of them
    k.utils.set_random_seed(0)
    model, side = build_application(family, name)
    kernels = [
        layer
        for layer in model._flatten_layers()
        for attribute in ("kernel", "depthwise_kernel", "pointwise_kernel")
        if getattr(layer, f"_{attribute}", getattr(layer, attribute, None))
        is not None
    ]
    x = np.random.default_rng(0).normal(size=(1, side, side, 3)).astype("f4")
    # tf_keras has not registered the layers that only this network is made of.
    custom = {
        type(layer).__name__: type(layer)
        for layer in model.layers
        if type(layer).__module__.startswith("tf_keras.src.applications")
    }
    with k.saving.custom_object_scope(custom):
        mask = check_network(k, model, x, tmp_path)
    assert len(mask) >= len({id(layer) for layer in kernels}) > 10


@keras.saving.register_keras_serializable("tests")
class Block(keras.layers.Layer):
    def __init__(self, width=16, heads=2, **keywords):
        super().__init__(**keywords)
        self.width, self.heads = width, heads
        self.attention = keras.layers.MultiHeadAttention(heads, width // heads)
        self.norm = keras.layers.LayerNormalization()
        self.expand = keras.layers.EinsumDense(
            "abc,cd->abd", (None, 2 * width), bias_axes="d", activation="gelu"
        )
        self.contract = keras.layers.EinsumDense("abc,cd->abd", (None, width))

    def build(self, shape):
        self.attention.build(shape, shape)
        self.norm.build(shape)
        self.expand.build(shape)
        self.contract.build((*shape[:-1], 2 * self.width))

    def call(self, x, training=None):
        x = x + self.attention(x, x, training=training)
        return x + self.contract(self.expand(self.norm(x)))

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "heads": self.heads,
        }


@keras.saving.register_keras_serializable("tests")
class Transformer(keras.Model):
    """Subclassed, with blocks in a list and embeddings used twice."""

    def __init__(self, words=20, width=16, depth=2, **keywords):
        super().__init__(**keywords)
        self.words, self.width, self.depth = words, width, depth
        self.embedding = keras.layers.Embedding(words, width)
        self.blocks = [Block(width, name=f"block{i}") for i in range(depth)]
        self.head = keras.layers.Dense(3, name="head")

    def build(self, shape):
        self.embedding.build(shape)
        for block in self.blocks:
            block.build((*shape, self.width))
        self.head.build((shape[0], self.width))

    def call(self, ids, training=None):
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, training=training)
        return self.head(keras.ops.mean(x, axis=1))

    def get_config(self):
        return {
            **super().get_config(),
            "words": self.words,
            "width": self.width,
            "depth": self.depth,
        }


def test_a_subclassed_transformer_wraps_trains_saves_loads_and_strips(
    tmp_path,
):
    model = Transformer()
    model.build((None, 7))
    ids = np.random.default_rng(0).integers(0, 20, (4, 7)).astype("int32")
    mask = check_network(keras, model, ids, tmp_path)
    # Embedding, head, and per block four projections and two matrices.
    assert len(mask) == 2 + 2 * 6
    assert type(model) is Transformer
    assert isinstance(model.blocks[0], Block)


def test_what_was_skipped_is_reported_with_the_reason(caplog):
    caplog.set_level(logging.INFO, logger="tflottery")
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.PReLU(name="slope")(x)
    frozen = keras.layers.Conv2D(4, 3, name="frozen")
    x = frozen(x)
    frozen.trainable = False
    model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    wrapped = tflottery.prune_iteratively(model, skip="head")
    assert list(evidence.current_mask(wrapped)) == ["conv/kernel"]
    assert "`norm` is not pruned: it has no trainable weight of" in caplog.text
    assert "`slope` is not pruned: it holds `alpha`" in caplog.text
    assert "`frozen` is not pruned: it is not trainable" in caplog.text
    assert "`head` is not pruned: it is left dense by `skip`" in caplog.text
