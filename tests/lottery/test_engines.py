"""Engines: whatever runs the steps, the results are the same bits."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from run_contents import contents

import tflottery
from tflottery.lottery import search
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.engines import programs
from tflottery.lottery.engines.evaluations import Evaluations
from tflottery.lottery.engines.pipeline import PipelineEngine
from tflottery.lottery.progress import Progress
from tflottery.lottery.training import TrainingDivergedError

# A stop at 25, between validations. The 300 and 397 examples to evaluate are
# one short batch; the tests of evaluation have others.
CONFIG = SearchConfig(
    dataset="digits",
    model_options={"hidden": [12, 8]},
    batch_size=50,
    steps=80,
    validate_every=20,
    rounds=1,
    replicates=2,
    rewind_to="25it",
    rewind_optimizer="restore",
    prune_fraction=0.4,
)
FIND = functools.partial(tflottery.find_ticket, summaries=False)


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def one_after_the_other(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    config = CONFIG.replace(keras=request.param)
    FIND(config=config, run_dir=folder, **CONTROLS)
    return config, contents(folder)


CONTROLS = {
    "branches": ["ticket", "random_reinit", "random_ticket"],
    "draws": 1,
    "control_rounds": [1],
}


def test_networks_trained_together_end_with_the_bits_of_each_alone(
    one_after_the_other, tmp_path
):
    """Two replicates, then four controls in the same two lanes."""
    config, expected = one_after_the_other
    FIND(config=config, run_dir=tmp_path, vectorize=2, **CONTROLS)
    assert contents(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [10, 30])
def test_lanes_that_were_stopped_go_on_out_of_step_and_end_the_same(
    one_after_the_other, tmp_path, stop_at
):
    """Replicate 0 is a round ahead of the other, in the midst of it."""
    config, expected = one_after_the_other

    class Stop(tflottery.lottery.progress.Progress):
        def step(self, replicate, round, step, metrics):
            if round == 1 and step >= 25 + stop_at:
                raise KeyboardInterrupt

    run = functools.partial(
        FIND, config=config, run_dir=tmp_path, checkpoint_seconds=0.0
    )
    with pytest.raises(KeyboardInterrupt):
        run(replicates=[0], progress=Stop())
    with pytest.raises(KeyboardInterrupt):
        run(vectorize=2, progress=Stop())
    run(vectorize=2, **CONTROLS)
    assert contents(tmp_path) == expected


def test_keras_own_loop_gives_the_same_bits(
    one_after_the_other, tmp_path, monkeypatch
):
    config, expected = one_after_the_other
    made = []

    class Counted(PipelineEngine):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords)
            made.append(self)

    monkeypatch.setattr(programs, "obstacle", lambda *unused: "a test")
    monkeypatch.setattr("tflottery.lottery.training.PipelineEngine", Counted)
    FIND(config=config, run_dir=tmp_path, **CONTROLS)
    assert made and contents(tmp_path) == expected


def test_random_layers_and_normalisation_are_the_same_together(tmp_path):
    """Convolutions too; generators and statistics are state as well."""

    def build():
        return keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Conv2D(4, 3, use_bias=False),
                keras.layers.Flatten(),
                keras.layers.BatchNormalization(),
                keras.layers.ReLU(),
                keras.layers.Dropout(0.3),
                keras.layers.Dense(10),
            ]
        )

    config = CONFIG.replace(replicates=2)
    for count in (1, 2):
        run_dir = tmp_path / str(count)
        FIND(build, config=config, run_dir=run_dir, vectorize=count)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_one_loss_that_is_not_a_number_stops_all_and_finished_rounds_stay(
    tmp_path,
):
    config = CONFIG.replace(learning_rate=1e30, optimizer="sgd")
    with pytest.raises(TrainingDivergedError, match="the loss is"):
        FIND(config=config, run_dir=tmp_path, vectorize=2)
    # Nobody holds the replicates any more: the next call fails alike.
    with pytest.raises(TrainingDivergedError, match="the loss is"):
        FIND(config=config, run_dir=tmp_path)


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


class OwnMetrics(keras.Model):
    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        found = super().compute_metrics(x, y, y_pred, sample_weight)
        return {**found, "one_more": 1.0}


def network(cls=keras.Model, **compiled):
    inputs = keras.Input((8, 8, 1))
    hidden = keras.layers.Flatten()(inputs)
    model = cls(inputs, keras.layers.Dense(10)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], **compiled)
    return model


@pytest.mark.parametrize(
    ("arguments", "augmented", "text"),
    [
        (
            {"cls": OwnStep, "jit_compile": True},
            False,
            "a `train_step` of its own",
        ),
        ({"cls": OwnMetrics}, False, "a `compute_metrics` of its own"),
        ({"run_eagerly": True}, False, "is run eagerly"),
        ({"jit_compile": True}, True, "is not held in memory"),
    ],
)
def test_what_no_program_can_hold_is_named(arguments, augmented, text):
    data = tflottery.data.load("digits")
    if augmented:
        data = tflottery.data.augment(data, "crop_flip")
    found = programs.obstacle(network(**arguments), data)
    assert found is not None and text in found
    plain = tflottery.data.load("digits")
    assert programs.obstacle(network(jit_compile=True), plain) is None


def test_asking_for_the_impossible_is_refused_before_any_training(tmp_path):
    config = CONFIG.replace(augmentation="flip")
    with pytest.raises(ValueError, match="`vectorize` above 1.*in memory"):
        FIND(config=config, run_dir=tmp_path, vectorize=2)
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_trained_so_is_refused_when_it_is_built(
    tmp_path,
):
    model = functools.partial(network, OwnStep, jit_compile=True)
    with pytest.raises(ValueError, match="`vectorize` above 1.*`train_step`"):
        FIND(model, config=CONFIG, run_dir=tmp_path, vectorize=2)
    assert not list(tmp_path.glob("**/history.csv"))


@pytest.mark.parametrize("value", [0, -1, 1.5, "2"])
def test_bad_numbers_of_networks_are_refused(tmp_path, value):
    with pytest.raises((TypeError, ValueError), match="`vectorize`"):
        FIND(config=CONFIG, run_dir=tmp_path, vectorize=value)


def test_a_step_of_the_users_own_is_run_as_ever(tmp_path):
    steps = []

    class Counting(keras.Model):
        def train_step(self, data):
            steps.append(1)  # while it is traced
            return super().train_step(data)

    config = CONFIG.replace(replicates=1)
    result = FIND(lambda: network(Counting), config=config, run_dir=tmp_path)
    assert steps and len(result.rows) == 2


@pytest.mark.parametrize(
    ("size", "validation"),
    [
        (797, 0),
        (400, 0),
        (1600, 0),
        (1600, 400),
        (1600, 800),
        (1600, 300),  # no whole batches
        (2500, 400),  # no multiple
        (400, 800),
    ],
)
def test_evaluation_counts_every_example_once(size, validation):
    """Whole batches in a loop and what is left: against plain NumPy.

    Test data may be measured in pieces as large as the validation data.
    """
    rng = np.random.default_rng(size)
    x = rng.random((size, 8, 8, 1), dtype=np.float32)
    y = rng.integers(0, 10, size)
    held_out = (x[:validation], y[:validation]) if validation else 0
    data = tflottery.data.InMemoryDataset(
        "noise",
        train=(x, y),
        test=(x, y),
        num_classes=10,
        validation=held_out,
    )
    model = network(jit_compile=True)
    programs.make_metrics(model, data.resident("train"))
    measure, _ = Evaluations(model, data, 400).trace("test")
    for _ in range(2):  # from new metrics on, each time
        found = programs.numbers(measure())
    kernel, bias = model.get_weights()
    logits = x.reshape(size, -1).astype(np.float64) @ kernel + bias
    rates = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    assert found["accuracy"] == pytest.approx((logits.argmax(1) == y).mean())
    loss = -rates[np.arange(size), y].mean()
    assert found["loss"] == pytest.approx(loss, rel=1e-5)


def test_one_program_measures_on_twice_as_many_examples_as_well():
    """Which takes its steps over 800 of them at a time."""
    x = np.zeros((1600, 8, 8, 1), np.float32)
    y = np.zeros(1600, np.int32)
    data = tflottery.data.InMemoryDataset(
        "zeros",
        train=(x, y),
        test=(x, y),
        num_classes=10,
        validation=(x[:800], y[:800]),
    )
    model = network(jit_compile=True)
    programs.make_metrics(model, data.resident("train"))
    evaluations = Evaluations(model, data, 400)
    found = [evaluations.trace(name)[0]() for name in ("validation", "test")]
    assert evaluations._steps.experimental_get_tracing_count() == 1
    assert programs.numbers(found[0]) == programs.numbers(found[1])


def test_pieces_that_would_make_other_batches_are_not_used():
    """Four times 300 examples are measured as three batches of 400."""
    x = np.zeros((1200, 8, 8, 1), np.float32)
    y = np.zeros(1200, np.int32)
    data = tflottery.data.InMemoryDataset(
        "zeros",
        train=(x, y),
        test=(x, y),
        num_classes=10,
        validation=(x[:300], y[:300]),
    )
    model = network(jit_compile=True)
    programs.make_metrics(model, data.resident("train"))
    step, sizes = model.test_step, []
    model.test_step = lambda data: (sizes.append(data[1].shape[0]), step(data))[
        1
    ]
    Evaluations(model, data, 400).trace("test")
    assert sizes == [400]


@pytest.mark.parametrize("count", [1, 2])
def test_nothing_is_traced_anew_between_rounds_and_replicates(
    tmp_path, monkeypatch, count
):
    """Stretches of 20, 5 and 15 steps; one program for all of them."""
    traced = []
    whole = programs.training

    def counted(model, *arguments):
        step = model.train_step
        model.train_step = lambda data: (traced.append(1), step(data))[1]
        return whole(model, *arguments)

    monkeypatch.setattr(programs, "training", counted)
    FIND(config=CONFIG, run_dir=tmp_path, vectorize=count)
    assert len(traced) == 1


def test_together_the_rows_are_those_of_the_contract(tmp_path):
    result = FIND(
        config=CONFIG,
        run_dir=tmp_path,
        vectorize=4,
    )
    assert isinstance(result, search.SearchResult)
    assert [(r["replicate"], r["round"]) for r in result.rows] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    assert all(row["seconds"] > 0 for row in result.rows)


def test_a_model_that_is_run_eagerly_is_left_to_keras(any_keras, tmp_path):
    """Its layers may ask for numbers; no program could give them."""
    k = any_keras
    asked = []

    @k.saving.register_keras_serializable("tests")
    class Asks(k.layers.Layer):
        def call(self, inputs):
            if tf.executing_eagerly() and not hasattr(inputs, "_keras_history"):
                asked.append(float(tf.reduce_mean(inputs)))
            return inputs

    def build():
        model = k.Sequential(
            [
                k.Input((8, 8, 1)),
                k.layers.Flatten(),
                Asks(),
                k.layers.Dense(10),
            ]
        )
        loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, run_eagerly=True)
        return model

    config = CONFIG.replace(replicates=1, steps=40)
    rows = FIND(build, config=config, run_dir=tmp_path / "1").rows
    assert len(asked) >= 40 + (40 - 25) and len(rows) == 2
    with pytest.raises(ValueError, match="`vectorize` above 1.*run eagerly"):
        FIND(build, config=config, run_dir=tmp_path / "2", vectorize=2)


def test_old_optimizers_of_tf_keras_train_together_as_alone(tmp_path):
    def build():
        layers = tf_keras.layers
        model = tf_keras.Sequential(
            [layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10)]
        )
        loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = tf_keras.optimizers.legacy.SGD(0.1, momentum=0.9)
        model.compile(optimizer, loss, metrics=["accuracy"])
        return model

    for count in (1, 2):
        FIND(
            build,
            config=CONFIG,
            run_dir=tmp_path / str(count),
            vectorize=count,
        )
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
@pytest.mark.parametrize("name", ["StopIteration", "OutOfRangeError"])
def test_what_fit_takes_for_the_end_of_the_data_is_raised(
    tmp_path, family, name
):
    """An error of who listens, or of a file; training ends with it."""
    told = []
    if name == "StopIteration":
        error = StopIteration("told")
    else:
        error = tf.errors.OutOfRangeError(None, None, "told")

    class Listening(Progress):
        def step(self, replicate, round, step, metrics):
            told.append(step)
            raise error

    # All stretches are one `fit`; the first is told of in the second.
    config = CONFIG.replace(keras=family, replicates=1, rewind_to="0it")
    with pytest.raises(type(error), match="told"):
        FIND(config=config, run_dir=tmp_path, progress=Listening())
    assert len(told) == 1
