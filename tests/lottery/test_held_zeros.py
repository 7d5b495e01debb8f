"""Programs mask gradients and updates only: what is pruned stays at zero."""

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


def compiled(k, layers, optimizer, jit_compile=True):
    k.utils.set_random_seed(1)
    model = tflottery.prune_once(k.Sequential(layers(k)), 0.5)
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        getattr(k.optimizers, optimizer)(0.05),
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
    [("Adam", True), ("Adam", False), ("AdamW", True), ("SGD", True)],
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


def test_weights_that_came_back_behind_the_mask_do_not_act(any_keras):
    """As after `set_weights`: the program begins by zeroing them."""
    data = images()
    clean, stale = (compiled(any_keras, dense, "SGD") for _ in range(2))
    wrapper = evidence.wrappers(stale)[0]
    variable, mask = wrapper.masked_weights["kernel"]
    variable.assign(np.where(mask.numpy(), variable.numpy(), 7.0))
    assert run_program(clean, data) == run_program(stale, data)
    assert off_mask(stale) == 0


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


def test_outside_its_scope_nothing_is_known_to_be_zero():
    def keep(weight, mask):
        return "masked"

    assert held_zeros.in_use(None, None, keep) == "masked"
    with held_zeros.held():
        with held_zeros.held():
            assert held_zeros.is_held()
        assert held_zeros.is_held()
        weight = tf.constant([1.0, 0.0])
        used = held_zeros.in_use(weight, tf.constant([True, False]), keep)
        np.testing.assert_array_equal(used, weight)
    assert not held_zeros.is_held()
