"""Gradients for SNIP, GraSP and SynFlow, of every kind of model and data."""

import keras
import numpy as np
import pytest

import tflottery

RNG = np.random.default_rng(0)
A = RNG.normal(size=(8, 4)).astype("float32")
B = RNG.normal(size=(8, 3)).astype("float32")
Y = RNG.normal(size=(8, 2)).astype("float32")


def two_inputs(as_dict):
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    outputs = keras.layers.Dense(2, name="y")(
        keras.layers.Concatenate()([a, b])
    )
    if as_dict:
        return keras.Model({"a": a, "b": b}, {"y": outputs})
    return keras.Model([a, b], outputs)


@pytest.mark.parametrize("criterion", ["snip", "grasp", "synflow"])
@pytest.mark.parametrize("as_dict", [True, False])
def test_models_with_several_inputs_are_pruned(criterion, as_dict):
    model = two_inputs(as_dict)
    model.compile("sgd", {"y": "mse"} if as_dict else "mse")
    data = ({"a": A, "b": B}, {"y": Y}) if as_dict else ([A, B], Y)
    model = tflottery.prune_once(model, 0.5, criterion=criterion, data=data)
    assert tflottery.sparsity(model) == 0.5


def deep(scale, layers=30, last=None):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((10,)),
            *(
                keras.layers.Dense(
                    10,
                    activation="relu",
                    kernel_initializer=keras.initializers.RandomNormal(
                        stddev=scale
                    ),
                )
                for _ in range(layers)
            ),
            keras.layers.Dense(3, activation=last),
        ]
    )


@pytest.mark.slow
def test_a_faint_flow_through_a_deep_network_is_still_a_flow():
    model = deep(0.05)
    model = tflottery.prune_once(model, 0.5, criterion="synflow")
    assert all(mask.any() for mask in tflottery.masks(model).values())


def test_outputs_that_do_not_depend_on_the_weights_are_refused():
    with pytest.raises(ValueError, match="softmax.*logits"):
        tflottery.prune_once(deep(0.3, 2, "softmax"), 0.5, criterion="synflow")


def test_a_flow_that_overflows_is_refused_in_words():
    with pytest.raises(ValueError, match="too large for float32"):
        tflottery.prune_once(deep(1e4), 0.5, criterion="synflow")


def test_a_subclassed_model_needs_a_batch_for_its_input_shape():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = keras.layers.Dense(6, activation="relu")
            self.head = keras.layers.Dense(2)

        def call(self, x):
            return self.head(self.hidden(x))

    model = Net()
    model(A)
    with pytest.raises(ValueError, match="Pass `data`"):
        tflottery.prune_once(model, 0.5, criterion="synflow")
    model = tflottery.prune_once(model, 0.5, criterion="synflow", data=(A, Y))
    assert tflottery.sparsity(model) == 0.5


def test_a_data_set_in_place_of_a_batch_is_refused_in_words():
    import tensorflow as tf

    model = two_inputs(False)
    model.compile("sgd", "mse")
    data = tf.data.Dataset.from_tensor_slices(((A, B), Y)).batch(4)
    with pytest.raises(ValueError, match="one batch.*next"):
        tflottery.prune_once(model, 0.5, criterion="snip", data=data)


def test_initial_weights_that_are_missing_are_asked_for_in_words():
    with pytest.raises(ValueError, match="'movement' compares.*Snapshot"):
        tflottery.prune_once(two_inputs(False), 0.5, criterion="movement")
