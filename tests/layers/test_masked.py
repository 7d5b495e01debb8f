"""The wrapper: masks act at use, and nothing of the layer gets lost."""

import numpy as np
import pytest
import tensorflow as tf

from tflottery.layers import family

RNG = np.random.default_rng(0)


def half_mask(shape, seed=0):
    size = int(np.prod(shape))
    order = np.random.default_rng(seed).permutation(size)
    return (order < size // 2).reshape(shape)


def wrap(layer, **arguments):
    return family.of(layer).masked(layer, **arguments)


def small_dense(k, **arguments):
    layer = k.layers.Dense(3, **arguments)
    layer.build((None, 4))
    masked = wrap(layer)
    masked.set_mask("kernel", half_mask((4, 3)))
    return masked


def run(function, how):
    if how == "eager":
        return function
    return tf.function(function, jit_compile=how == "xla")


def plain(variable):
    """Returns the variable of TensorFlow in one of Keras."""
    return variable.value if hasattr(variable, "path") else variable


HOW = ["eager", "graph", "xla"]


@pytest.mark.parametrize("how", HOW)
def test_the_output_does_not_depend_on_pruned_entries(any_keras, how):
    masked = small_dense(any_keras)
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
def test_pruned_entries_get_no_gradient(any_keras, how):
    masked = small_dense(any_keras)
    x = tf.constant(RNG.normal(size=(5, 4)).astype("float32"))

    def gradient(v):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(masked(v) ** 2 + masked(v))
        return tape.gradient(loss, plain(masked.layer.kernel))

    found = run(gradient, how)(x).numpy()
    mask = half_mask((4, 3))
    assert np.all(found[~mask] == 0)
    assert np.all(found[mask] != 0)


def test_setting_a_mask_zeroes_the_stored_entries(any_keras):
    masked = small_dense(any_keras)
    stored = masked.layer.kernel.numpy()
    assert np.array_equal(stored != 0, half_mask((4, 3)))


def test_the_penalty_sees_the_masked_weight(any_keras):
    masked = small_dense(
        any_keras, kernel_regularizer=any_keras.regularizers.L2(0.5)
    )
    kernel, mask = masked.layer.kernel, half_mask((4, 3))
    kernel.assign(np.ones((4, 3)))  # pruned entries hold 1 on purpose
    masked(np.zeros((1, 4), "float32"))
    # L2 of six ones under the mask: 0.5 * 6.
    assert float(sum(masked.losses)) == pytest.approx(0.5 * mask.sum())


def test_the_wrapper_is_named_as_its_layer_and_shows_its_attributes(any_keras):
    layer = any_keras.layers.Dense(3, name="head")
    layer.build((None, 4))
    masked = wrap(layer)
    assert masked.name == "head"
    assert masked.kernel is layer.kernel and masked.units == 3
    with pytest.raises(AttributeError, match="no_such"):
        _ = masked.no_such


def test_batch_norm_inside_a_block_updates_its_statistics(any_keras):
    class Block(any_keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = any_keras.layers.Dense(3)
            self.norm = any_keras.layers.BatchNormalization()

        def build(self, shape):
            self.dense.build(shape)
            self.norm.build((None, 3))

        def call(self, x, training=None):
            return self.norm(self.dense(x), training=training)

    block = Block()
    block.build((None, 4))
    block.built = True  # tf_keras leaves that to a `super().build`
    masked = wrap(block)
    x = RNG.normal(size=(32, 4)).astype("float32") + 3
    before = block.norm.moving_mean.numpy().copy()
    masked(x, training=True)
    moved = block.norm.moving_mean.numpy()
    expected = before * 0.99 + 0.01 * np.asarray(block.dense(x)).mean(0)
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-6)
    masked(x, training=False)
    np.testing.assert_array_equal(block.norm.moving_mean.numpy(), moved)


def test_the_training_argument_and_seeds_reach_the_layer(any_keras):
    layer = any_keras.layers.LSTM(3, dropout=0.5, seed=1)
    layer.build((None, 5, 40))
    masked = wrap(layer)
    x = np.ones((2, 5, 40), "float32")
    quiet = np.asarray(masked(x, training=False))
    assert np.array_equal(quiet, np.asarray(masked(x)))
    first = np.asarray(masked(x, training=True))
    second = np.asarray(masked(x, training=True))
    assert not np.array_equal(first, second)  # the seed has moved on


def test_activity_losses_are_kept(any_keras):
    layer = any_keras.layers.Dense(
        2, kernel_initializer="ones", activity_regularizer="l2"
    )
    masked = wrap(layer)
    model = any_keras.Sequential([any_keras.Input((2,)), masked])
    model(np.ones((1, 2), "float32"))
    # outputs 2, 2; L2(0.01): 0.01 * 8, over one example.
    assert float(sum(model.losses)) == pytest.approx(0.08)


def test_keras_masks_pass_through(any_keras):
    embedding = any_keras.layers.Embedding(5, 3, mask_zero=True)
    lstm = any_keras.layers.LSTM(4)
    ids = np.array([[1, 2, 0, 0], [3, 4, 1, 0]])
    inputs = any_keras.Input((None,), dtype="int32")
    plain = any_keras.Model(inputs, lstm(embedding(inputs)))
    wrapped = any_keras.Model(inputs, wrap(lstm)(wrap(embedding)(inputs)))
    np.testing.assert_array_equal(
        np.asarray(plain(ids)), np.asarray(wrapped(ids))
    )
    shorter = np.asarray(plain(ids[:, :3]))
    np.testing.assert_allclose(np.asarray(wrapped(ids)), shorter, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_the_compute_dtype(any_keras, policy):
    layer = any_keras.layers.Dense(3, dtype=policy)
    layer.build((None, 4))
    masked = wrap(layer)
    masked.set_mask("kernel", half_mask((4, 3)))
    y = masked(RNG.normal(size=(2, 4)).astype("float32"))
    assert y.dtype == policy[6:] and layer.kernel.dtype == "float32"


def test_a_constraint_of_the_user_is_applied_before_the_mask(any_keras):
    masked = small_dense(
        any_keras, kernel_constraint=any_keras.constraints.NonNeg()
    )
    projected = masked.layer.kernel.constraint(-np.ones((4, 3), "float32"))
    assert np.all(np.asarray(projected) == 0)
    projected = masked.layer.kernel.constraint(np.ones((4, 3), "float32"))
    assert np.array_equal(np.asarray(projected) == 1, half_mask((4, 3)))


def test_release_gives_the_weight_its_own_settings_back(any_keras):
    constraint = any_keras.constraints.NonNeg()
    regularizer = any_keras.regularizers.L2(0.1)
    masked = small_dense(
        any_keras, kernel_constraint=constraint, kernel_regularizer=regularizer
    )
    layer = masked.release()
    assert layer.kernel.constraint is constraint
    layer.kernel.assign(np.ones((4, 3)))
    # L2 of all twelve ones: 0.1 * 12.
    assert float(sum(layer.losses)) == pytest.approx(1.2)


def test_an_unknown_weight_is_refused_by_name(any_keras):
    layer = any_keras.layers.Dense(3)
    layer.build((None, 4))
    with pytest.raises(ValueError, match="names `kernal`.*variables are"):
        wrap(layer, weights=["kernal"])


def reset(layer):
    getattr(layer, "reset_state", getattr(layer, "reset_states", None))()


def test_a_stateful_layer_keeps_its_state_from_call_to_call(any_keras):
    any_keras.utils.set_random_seed(0)
    x = np.ones((2, 3, 4), "float32")
    model = any_keras.Sequential(
        [
            any_keras.Input((3, 4), batch_size=2),
            any_keras.layers.LSTM(5, stateful=True),
        ]
    )
    plain = [np.asarray(model(x)) for _ in range(2)]
    layer = wrap(model.layers[0])
    reset(layer)
    masked = [np.asarray(layer(x)) for _ in range(2)]
    np.testing.assert_array_equal(masked, plain)
    assert not np.array_equal(masked[0], masked[1])
    model.predict(x, verbose=0)
    reset(layer)
    np.testing.assert_array_equal(np.asarray(layer(x)), plain[0])


@pytest.mark.parametrize("how", HOW)
def test_a_layer_may_branch_on_training_as_a_bool(any_keras, how):
    class Branching(any_keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(name="kernel", shape=(shape[-1], 3))
            self.built = True

        def call(self, x, training=False):
            if training:
                return x @ self.kernel
            return -(x @ self.kernel)

    layer = Branching()
    layer.build((None, 4))
    masked = wrap(layer)
    masked.set_mask("kernel", half_mask((4, 3)))
    x = tf.ones((2, 4))
    one = run(lambda v: masked(v, training=True), how)(x).numpy()
    other = run(lambda v: masked(v), how)(x).numpy()
    np.testing.assert_array_equal(one, -other)
    assert np.any(one != 0)


def legacy_layer(call, holder=None):
    """A layer of tf_keras with one kernel, which `holder` puts somewhere."""
    import tf_keras

    class Custom(tf_keras.layers.Layer):
        def build(self, shape):
            kernel = self.add_weight("kernel", (shape[-1], 3))
            self.held = kernel if holder is None else holder(kernel)
            super().build(shape)

    Custom.call = call
    layer = Custom()
    layer.build((None, 4))
    return layer


def masked_and_spoilt(layer):
    """Masks half of the kernel and puts sevens where it is pruned."""
    masked = wrap(layer)
    masked.set_mask("kernel", half_mask((4, 3)))
    kept = layer.weights[0].numpy()
    mask = half_mask((4, 3))
    layer.weights[0].assign(np.where(mask, kept, 7.0))
    return masked, np.where(mask, kept, 0.0)


@pytest.mark.parametrize(
    ("holder", "finder"),
    [
        (lambda w: [w], lambda held: held[0]),
        (lambda w: (1, w), lambda held: held[1]),
        (lambda w: {"at": w}, lambda held: held["at"]),
        (lambda w: {"at": [0, {"in": w}]}, lambda held: held["at"][1]["in"]),
    ],
    ids=["list", "tuple", "dict", "nested"],
)
@pytest.mark.parametrize("how", HOW)
def test_a_weight_in_a_container_is_masked_there(holder, finder, how):
    layer = legacy_layer(lambda self, x: x @ finder(self.held), holder)
    variable = layer.weights[0]
    masked, kept = masked_and_spoilt(layer)
    x = tf.ones((2, 4))
    found = run(lambda v: masked(v), how)(x).numpy()
    np.testing.assert_allclose(found, np.ones((2, 4)) @ kept, rtol=1e-6)
    assert finder(layer.held) is variable
    assert any(weight is variable for weight in layer.weights)


def test_a_weight_that_hangs_nowhere_is_refused_in_words():
    layer = legacy_layer(lambda self, x: x, lambda weight: 0)
    with pytest.raises(ValueError, match="`kernel:0`.*Assign what.*skip"):
        wrap(layer)


@pytest.mark.parametrize(
    "read",
    [
        lambda w: w.read_value(),
        lambda w: w.value(),
        lambda w: w[:],
        lambda w: w * 1.0,
        lambda w: tf.convert_to_tensor(w),
        lambda w: tf.gather(w, tf.range(4)),
        lambda w: w.sparse_read(tf.range(4)),
        lambda w: tf.gather_nd(w, [[0], [1], [2], [3]]),
        lambda w: tf.reshape(w, w.shape),
    ],
)
@pytest.mark.parametrize("how", HOW)
def test_a_weight_is_masked_however_it_is_read(read, how):
    layer = legacy_layer(lambda self, x: x @ read(self.held))
    masked, kept = masked_and_spoilt(layer)
    found = run(lambda v: masked(v), how)(tf.ones((2, 4))).numpy()
    np.testing.assert_allclose(found, np.ones((2, 4)) @ kept, rtol=1e-6)


@pytest.mark.parametrize("how", HOW)
def test_a_layer_may_branch_and_loop_on_tensors(how):
    def call(self, x):
        total = x @ self.held
        if tf.reduce_sum(x) > 100.0:
            total = total * 0.0 + tf.reduce_sum(self.held)
        for _ in tf.range(3):
            total = total + x @ self.held
        return total

    layer = legacy_layer(call)
    masked, kept = masked_and_spoilt(layer)
    small, large = tf.ones((2, 4)), tf.ones((2, 4)) * 100.0
    function = run(lambda v: masked(v), how)
    np.testing.assert_allclose(
        function(small), 4 * (np.ones((2, 4)) @ kept), rtol=1e-5
    )
    np.testing.assert_allclose(
        function(large),
        3 * (100 * np.ones((2, 4)) @ kept) + kept.sum(),
        rtol=1e-5,
    )


@pytest.mark.parametrize("how", ["eager", "graph"])
def test_a_call_that_is_traced_once_reads_the_weight_of_the_day(how):
    layer = legacy_layer(tf.function(lambda self, x: x @ self.held))
    masked, kept = masked_and_spoilt(layer)
    function = run(lambda v: masked(v), how)
    for factor in (1.0, 2.0):
        layer.weights[0].assign(kept * factor)
        found = function(tf.ones((2, 4))).numpy()
        np.testing.assert_allclose(
            found, factor * np.ones((2, 4)) @ kept, rtol=1e-6
        )


@pytest.mark.parametrize("how", HOW)
def test_what_a_layer_assigns_to_its_own_weight_is_read_masked(how):
    def call(self, x):
        self.held.assign(tf.ones_like(self.held))
        return x @ self.held

    masked, kept = masked_and_spoilt(legacy_layer(call))
    found = run(lambda v: masked(v), how)(tf.ones((2, 4))).numpy()
    np.testing.assert_array_equal(found[0], half_mask((4, 3)).sum(0))
    assert np.all(masked.layer.weights[0].numpy() == 1)


def test_an_error_in_the_layer_leaves_the_weight_in_its_place():
    def call(self, x):
        raise RuntimeError("of the user")

    layer = legacy_layer(call)
    variable = layer.held
    masked = wrap(layer)
    with pytest.raises(RuntimeError, match="of the user"):
        masked(tf.ones((2, 4)))
    assert layer.held is variable


def test_replicas_that_wait_for_each_other_read_their_own_weights(two_replicas):
    import tf_keras

    class Block(tf_keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.first = tf_keras.layers.Dense(4)
            self.norm = tf_keras.layers.BatchNormalization(synchronized=True)
            self.last = tf_keras.layers.Dense(2)

        def build(self, shape):
            self.first.build(shape)
            self.norm.build((None, 4))
            self.last.build((None, 4))
            super().build(shape)

        def call(self, x, training=None):
            return self.last(self.norm(self.first(x), training=training))

    def train(wrapping):
        tf_keras.utils.set_random_seed(0)
        with two_replicas.scope():
            block = Block()
            block.build((None, 5))
            model = tf_keras.Sequential(
                [
                    tf_keras.layers.InputLayer((5,)),
                    wrap(block) if wrapping else block,
                ]
            )
            model.compile("sgd", "mse")
        x = np.random.default_rng(0).normal(size=(16, 5)).astype("float32")
        model.fit(x, x[:, :2], batch_size=8, shuffle=False, verbose=0)
        return [variable.numpy() for variable in model.trainable_variables]

    ours, theirs = train(True), train(False)
    assert len(ours) == 6
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
