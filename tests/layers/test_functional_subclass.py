"""Functional models of a class of their own keep their class when wrapped."""

import keras
import numpy as np
import pytest

import tflottery
from tflottery.layers import evidence

X = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")


@keras.saving.register_keras_serializable("tests")
class Classifier(keras.Model):
    """Builds its graph in its constructor, as many model zoos do."""

    def __init__(self, width=4, **keywords):
        inputs = keras.Input((5,))
        hidden = keras.layers.Dense(width, activation="relu", name="hidden")
        head = keras.layers.Dense(2, name="head")
        super().__init__(inputs, head(hidden(inputs)), **keywords)
        self.width = width
        self.hidden = hidden
        self.steps_seen = 0

    def train_step(self, data):
        self.steps_seen += 1
        return super().train_step(data)

    def describe(self):
        return f"width {self.width}"

    def get_config(self):
        return {"width": self.width, "name": self.name}


@pytest.mark.parametrize("compiled", [False, True])
def test_class_methods_and_attributes_are_kept(compiled):
    model = Classifier(3)
    if compiled:
        model.compile("sgd", "mse")
    expected = np.asarray(model(X))
    wrapped = tflottery.prune_once(model, sparsity=0.5)
    assert isinstance(wrapped, Classifier)
    assert wrapped.describe() == "width 3"
    assert wrapped.hidden is wrapped.get_layer("hidden")
    assert isinstance(wrapped.hidden, tflottery.Masked)
    assert np.asarray(wrapped(X)).shape == expected.shape
    wrapped.compile("sgd", "mse")
    wrapped.fit(X, expected, verbose=0)
    assert wrapped.steps_seen >= 1  # the user's train_step was traced


def test_it_is_saved_loaded_and_stripped_as_its_class(tmp_path):
    wrapped = tflottery.prune_once(Classifier(3), sparsity=0.5)
    mask = evidence.current_mask(wrapped)
    output = np.asarray(wrapped(X))
    wrapped.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, Classifier) and loaded.width == 3
    assert evidence.current_mask(loaded) == mask and mask.sparsity > 0.4
    np.testing.assert_array_equal(np.asarray(loaded(X)), output)
    plain = tflottery.strip_pruning(wrapped)
    assert type(plain) is Classifier and evidence.wrappers(plain) == []
    assert plain.hidden is plain.get_layer("hidden")
    np.testing.assert_array_equal(np.asarray(plain(X)), output)
    plain.save(tmp_path / "plain.keras")
    again = keras.models.load_model(tmp_path / "plain.keras")
    np.testing.assert_array_equal(np.asarray(again(X)), output)
