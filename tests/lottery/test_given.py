"""What tells the `build` and `data` of a search from others."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import tflottery
from tflottery.core import documents
from tflottery.lottery import given, network
from tflottery.lottery.config import SearchConfig

CONFIG = SearchConfig(
    dataset="digits", batch_size=50, steps=20, validate_every=20, rounds=1
)

RNG_TABLE = np.random.default_rng(0).random((300, 200), dtype=np.float32)


@dataclasses.dataclass
class Made:
    """A network with one of everything, and what can be edited in it."""

    units: int = 3
    activation: str = "relu"
    penalty: float = 0.1
    rate: float = 0.25
    bias: float = 0.0
    second: str = "b"  # what the sum is taken of, beside `a`
    trainable: bool = True
    learning_rate: float = 0.1
    momentum: float = 0.0
    loss: str = "mse"
    loss_weights: tuple = (1.0,)
    scale: float = 2.0

    def of(self, k):
        layers = k.layers
        inputs = layers.Input((4,))
        a = layers.Dense(
            self.units,
            self.activation,
            kernel_regularizer=k.regularizers.L2(self.penalty),
        )(inputs)
        b = layers.Dense(
            self.units,
            k.activations.tanh,
            bias_initializer=k.initializers.Constant(self.bias),
        )(inputs)
        summed = layers.Dropout(self.rate)(a) + {"a": a, "b": b}[self.second]
        rows = layers.Reshape((1, self.units))(summed)
        read = layers.Bidirectional(layers.LSTM(2))(rows)
        inner = k.Sequential(
            [
                layers.Lambda(lambda value: value * 2),
                layers.Dense(2, lambda x: x, trainable=self.trainable),
                layers.Softmax(),
            ]
        )
        read = layers.Concatenate()([inner(read), b])
        model = k.Model(inputs, Scaled(k, self.scale)(read))
        schedule = k.optimizers.schedules.CosineDecay(self.learning_rate, 10)
        optimizer = k.optimizers.SGD(schedule, momentum=self.momentum)
        model.compile(optimizer, self.loss, loss_weights=[*self.loss_weights])
        return model


def Scaled(k, scale):  # noqa: N802
    """A layer of the user's own, with settings."""

    class Scaled(k.layers.Layer):
        def __init__(self, scale, **arguments):
            super().__init__(**arguments)
            self.scale = scale

        def call(self, inputs):
            return inputs * self.scale

        def get_config(self):
            return {**super().get_config(), "scale": self.scale}

    return Scaled(scale)


EDITS = {
    "units": 4,
    "activation": "elu",
    "penalty": 0.2,
    "rate": 0.5,
    "bias": 1.0,
    "second": "a",
    "trainable": False,
    "learning_rate": 0.2,
    "momentum": 0.9,
    "loss": "mae",
    "loss_weights": (0.5,),
    "scale": 3.0,
}


def test_every_edit_is_tried():
    assert EDITS.keys() == {field.name for field in dataclasses.fields(Made)}


@pytest.mark.parametrize("edited", EDITS)
def test_an_edited_network_is_told_from_the_one_before(any_keras, edited):
    before = given.of_network(Made().of(any_keras))
    after = given.of_network(Made(**{edited: EDITS[edited]}).of(any_keras))
    found = [*given.differences(before, after)]
    assert found
    if edited not in ("second", "loss_weights"):
        values = (getattr(Made(), edited), EDITS[edited])
        assert all(str(value) in found[0] for value in values), found


def test_a_network_that_is_built_again_is_the_same(any_keras):
    """Keras numbers layers, optimizers and inputs of a process."""
    before = given.of_network(Made().of(any_keras))
    for _ in range(3):
        any_keras.Sequential([any_keras.layers.Softmax()])
    after = given.of_network(Made().of(any_keras))
    assert before == after
    # As it is when it has been written down and read.
    assert json.loads(json.dumps(before)) == after
    assert not [*given.differences(before, after)]


@pytest.mark.parametrize("as_list", [True, False])
def test_a_table_of_numbers_is_kept_as_a_digest(any_keras, as_list):
    """Or the facts of a network with given embeddings would be as large."""

    def facts(shift):
        table = RNG_TABLE + np.float32(shift)
        initial = any_keras.initializers.Constant(
            table.tolist() if as_list else table
        )
        embedding = any_keras.layers.Embedding(
            300, 200, embeddings_initializer=initial
        )
        model = any_keras.Sequential([any_keras.Input((4,)), embedding])
        return given.of_network(model)

    assert facts(0) == facts(0)
    (found,) = given.differences(facts(0), facts(1))
    assert "embeddings_initializer" in found and "sha256" in found
    assert len(json.dumps(facts(0))) < 2000


def test_a_network_that_cannot_tell_its_settings_has_its_layers(any_keras):
    class Block(any_keras.layers.Layer):
        def __init__(self, units, act):
            super().__init__()
            self.dense = any_keras.layers.Dense(units, act)

        def call(self, inputs):
            return self.dense(inputs)

        def get_config(self):
            raise RuntimeError("has none")

    class Net(any_keras.Model):
        def __init__(self, **edited):
            super().__init__()
            self.block = Block(**{"units": 3, "act": "relu", **edited})

        def call(self, inputs):
            return self.block(inputs)

    def facts(**edited):
        model = Net(**edited)
        model(np.zeros((1, 2), "float32"))
        return given.of_network(model)

    assert facts() == facts()
    (found,) = given.differences(facts(), facts(act="elu"))
    assert found == (
        "network.layers[0].layers[0].settings.activation "
        "(there 'relu', here 'elu')"
    )
    assert [*given.differences(facts(), facts(units=4))]


def dense(units=6, **compiled):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(units, "relu"),
            layers.Dense(10),
        ]
    )
    if compiled:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(**compiled), loss)
    return model


def search(build, run_dir, data=None, **keywords):
    keywords = {"config": CONFIG, "summaries": False, **keywords}
    return tflottery.find_ticket(build, data, run_dir=run_dir, **keywords)


def edited(**arguments):
    """Returns a function of the same name every time."""

    def build():
        return dense(**arguments)

    return build


def test_a_run_of_an_edited_build_is_refused(tmp_path):
    before = search(edited(learning_rate=0.1), tmp_path)
    again = search(edited(learning_rate=0.1), tmp_path)
    assert again.rows == before.rows
    for build, difference in (
        (edited(learning_rate=0.2), "learning_rate (there 0.1"),
        (edited(learning_rate=0.1, units=7), "units (there 6, here 7)"),
        (edited(), "build.optimizer (there {"),
    ):
        with pytest.raises(ValueError, match="of another network") as refusal:
            search(build, tmp_path)
        assert difference in str(refusal.value)
    # What stands there has not changed by it.
    assert search(edited(learning_rate=0.1), tmp_path).rows == before.rows


def random_data(shift=0.0, swapped=False):
    rng = np.random.default_rng(0)
    x = rng.random((120, 8, 8, 1), dtype=np.float32)
    y = rng.integers(0, 10, 120)
    if swapped:
        y[-2:] = y[-2:][::-1] if y[-2] != y[-1] else (y[-2:] + [0, 1]) % 10
    part = (x + np.float32(shift), y)
    return tflottery.data.InMemoryDataset(
        "random", train=part, validation=part, test=part, num_classes=10
    )


@pytest.mark.parametrize("change", [{"shift": 0.5}, {"swapped": True}])
def test_a_run_on_changed_data_is_refused(tmp_path, change):
    search(edited(), tmp_path, random_data())
    search(edited(), tmp_path, random_data())
    with pytest.raises(ValueError, match=r"data\.sha256 \(there '"):
        search(edited(), tmp_path, random_data(**change))


def test_a_run_of_an_older_version_is_taken_as_it_is(tmp_path):
    search(edited(), tmp_path)
    (tmp_path / "given.json").unlink()
    search(edited(units=7), tmp_path)
    assert not (tmp_path / "given.json").exists()  # nobody knows what was


def test_damaged_facts_are_made_again(tmp_path, caplog):
    search(edited(), tmp_path)
    before = (tmp_path / "given.json").read_bytes()
    (tmp_path / "given.json").write_bytes(before[:-30])
    search(edited(), tmp_path)
    assert "given.json" in caplog.text
    assert (tmp_path / "given.json").read_bytes() == before
    stored = documents.read_json(tmp_path / "given.json")
    assert stored["build"]["variables"][0][0] == "dense/kernel"


def raising():
    raise RuntimeError("of the user's")


@pytest.mark.parametrize(
    ("build", "changes"),
    [
        (None, {"model_options": {"hiden": [8]}}),
        (None, {"optimizer_options": {"use_ema": True}}),
        (None, {"optimizer_options": {"momentun": 0.9}}),
        (raising, {}),
        (lambda: keras.Sequential([keras.layers.Dense(3)]), {}),
    ],
)
def test_what_cannot_be_built_leaves_nothing_behind(tmp_path, build, changes):
    place = tmp_path / "run"
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        search(build, place, config=CONFIG.replace(**changes))
    assert not place.exists()


def test_a_network_that_cannot_be_vectorized_leaves_nothing_behind(tmp_path):
    class Own(keras.Sequential):
        def train_step(self, data):
            return super().train_step(data)

    def build():
        return Own([keras.Input((8, 8, 1)), *dense().layers])

    with pytest.raises(ValueError, match="has a `train_step` of its own"):
        search(build, tmp_path / "run", vectorize=2)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("vectorize", [1, 2])
def test_no_network_is_built_in_vain(tmp_path, monkeypatch, vectorize):
    count = []
    prepare = network.prepare

    def counting(*arguments):
        count.append(arguments)
        return prepare(*arguments)

    monkeypatch.setattr(network, "prepare", counting)
    config = CONFIG.replace(replicates=2, model_options={"hidden": [6]})
    search(None, tmp_path, config=config, vectorize=vectorize)
    assert len(count) == vectorize
