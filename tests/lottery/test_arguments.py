"""What `find_ticket` refuses, and what it says."""

import functools

import keras
import numpy as np
import pytest

import tflottery
from tflottery.lottery import network
from tflottery.lottery.config import SearchConfig

CONFIG = SearchConfig(
    dataset="digits", batch_size=50, steps=20, validate_every=20, rounds=1
)
X, Y = np.zeros((50, 8, 8, 1), "float32"), np.zeros(50, "int32")


def dense(k, shape=(8, 8, 1), units=10):
    return k.Sequential(
        [k.Input(shape), k.layers.Flatten(), k.layers.Dense(units)]
    )


def needs_width(width):
    return dense(keras, units=width)


WRONG = {
    "a config in the place of build": (
        lambda: {"build": CONFIG},
        "as `build`. Pass it by its name: config=...",
    ),
    "a config in the place of data": (
        lambda: {"data": CONFIG},
        "as `data`. Pass it by its name: config=...",
    ),
    "a dict as config": (
        lambda: {"config": {"steps": 10}},
        "Received: config={'steps': 10} of type dict. Use "
        "`tflottery.SearchConfig(",
    ),
    "a model as build": (
        lambda: {"build": dense(keras)},
        "must be a function that returns a new model each time it is called",
    ),
    "a number as build": (lambda: {"build": 3}, "Received: a int."),
    "a build that needs an argument": (
        lambda: {"build": needs_width},
        "Received: needs_width, which needs width. Use `lambda: build(width=",
    ),
    "arrays as data": (
        lambda: {"data": (X, Y)},
        "data=(ndarray of shape (50, 8, 8, 1) and type float32, ndarray of "
        "shape (50,) and type int32) of type tuple. Of arrays make one with "
        "`tflottery.data.InMemoryDataset`",
    ),
    "True as progress": (lambda: {"progress": True}, "must be of type Progr"),
    "seconds in words": (
        lambda: {"checkpoint_seconds": "30"},
        "`checkpoint_seconds` must be a number. Received: checkpoint_seconds"
        "='30'. Use 30.0.",
    ),
    "seconds below zero": (
        lambda: {"checkpoint_seconds": -1},
        "`checkpoint_seconds` must be at least 0. Received: checkpoint_",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_meant_is_refused_before_anything_is_made(
    tmp_path, case
):
    arguments, message = WRONG[case]
    arguments = {"config": CONFIG, "run_dir": tmp_path / "run", **arguments()}
    with pytest.raises((TypeError, ValueError)) as refusal:
        tflottery.find_ticket(**arguments)
    assert message in str(refusal.value)
    assert len(str(refusal.value)) < 400  # and no array is printed
    assert not (tmp_path / "run").exists()


class Made(keras.Sequential):
    def __init__(self):
        super().__init__(dense(keras).layers)
        self.build((None, 8, 8, 1))


@pytest.mark.parametrize(
    "build",
    [
        functools.partial(needs_width, width=10),
        functools.partial(needs_width, 10),
        lambda *arguments, width=3, **more: dense(keras),
        lambda seed: dense(keras),
        lambda seed=None: dense(keras),
        Made,
    ],
)
def test_whatever_can_be_called_without_arguments_builds(tmp_path, build):
    result = tflottery.find_ticket(
        build, config=CONFIG, run_dir=tmp_path, summaries=False
    )
    assert [row["round"] for row in result.rows] == [0, 1]


def prepared(build, data):
    return network.prepare(network.seeded(build), 0, CONFIG, data)


@pytest.fixture(scope="module")
def digits():
    return tflottery.data.load("digits")


@pytest.mark.parametrize(
    "shape", [(7, 7, 1), (64,), (8, 8, 3), (8, 8, 1, 1, 2)]
)
def test_a_model_of_other_inputs_than_the_data_is_refused(
    any_keras, digits, shape
):
    with pytest.raises(ValueError) as refusal:
        prepared(lambda: dense(any_keras, shape), digits)
    assert "a model of inputs (8, 8, 1), as the data are." in str(refusal.value)
    assert f"of inputs {shape}." in str(refusal.value)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (None, 8, 1)])
def test_a_model_that_keras_fits_to_the_data_is_taken(any_keras, digits, shape):
    def build():
        pool = any_keras.layers.GlobalMaxPooling1D
        if len(shape) == 2:
            pooled = pool()
        else:
            pooled = any_keras.layers.GlobalMaxPooling2D()
        return any_keras.Sequential(
            [any_keras.Input(shape), pooled, any_keras.layers.Dense(10)]
        )

    model = prepared(build, digits)
    batch = next(iter(digits.test_batches(5)))
    assert np.isfinite(model.evaluate(*batch, verbose=0)[0])


def test_too_few_outputs_are_refused_and_more_are_not(any_keras, digits):
    with pytest.raises(ValueError) as refusal:
        prepared(lambda: dense(any_keras, units=9), digits)
    assert "10 outputs, one for each class of the data." in str(refusal.value)
    assert "(None, 9). Give its last layer 10 units." in str(refusal.value)
    assert prepared(lambda: dense(any_keras, units=11), digits)


@pytest.mark.parametrize("made", [None, 3, keras.layers.Dense])
def test_a_build_that_returns_no_model_is_told_so(made):
    with pytest.raises(ValueError, match="`build` must return a Keras model"):
        network.seeded(lambda: made)(0)


def test_a_round_that_is_not_there_is_named_with_those_that_are(tmp_path):
    config = CONFIG.replace(model_options={"hidden": [4]})
    result = tflottery.find_ticket(
        config=config, run_dir=tmp_path, summaries=False
    )
    with pytest.raises(ValueError, match="round=7; finished: 0, 1"):
        result.ticket_of_round(7)
    with pytest.raises(ValueError, match="replicate=3, of 1"):
        result.ticket_of_round(0, 3)


@pytest.mark.parametrize("rate", ["0.1", None, float("nan"), True])
def test_a_learning_rate_must_be_a_number(rate):
    with pytest.raises((TypeError, ValueError), match="`learning_rate` must b"):
        SearchConfig(learning_rate=rate)


def test_a_misspelt_option_of_the_data_is_guessed():
    with pytest.raises(ValueError, match="'image_sise'.*mean 'image_size'"):
        tflottery.data.load("tfds:mnist", image_sise=(8, 8))
