"""A network is measured while it is trained on, as it was at that step."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tflottery
from tflottery.core import cores
from tflottery.layers import state
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.engines import aside, programs
from tflottery.lottery.engines.compiled import CompiledEngine
from tflottery.lottery.engines.engine import Evaluation
from tflottery.lottery.progress import Progress
from tflottery.lottery.training import TrainingDivergedError

FAMILIES = {"keras": keras, "tf_keras": tf_keras}


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(cores, "count", lambda: 2)


@pytest.fixture(scope="module")
def digits():
    return tflottery.data.load("digits", validation=300)


def engine_of(k, digits, *more):
    """Random layers and statistics are state too; masks are."""
    k.utils.set_random_seed(1)
    layers = [
        k.Input((8, 8, 1)),
        k.layers.Flatten(),
        *more,
        k.layers.Dense(8),
        k.layers.BatchNormalization(),
        k.layers.Dense(10),
    ]
    model = tflottery.prune_once(k.Sequential(layers), 0.5)
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], jit_compile=True)
    model.optimizer.build(model.trainable_variables)
    return CompiledEngine(model, digits, batch_size=50, steps=20)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_happens_to_the_network_meanwhile_does_not_matter(family, digits):
    engine = engine_of(FAMILIES[family], digits)
    for _ in range(2):  # the second time on the same copies
        expected = engine.evaluate("validation")
        weights = state.read(engine.model, state.WEIGHTS)
        evaluation = engine.begin_evaluation("validation")
        for variable in engine.model.trainable_variables:
            variable.assign(variable * 1.5 + 1.0)
        assert evaluation.goes_on
        assert evaluation.metrics() == expected
        found = evaluation.weights()
        assert found.keys() == weights.keys()
        for name, value in weights.items():
            np.testing.assert_array_equal(found[name], value)
        # What has been read stays as it is when copies are made anew.
        engine.begin_evaluation("validation").metrics()
        for name, value in weights.items():
            np.testing.assert_array_equal(found[name], value)
        assert engine.evaluate("validation") != expected


def test_metrics_of_training_and_of_an_evaluation_beside_it_do_not_mix(digits):
    """Both are accumulated in the same metrics when they take turns."""
    ours, theirs = (engine_of(keras, digits) for _ in range(2))
    rows = digits.train_stretches(50, 0, 0, 20)
    rows = tf.constant(next(rows))
    part = digits.resident("train").on_device()
    program = programs.training(ours.model, part, 50)
    other = programs.training(theirs.model, part, 50)
    expected = [programs.numbers(other(rows, tf.constant(20))) for _ in "123"]
    for wanted in expected:
        evaluation = ours.begin_evaluation("validation")
        assert programs.numbers(program(rows, tf.constant(20))) == wanted
        evaluation.metrics()


class Counting(keras.layers.Layer):
    """Its state changes in evaluations too, as that of some layers does."""

    def build(self, shape):
        self.calls = self.add_weight(shape=(), dtype="int32", trainable=False)

    def call(self, x):
        self.calls.assign_add(1)
        return x


@pytest.mark.parametrize(
    "why", ["one core", "a large network", "Python", "a state that changes"]
)
def test_it_waits_where_nothing_is_gained_or_state_is_out_of_sight(
    why, digits, monkeypatch
):
    more = []
    if why == "one core":
        monkeypatch.setattr(cores, "count", lambda: 1)
    elif why == "a large network":
        monkeypatch.setattr(aside, "_LARGE", 1000)
    elif why == "a state that changes":
        more = [Counting()]
    else:
        more = [keras.layers.Lambda(python_inside, output_shape=(64,))]
    engine = engine_of(keras, digits, *more)
    if why == "Python":
        engine.model.jit_compile = False
    expected = engine.evaluate("validation")
    calls = [layer.calls for layer in more if isinstance(layer, Counting)]
    before = [int(count) for count in calls]
    evaluation = engine.begin_evaluation("validation")
    assert not evaluation.goes_on
    assert evaluation.metrics() == expected
    # One short batch is one call, and none was made on the quiet.
    assert [int(count) for count in calls] == [count + 1 for count in before]
    weights = state.read(engine.model, state.WEIGHTS)
    for name, value in evaluation.weights().items():
        np.testing.assert_array_equal(value, weights[name])


def python_inside(x):
    found = tf.numpy_function(np.abs, [x], tf.float32)
    return tf.ensure_shape(found, x.shape)


def test_a_validation_loss_that_is_no_number_is_told_of_its_own_step(
    tmp_path, monkeypatch
):
    """Training has gone on by then; the step and the curve must not have."""
    config = SearchConfig(
        dataset="digits",
        model_options={"hidden": [8]},
        batch_size=50,
        steps=80,
        validate_every=20,
        rounds=1,
        replicates=1,
    )
    begin, begun, told = CompiledEngine.begin_evaluation, [], []

    def third_is_none(self, part):
        found = begin(self, part)
        begun.append(part)
        if len(begun) != 3:
            return found
        metrics = {**found.metrics(), "loss": float("nan")}
        return Evaluation(lambda: metrics, found.weights, goes_on=True)

    class Told(Progress):
        def step(self, replicate, round, step, metrics):
            told.append(step)

    monkeypatch.setattr(CompiledEngine, "begin_evaluation", third_is_none)
    with pytest.raises(TrainingDivergedError, match="stopped by step 60: "):
        tflottery.find_ticket(
            config=config, run_dir=tmp_path, summaries=False, progress=Told()
        )
    assert told == [20, 40]
