"""Programs mask gradients, and few optimizers' updates: zeros stay zeros."""

import numpy as np
import pytest
import tensorflow as tf

import tflottery
from tflottery import supermasks
from tflottery.layers import evidence, held_zeros
from tflottery.lottery.engines import programs

STEPS, BATCH = 6, 20
RNG = np.random.default_rng(0)
ROWS = RNG.integers(0, 200, (STEPS, BATCH)).astype(np.int32)


def images():
    x = RNG.random((200, 6, 6, 2), dtype=np.float32)
    return tflottery.data.InMemoryDataset(
        "noise",
        train=(x, RNG.integers(0, 3, 200)),
        test=None,
        num_classes=3,
    )


def photographs():
    """Their scale, 1 / 255, is not exact, so each product with it rounds."""
    x = RNG.integers(0, 256, (200, 6, 6, 2)).astype(np.uint8)
    return tflottery.data.InMemoryDataset(
        "photographs",
        train=(x, RNG.integers(0, 3, 200)),
        test=None,
        num_classes=3,
    )


def words():
    x = RNG.integers(0, 30, (200, 5)).astype(np.uint8)
    return tflottery.data.InMemoryDataset(
        "words",
        train=(x, RNG.integers(0, 3, 200)),
        test=None,
        num_classes=3,
        scale=1.0,
    )


def dense(k):
    """With a penalty and a constraint, which have the last word on weights."""
    return [
        k.Input((6, 6, 2)),
        k.layers.Flatten(),
        k.layers.Dense(
            8,
            "relu",
            kernel_regularizer=k.regularizers.L2(0.1),
            kernel_constraint=k.constraints.MaxNorm(0.5),
        ),
        k.layers.Dense(3),
    ]


def normalised(k):
    """The first layer computes with the scaled inputs one by one."""
    return [
        k.Input((6, 6, 2)),
        k.layers.BatchNormalization(),
        k.layers.Flatten(),
        k.layers.Dense(3),
    ]


def rescaled(k):
    """Two products with constants, which could be taken for one."""
    return [
        k.Input((6, 6, 2)),
        k.layers.Rescaling(3.3, offset=-0.7),
        k.layers.Flatten(),
        k.layers.Dense(3),
    ]


def convolutional(k):
    return [
        k.Input((6, 6, 2)),
        k.layers.Conv2D(4, 3, use_bias=False),
        k.layers.BatchNormalization(),
        k.layers.ReLU(),
        k.layers.Flatten(),
        k.layers.Dense(3),
    ]


def embedded(k):
    """The gradient of the table is sparse before it is masked."""
    return [
        k.Input((5,)),
        k.layers.Embedding(30, 4),
        k.layers.Flatten(),
        k.layers.Dense(3),
    ]


def tied(k):
    """The second layer reads the kernel of the first past its mask."""

    first = k.layers.Dense(8, "relu")

    class Mirror(k.layers.Layer):
        def call(self, x):
            # By a closure: Keras does not know that it has the kernel.
            kernel = tf.convert_to_tensor(first.kernel)
            return tf.matmul(x, tf.transpose(kernel))

    return [
        k.Input((6, 6, 2)),
        k.layers.Flatten(),
        first,
        Mirror(),
        k.layers.Dense(3),
    ]


def restless(k):
    """An optimizer of one's own, which moves weights without a gradient."""

    class Restless(k.optimizers.SGD):
        def update_step(self, gradient, variable, *learning_rate):
            super().update_step(gradient, variable, *learning_rate)
            variable.assign_add(0.01 * tf.ones(variable.shape))

    return Restless(0.05)


def compiled(k, layers, optimizer, jit_compile=True):
    k.utils.set_random_seed(1)
    model = tflottery.prune_once(k.Sequential(layers(k)), 0.5)
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    if isinstance(optimizer, str):
        optimizer = getattr(k.optimizers, optimizer)(0.05)
    model.compile(
        optimizer,
        loss,
        metrics=["accuracy"],
        jit_compile=jit_compile,
    )
    return model


def run_program(model, data):
    part = data.resident("train")
    programs.make_metrics(model, part)
    program = programs.training(model, part, BATCH)
    return programs.numbers(program(ROWS, tf.constant(STEPS)))


def off_mask(model):
    return sum(
        np.abs(variable.numpy()[~mask.numpy()]).sum()
        for wrapper in evidence.wrappers(model)
        for variable, mask in wrapper.masked_weights.values()
    )


@pytest.mark.parametrize(
    ("optimizer", "jit_compile"),
    [
        ("Adam", True),
        *(
            pytest.param(*arguments, marks=pytest.mark.slow)
            for arguments in [("Adam", False), ("AdamW", True), ("SGD", True)]
        ),
    ],
)
@pytest.mark.parametrize(
    ("layers", "make"),
    [
        (dense, images),
        (convolutional, images),
        (embedded, words),
        (normalised, photographs),
        (rescaled, photographs),
    ],
)
def test_a_program_takes_the_steps_of_fit(
    any_keras, layers, make, optimizer, jit_compile
):
    data = make()
    ours, theirs = (
        compiled(any_keras, layers, optimizer, jit_compile) for _ in range(2)
    )
    run_program(ours, data)
    part = data.resident("train")
    stream = tf.data.Dataset.from_tensor_slices(ROWS).map(part.batch)
    theirs.fit(stream, verbose=0, shuffle=False)
    assert off_mask(ours) == off_mask(theirs) == 0
    # Where a layer sums up the inputs themselves, XLA adds them up in another
    # order if it scales them on the way.
    tolerance = 1e-4 if jit_compile and layers is normalised else 0.0
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance / 100)


def after_both(k, layers, optimizer, jit_compile=True):
    """Weights after a program, and after `fit`."""
    data = images()
    part = data.resident("train")
    ours, theirs = (
        compiled(k, layers, optimizer(), jit_compile) for _ in range(2)
    )
    run_program(ours, data)
    stream = tf.data.Dataset.from_tensor_slices(ROWS).map(part.batch)
    theirs.fit(stream, verbose=0, shuffle=False)
    return ours, theirs


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("SGD", {"global_clipnorm": 0.5}),
        ("RMSprop", {"centered": True, "momentum": 0.5}),
        ("Adam", {"amsgrad": True}),
        ("Adam", {"epsilon": 0.0}),  # divides zero by zero
        ("Adagrad", {}),
        ("Adadelta", {}),
        ("Adamax", {}),
        ("Nadam", {}),
        ("Lion", {}),
        ("Ftrl", {"l1_regularization_strength": 0.1}),
        ("Adafactor", {}),
        ("Lamb", {}),
        ("Muon", {}),  # mixes the entries of a matrix
    ],
)
def test_no_optimizer_moves_what_is_pruned(any_keras, name, options):
    if not hasattr(any_keras.optimizers, name):
        pytest.skip(f"{any_keras.__name__} has no {name}")
    make = getattr(any_keras.optimizers, name)
    ours, theirs = after_both(
        any_keras, dense, lambda: make(learning_rate=0.01, **options), False
    )
    assert off_mask(ours) == off_mask(theirs) == 0
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    # The scope of the program has left nothing behind.
    assert "apply_gradients" not in vars(ours.optimizer)


@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize(
    ("layers", "optimizer"),
    [
        (dense, restless),
        (tied, lambda k: k.optimizers.Adam(0.05)),
        (tied, lambda k: k.optimizers.Adam(0.05, global_clipnorm=0.1)),
        (tied, lambda k: k.optimizers.SGD(0.05, clipnorm=0.1)),
    ],
    ids=["own optimizer", "tied", "tied, clipped together", "tied, clipped"],
)
def test_nothing_else_brings_pruned_weights_back(
    any_keras, layers, optimizer, jit_compile
):
    """An optimizer of one's own; gradients that arrive past the mask."""
    ours, theirs = after_both(
        any_keras, layers, lambda: optimizer(any_keras), jit_compile
    )
    assert off_mask(ours) == off_mask(theirs) == 0
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_that_came_back_behind_the_mask_do_not_act(any_keras):
    """As after `set_weights`: the program begins by zeroing them."""
    data = images()
    clean, stale = (compiled(any_keras, dense, "SGD") for _ in range(2))
    wrapper = evidence.wrappers(stale)[0]
    variable, mask = wrapper.masked_weights["kernel"]
    variable.assign(np.where(mask.numpy(), variable.numpy(), 7.0))
    assert run_program(clean, data) == run_program(stale, data)
    assert off_mask(stale) == 0


def test_penalties_see_the_masked_weights_of_a_supermask(any_keras):
    """Their stored weights are whole, so the penalty must be masked."""
    k = any_keras

    def make():
        k.utils.set_random_seed(1)
        model = supermasks.edge_popup(k.Sequential(dense(k)), 0.5)
        loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(k.optimizers.SGD(0.0), loss)
        return model

    data = images()
    part = data.resident("train")
    stream = tf.data.Dataset.from_tensor_slices(ROWS).map(part.batch)
    history = make().fit(stream, verbose=0, shuffle=False).history
    found = run_program(make(), data)
    assert found["loss"] == pytest.approx(history["loss"][0], rel=1e-6)


def test_weights_under_a_supermask_are_left_alone(any_keras):
    k = any_keras
    k.utils.set_random_seed(1)
    model = supermasks.edge_popup(k.Sequential(dense(k)), 0.5)
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(k.optimizers.SGD(0.1), loss, jit_compile=True)
    layers = [w.layer for w in evidence.wrappers(model)]
    before = [layer.kernel.numpy() for layer in layers]
    run_program(model, images())
    for layer, kernel in zip(layers, before, strict=True):
        np.testing.assert_array_equal(layer.kernel.numpy(), kernel)


@pytest.mark.parametrize("optimizer", ["Adam", "Ftrl"])
def test_outside_its_scope_nothing_is_known_to_be_zero(any_keras, optimizer):
    def keep(weight, mask):
        return "masked"

    def in_use():
        return held_zeros.in_use(tf.constant([1.0, 0.0]), [True, False], keep)

    model = compiled(any_keras, dense, optimizer)
    batch = images().resident("train").batch(tf.constant(ROWS[0]))
    assert in_use() == held_zeros.stored(1.0, True, keep) == "masked"
    with held_zeros.held(model):
        with held_zeros.held(model):
            model.train_step(batch)
        np.testing.assert_array_equal(in_use(), [1.0, 0.0])
        # Where an optimizer is known to leave zeros alone they are not masked.
        kept = held_zeros.stored(1.0, True, keep)
        assert kept == (1.0 if optimizer == "Adam" else "masked")
    assert in_use() == held_zeros.stored(1.0, True, keep) == "masked"


@pytest.mark.parametrize("how", ["eager", "graph", "xla"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(), (3, 5), (2**8, 2**8), (2**8, 2**8 + 1)])
def test_kernels_of_every_size_have_no_gradient_outside_the_mask(
    shape, dtype, how
):
    """Small and large ones are masked in different ways, with equal results.

    What is not finite outside must not come through, as it would in a product.
    """
    mask = np.asarray(RNG.random(shape) < 0.5)
    given = np.asarray(RNG.normal(size=shape), "float32")
    given[~mask] = RNG.choice([np.nan, np.inf, -1.0, -0.0], (~mask).sum())
    given = tf.cast(given, dtype)
    weight = tf.Variable(tf.zeros(shape, dtype))

    def gradient():
        with tf.GradientTape() as tape:
            value = held_zeros.use(weight, mask)
        return tape.gradient(value, weight, output_gradients=given)

    if how != "eager":
        gradient = tf.function(gradient, jit_compile=how == "xla")
    found = tf.cast(gradient(), "float32").numpy()
    expected = np.where(mask, tf.cast(given, "float32").numpy(), 0.0)
    np.testing.assert_array_equal(found, expected)
    assert not np.signbit(found[~mask]).any()


def test_a_step_that_applies_its_gradients_elsewhere_is_refused(any_keras):
    model = compiled(any_keras, dense, "SGD")
    with pytest.raises(RuntimeError, match="must hand its gradients to the"):
        with held_zeros.held(model):
            pass
    assert "apply_gradients" not in vars(model.optimizer)
