"""Reading a target, and refusing by name what the proof does not cover."""

import keras
import numpy as np
import pytest
import strong_targets
import tensorflow as tf

from tflottery.layers.prune import prune_once
from tflottery.supermasks import activations
from tflottery.supermasks import target as targets


def test_a_chain_is_read_with_its_weights(any_keras):
    model = strong_targets.convolutional(any_keras)
    chain = targets.read(model)
    assert chain.keras is any_keras
    assert chain.input_shape == (7, 6, 2)
    names = [layer.name for layer in chain.weighted]
    assert names == ["conv1", "conv2", "conv3", "head"]
    for layer in chain.weighted:
        weights = model.get_layer(layer.name).get_weights()
        np.testing.assert_array_equal(layer.kernel, weights[0])
        if layer.bias is not None:
            np.testing.assert_array_equal(layer.bias, weights[1])
    assert chain.weighted[2].bias is None
    # 5 x 5 after pooling and padding; 2 rows by strides of 2 need one row of
    # padding, below; 3 columns two, one on each side.
    assert chain.weighted[1].strides.tap == (0, 1)
    assert [layer.activation for layer in chain.weighted] == [
        "linear",
        "tanh",
        "linear",
        "softmax",
    ]


def test_what_is_never_negative_is_known(any_keras):
    chain = targets.read(strong_targets.convolutional(any_keras))
    flags = {
        step.layer.name.split("_")[0]: step.is_never_negative
        for step in chain.steps
    }
    assert flags["conv1"] is False and flags["re"] is True
    assert flags["conv2"] is False and flags["activation"] is True
    assert flags["max"] is None and flags["dropout"] is None
    assert flags["head"] is True


def test_functional_and_nested_chains_are_chains(any_keras):
    layers = any_keras.layers
    block = any_keras.Sequential([layers.Dense(3, name="fc")], name="block")
    x = any_keras.Input((2,))
    model = any_keras.Model(x, layers.ReLU()(block(x)))
    chain = targets.read(model)
    assert [layer.name for layer in chain.weighted] == ["block_fc"]


def test_a_masked_target_counts_with_its_mask(any_keras):
    model = strong_targets.dense(any_keras)
    pruned = prune_once(model, 0.5)
    kernels = [layer.kernel for layer in targets.read(pruned).weighted]
    zeros = sum((kernel == 0).sum() for kernel in kernels)
    assert zeros == sum(kernel.size for kernel in kernels) / 2


def _one(of, *layers, shape=(4,)):
    return of.Sequential([of.Input(shape), *layers])


IMAGE = {"shape": (6, 6, 2)}
REFUSED = {
    "a BatchNormalization. Fold it": lambda k: _one(
        k, k.layers.Dense(2), k.layers.BatchNormalization(name="bad")
    ),
    "a Conv1D": lambda k: _one(
        k, k.layers.Conv1D(2, 3, name="bad"), shape=(5, 2)
    ),
    "a DepthwiseConv2D": lambda k: _one(
        k, k.layers.DepthwiseConv2D(3, name="bad"), **IMAGE
    ),
    "dilation_rate=.2, 2.": lambda k: _one(
        k, k.layers.Conv2D(2, 2, dilation_rate=2, name="bad"), **IMAGE
    ),
    "groups=2": lambda k: _one(
        k, k.layers.Conv2D(2, 2, groups=2, name="bad"), **IMAGE
    ),
    "open shape .None, None": lambda k: _one(
        k,
        k.layers.Conv2D(2, 3, strides=2, padding="same", name="bad"),
        shape=(None, None, 2),
    ),
    "a Rescaling": lambda k: _one(
        k, k.layers.Rescaling(10.0, name="bad"), k.layers.Dense(2)
    ),
    "activation `gelu`": lambda k: _one(
        k, k.layers.Dense(2, activation="gelu", name="bad")
    ),
    "activation `exponential`": lambda k: _one(
        k,
        k.layers.Dense(2),
        k.layers.Activation("exponential", name="bad"),
    ),
    "activation `<lambda>`": lambda k: _one(
        k, k.layers.Dense(2, activation=lambda x: 9 * x, name="bad")
    ),
    "slope 0 below zero and threshold 1": lambda k: _one(
        k, k.layers.Dense(2), k.layers.ReLU(threshold=1.0, name="bad")
    ),
    "slope 2 below zero": lambda k: _one(
        k, k.layers.Dense(2), k.layers.ReLU(negative_slope=2.0, name="bad")
    ),
    "with float16": lambda k: _one(
        k, k.layers.Dense(2, dtype="float16", name="bad")
    ),
    "float16|mixed": lambda k: _one(
        k, k.layers.Dense(2, dtype="mixed_float16", name="bad")
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_proof_does_not_cover_is_refused_by_name(any_keras, what):
    with pytest.raises(ValueError, match=what) as refusal:
        targets.read(REFUSED[what](any_keras))
    assert "layer `bad`" in str(refusal.value)


def test_branches_are_refused(any_keras):
    x = any_keras.Input((4,))
    y = any_keras.layers.Dense(4, name="fork")(x)
    z = any_keras.layers.Add()([y, any_keras.layers.ReLU()(y)])
    with pytest.raises(ValueError, match="must be a chain.*`fork`"):
        targets.read(any_keras.Model(x, z))


def test_models_without_a_graph_or_weights_are_refused(any_keras):
    with pytest.raises(ValueError, match="Build a Sequential"):
        targets.read(any_keras.Sequential([any_keras.layers.Dense(2)]))
    with pytest.raises(ValueError, match="must have a Dense or Conv2D"):
        targets.read(_one(any_keras, any_keras.layers.ReLU()))
    with pytest.raises(TypeError, match="`target` must be a Keras model"):
        targets.read("model")


def test_a_layer_of_the_users_own_that_looks_like_dense_is_refused():
    class Dense(keras.layers.Dense):
        def call(self, inputs):
            return 9 * super().call(inputs)

    with pytest.raises(ValueError, match="layer `bad`, a Dense"):
        targets.read(_one(keras, Dense(2, name="bad")))


def test_weights_that_are_no_numbers_are_refused(any_keras):
    model = strong_targets.dense(any_keras)
    broken = model.get_weights()
    broken[2][0, 0] = np.nan
    model.set_weights(broken)
    with pytest.raises(ValueError, match="`fc2` with NaN or infinity in its k"):
        targets.read(model)


@pytest.mark.parametrize("name", activations._FUNCTIONS)
def test_activations_move_no_two_points_apart(any_keras, name):
    function = any_keras.activations.get(name)
    rng = np.random.default_rng(0)
    one = rng.normal(0, 3, (2000, 5)).astype("f4")
    other = one + rng.normal(0, 1, (2000, 1)) * rng.normal(0, 1, (2000, 5))
    other = other.astype("f4")
    before = np.abs(one - other).max(1)
    values = np.asarray(function(tf.constant(one)))
    after = np.abs(values - np.asarray(function(tf.constant(other)))).max(1)
    assert (after <= before * (1 + 1e-5) + 1e-6).all()
    if activations.is_never_negative(name):
        assert values.min() >= 0
    else:
        assert values.min() < 0
        # Sign-preserving, as `Step.is_never_negative` takes it to be.
        assert ((values >= 0) == (one >= 0)).all()
