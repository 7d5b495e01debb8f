"""Templates: a program of one network runs on another that is built alike."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tflottery
from tflottery.layers import state
from tflottery.lottery.engines import programs
from tflottery.lottery.engines.template import Template
from tflottery.lottery.network import call_build

FAMILIES = {"keras": keras, "tf_keras": tf_keras}
STEPS, BATCH = 3, 20


@pytest.fixture(scope="module")
def part():
    return tflottery.data.load("digits").resident("train").on_device()


def network(library, seed, units=6, optimizer="adam"):
    """Random layers, statistics and masks: all kinds of variables."""

    def build():
        layers = library.layers
        return library.Sequential(
            [
                layers.Input((8, 8, 1)),
                layers.Flatten(),
                layers.Dense(units),
                layers.BatchNormalization(),
                layers.Dropout(0.4),
                layers.Dense(10),
            ]
        )

    library.utils.set_random_seed(seed)
    model = tflottery.prune_once(call_build(build, seed), 0.5)
    loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=True)
    model.optimizer.build(model.trainable_variables)
    return model


def traced(model, part):
    programs.make_metrics(model, part)
    return programs.training(model, part, BATCH).get_concrete_function(
        tf.TensorSpec([STEPS, BATCH], tf.int32), tf.TensorSpec([], tf.int32)
    )


def template_of(model, part):
    return Template(traced(model, part), model, [part.inputs, part.labels])


@pytest.mark.parametrize("family", FAMILIES)
def test_it_trains_the_other_network_as_its_own_program_does(family, part):
    rows = np.random.default_rng(0).integers(0, 1000, (STEPS, BATCH))
    rows = tf.constant(rows, tf.int32)
    first, second, alike = (network(FAMILIES[family], s) for s in (0, 1, 1))
    before = state.read(first)
    programs.make_metrics(second, part)
    filled_in = template_of(first, part).filled_in(second)
    own = traced(alike, part)
    for steps in (STEPS, 2):
        found = programs.numbers(filled_in(rows, tf.constant(steps)))
        expected = programs.numbers(own(rows, tf.constant(steps)))
        assert found == expected and set(found) == {"loss", "accuracy"}
    assert int(second.optimizer.iterations) == STEPS + 2
    for ours, theirs in (
        (state.read(second), state.read(alike)),
        (state.read(first), before),
    ):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            np.testing.assert_array_equal(value, theirs[name], name)


@pytest.mark.parametrize(
    "changed", [{"units": 7}, {"optimizer": "sgd"}], ids=["shape", "optimizer"]
)
def test_a_network_that_is_built_otherwise_is_not_filled_in(changed, part):
    template = template_of(network(keras, 0), part)
    other = network(keras, 1, **changed)
    programs.make_metrics(other, part)
    assert template.filled_in(other) is None


def test_what_may_belong_to_the_first_network_alone_is_not_passed_on(part):
    """Of what the program holds, only the data are known to be shared."""
    first, second = (network(keras, seed) for seed in (0, 1))
    program = traced(first, part)
    programs.make_metrics(second, part)
    assert Template(program, first, [part.inputs]).filled_in(second) is None
    assert Template(program, first, []).filled_in(second) is None


@pytest.mark.parametrize(
    ("name", "is_shared"),
    [
        ("nothing", True),
        ("stateless", True),
        ("py_function", False),
        ("numpy_function", False),
        ("normal", False),
        ("truncated_normal", False),
        ("shuffle", False),
        ("inside another", False),
    ],
)
def test_a_state_that_is_no_variable_stays_with_its_network(name, is_shared):
    """Python that is called, and generators inside of operations."""
    random = tf.random
    changed = {
        "nothing": tf.identity,
        "stateless": lambda x: x + random.stateless_normal(x.shape, [1, 2]),
        "py_function": lambda x: tf.py_function(abs, [x], tf.float32),
        "numpy_function": lambda x: tf.numpy_function(np.abs, [x], tf.float32),
        "normal": lambda x: x + random.normal(x.shape),
        "truncated_normal": lambda x: x + random.truncated_normal(x.shape),
        "shuffle": random.shuffle,
        "inside another": tf.function(lambda x: random.uniform([1]) + x),
    }[name]
    first, second = (
        keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        for _ in range(2)
    )
    for model in (first, second):
        model.compile("sgd", "mse")

    @tf.function(autograph=False)
    def program(x):
        return {"y": first(tf.ensure_shape(changed(x), x.shape))}

    x = tf.constant([[1.0], [2.0]])
    template = Template(program.get_concrete_function(x), first, [])
    assert (template.filled_in(second) is not None) is is_shared
