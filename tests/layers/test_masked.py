"""The wrapper: masks act at use, and nothing of the layer gets lost."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tflottery.layers.masked import Masked

RNG = np.random.default_rng(0)


def half_mask(shape, seed=0):
    size = int(np.prod(shape))
    order = np.random.default_rng(seed).permutation(size)
    return (order < size // 2).reshape(shape)


def small_dense(**arguments):
    layer = keras.layers.Dense(3, **arguments)
    layer.build((None, 4))
    masked = Masked(layer)
    masked.set_mask("kernel", half_mask((4, 3)))
    return masked


def run(function, how):
    if how == "eager":
        return function
    return tf.function(function, jit_compile=how == "xla")


HOW = ["eager", "graph", "xla"]


@pytest.mark.parametrize("how", HOW)
def test_the_output_does_not_depend_on_pruned_entries(how):
    masked = small_dense()
    x = RNG.normal(size=(5, 4)).astype("float32")
    before = run(lambda v: masked(v), how)(tf.constant(x)).numpy()
    mask = half_mask((4, 3))
    kernel = masked.layer.kernel
    kernel.assign(np.where(mask, kernel.numpy(), 1e3))
    after = run(lambda v: masked(v), how)(tf.constant(x)).numpy()
    np.testing.assert_array_equal(before, after)
    expected = x @ np.where(mask, kernel.numpy(), 0)
    np.testing.assert_allclose(after, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", HOW)
def test_pruned_entries_get_no_gradient(how):
    masked = small_dense()
    x = tf.constant(RNG.normal(size=(5, 4)).astype("float32"))

    def gradient(v):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(masked(v) ** 2 + masked(v))
        return tape.gradient(loss, masked.layer.kernel.value)

    found = run(gradient, how)(x).numpy()
    mask = half_mask((4, 3))
    assert np.all(found[~mask] == 0)
    assert np.all(found[mask] != 0)


def test_setting_a_mask_zeroes_the_stored_entries():
    masked = small_dense()
    stored = masked.layer.kernel.numpy()
    assert np.array_equal(stored != 0, half_mask((4, 3)))


def test_the_penalty_sees_the_masked_weight():
    masked = small_dense(kernel_regularizer=keras.regularizers.L2(0.5))
    kernel, mask = masked.layer.kernel, half_mask((4, 3))
    kernel.assign(np.ones((4, 3)))  # pruned entries hold 1 on purpose
    masked(np.zeros((1, 4), "float32"))
    # L2 of six ones under the mask: 0.5 * 6.
    assert float(sum(masked.losses)) == pytest.approx(0.5 * mask.sum())


def test_the_wrapper_is_named_as_its_layer_and_shows_its_attributes():
    layer = keras.layers.Dense(3, name="head")
    layer.build((None, 4))
    masked = Masked(layer)
    assert masked.name == "head"
    assert masked.kernel is layer.kernel and masked.units == 3
    with pytest.raises(AttributeError, match="no_such"):
        _ = masked.no_such


def test_batch_norm_inside_a_block_updates_its_statistics():
    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)
            self.norm = keras.layers.BatchNormalization()

        def build(self, shape):
            self.dense.build(shape)
            self.norm.build((None, 3))

        def call(self, x, training=None):
            return self.norm(self.dense(x), training=training)

    block = Block()
    block.build((None, 4))
    masked = Masked(block)
    x = RNG.normal(size=(32, 4)).astype("float32") + 3
    before = block.norm.moving_mean.numpy().copy()
    masked(x, training=True)
    moved = block.norm.moving_mean.numpy()
    expected = before * 0.99 + 0.01 * np.asarray(block.dense(x)).mean(0)
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-6)
    masked(x, training=False)
    np.testing.assert_array_equal(block.norm.moving_mean.numpy(), moved)


def test_the_training_argument_and_seeds_reach_the_layer():
    layer = keras.layers.LSTM(3, dropout=0.5, seed=1)
    layer.build((None, 5, 40))
    masked = Masked(layer)
    x = np.ones((2, 5, 40), "float32")
    quiet = np.asarray(masked(x, training=False))
    assert np.array_equal(quiet, np.asarray(masked(x)))
    first = np.asarray(masked(x, training=True))
    second = np.asarray(masked(x, training=True))
    assert not np.array_equal(first, second)  # the seed has moved on


def test_activity_losses_are_kept():
    layer = keras.layers.Dense(
        2, kernel_initializer="ones", activity_regularizer="l2"
    )
    masked = Masked(layer)
    model = keras.Sequential([keras.Input((2,)), masked])
    model(np.ones((1, 2), "float32"))
    # outputs 2, 2; L2(0.01): 0.01 * 8, over one example.
    assert float(sum(model.losses)) == pytest.approx(0.08)


def test_keras_masks_pass_through():
    embedding = keras.layers.Embedding(5, 3, mask_zero=True)
    lstm = keras.layers.LSTM(4)
    ids = np.array([[1, 2, 0, 0], [3, 4, 1, 0]])
    inputs = keras.Input((None,), dtype="int32")
    plain = keras.Model(inputs, lstm(embedding(inputs)))
    wrapped = keras.Model(inputs, Masked(lstm)(Masked(embedding)(inputs)))
    np.testing.assert_array_equal(
        np.asarray(plain(ids)), np.asarray(wrapped(ids))
    )
    shorter = np.asarray(plain(ids[:, :3]))
    np.testing.assert_allclose(np.asarray(wrapped(ids)), shorter, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_the_compute_dtype(policy):
    layer = keras.layers.Dense(3, dtype=policy)
    layer.build((None, 4))
    masked = Masked(layer)
    masked.set_mask("kernel", half_mask((4, 3)))
    y = masked(RNG.normal(size=(2, 4)).astype("float32"))
    assert keras.backend.standardize_dtype(y.dtype) == policy[6:]
    assert layer.kernel.dtype == "float32"


def test_a_constraint_of_the_user_is_applied_before_the_mask():
    masked = small_dense(kernel_constraint=keras.constraints.NonNeg())
    projected = masked.layer.kernel.constraint(-np.ones((4, 3), "float32"))
    assert np.all(np.asarray(projected) == 0)
    projected = masked.layer.kernel.constraint(np.ones((4, 3), "float32"))
    assert np.array_equal(np.asarray(projected) == 1, half_mask((4, 3)))


def test_release_gives_the_weight_its_own_settings_back():
    constraint = keras.constraints.NonNeg()
    regularizer = keras.regularizers.L2(0.1)
    masked = small_dense(
        kernel_constraint=constraint, kernel_regularizer=regularizer
    )
    layer = masked.release()
    assert layer.kernel.constraint is constraint
    assert layer.kernel.regularizer is regularizer


def test_an_unknown_weight_is_refused_by_name():
    layer = keras.layers.Dense(3)
    layer.build((None, 4))
    with pytest.raises(ValueError, match="names `kernal`.*variables are"):
        Masked(layer, weights=["kernal"])


def test_a_stateful_layer_keeps_its_state_from_call_to_call():
    keras.utils.set_random_seed(0)
    x = np.ones((2, 3, 4), "float32")
    model = keras.Sequential(
        [
            keras.Input((3, 4), batch_size=2),
            keras.layers.LSTM(5, stateful=True),
        ]
    )
    plain = [np.asarray(model(x)) for _ in range(2)]
    layer = Masked(model.layers[0])
    layer.reset_state()
    masked = [np.asarray(layer(x)) for _ in range(2)]
    np.testing.assert_array_equal(masked, plain)
    assert not np.array_equal(masked[0], masked[1])
    model.predict(x, verbose=0)
    layer.reset_state()
    np.testing.assert_array_equal(np.asarray(layer(x)), plain[0])
