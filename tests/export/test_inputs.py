"""What a model takes is found, or asked for in words."""

import numpy as np
import pytest
import tensorflow as tf

import tflottery
from tflottery.export import inputs

BATCH = None


def subclassed(keras, *, called):
    class Scaled(keras.Model):
        def __init__(self):
            super().__init__()
            self.fc = keras.layers.Dense(3)

        def call(self, x):
            return self.fc(x)

    model = Scaled()
    if called:
        model(np.ones((2, 5), "float32"))
    return model


def two_inputs(keras):
    a = keras.Input((4,), name="a")
    tokens = keras.Input((3,), name="tokens", dtype="int32")
    table = keras.layers.Embedding(5, 2)
    return keras.Model(
        {"tokens": tokens, "a": a},
        {"late": keras.layers.Dense(2)(a), "early": table(tokens)},
    )


def test_a_sequential_model_says_what_it_takes(any_keras):
    model = any_keras.Sequential([any_keras.layers.Dense(2)])
    model.build((None, 6))
    signature = inputs.signature(model)
    # Not the name that Keras counts up in each process.
    assert signature.names == ("input_0",)
    assert [tuple(spec.shape) for spec in signature.specs] == [(BATCH, 6)]


def test_inputs_and_outputs_keep_their_names(any_keras):
    model = two_inputs(any_keras)
    signature = inputs.signature(model)
    assert signature.names == ("a", "tokens")
    x = {
        "a": np.ones((2, 4), "float32"),
        "tokens": np.array([[0, 1, 4]] * 2, "int32"),
    }
    found = signature.outputs(x)
    expected = model(x)
    assert list(found) == ["early", "late"]
    for name, value in found.items():
        np.testing.assert_array_equal(value, np.asarray(expected[name]))


def test_a_subclassed_model_that_was_called_says_it_too(any_keras):
    signature = inputs.signature(subclassed(any_keras, called=True))
    assert [tuple(spec.shape) for spec in signature.specs] == [(BATCH, 5)]
    assert signature.outputs(inputs.generated(signature, 7))[
        "output_0"
    ].shape == (7, 3)


def test_one_that_was_not_is_asked_for_in_words(any_keras):
    model = subclassed(any_keras, called=False)
    with pytest.raises(ValueError, match=r"input_signature=\[\(None, 28"):
        inputs.signature(model)


@pytest.mark.parametrize(
    "given",
    [
        [(None, 5)],
        (None, 5),
        [tf.TensorSpec((None, 5), tf.float32)],
        tf.TensorSpec((1, 5), tf.float32, name="pixels"),
    ],
    ids=str,
)
def test_a_signature_can_be_given_in_many_ways(any_keras, given):
    model = subclassed(any_keras, called=False)
    (spec,) = inputs.signature(model, given).specs
    # Whatever batch it names, files take any.
    assert tuple(spec.shape) == (BATCH, 5) and spec.dtype == tf.float32


def test_given_shapes_keep_the_dtypes_and_names_of_the_model(any_keras):
    model = two_inputs(any_keras)
    given = [{"tokens": (None, 3), "a": (None, 4)}]
    signature = inputs.signature(model, given)
    assert signature.names == ("a", "tokens")
    assert [spec.dtype for spec in signature.specs] == [tf.float32, tf.int32]


def test_open_sizes_are_refused_and_can_be_fixed(any_keras):
    x = any_keras.Input((None, 3), name="steps")
    model = any_keras.Model(x, any_keras.layers.GlobalAveragePooling1D()(x))
    with pytest.raises(
        ValueError, match=r"`steps` of shape \(None, None, 3\).*\(None, 32, 3\)"
    ):
        inputs.signature(model)
    (spec,) = inputs.signature(model, [(None, 9, 3)]).specs
    assert tuple(spec.shape) == (BATCH, 9, 3)


def test_a_signature_of_another_number_of_inputs_is_refused(any_keras):
    with pytest.raises(ValueError, match="1 entries for the inputs"):
        inputs.signature(two_inputs(any_keras), [(None, 4)])


def test_what_is_no_shape_is_refused(any_keras):
    model = subclassed(any_keras, called=False)
    with pytest.raises(TypeError, match="shapes or tf.TensorSpecs.*'28'"):
        inputs.signature(model, ["28"])


def test_a_layer_is_refused(any_keras):
    with pytest.raises(TypeError, match="a layer, Dense"):
        inputs.signature(any_keras.layers.Dense(1))


def test_text_is_refused(any_keras):
    x = any_keras.Input((1,), dtype="string", name="text")
    model = any_keras.Model(x, any_keras.layers.Flatten()(x))
    with pytest.raises(ValueError, match="`text` of dtype string"):
        inputs.signature(model)


def test_generated_inputs_fit_the_model_and_its_smallest_table(any_keras):
    signature = inputs.signature(two_inputs(any_keras))
    made = inputs.generated(signature, 400)
    assert made["a"].shape == (400, 4) and made["a"].dtype == np.float32
    # All rows of the table and none beyond: 1,200 draws of 5 miss none.
    assert set(made["tokens"].ravel()) == set(range(5))
    again = inputs.generated(signature, 400)
    np.testing.assert_array_equal(made["a"], again["a"])


def test_a_ticket_and_a_path_are_told_how_to_become_a_model():
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model = tflottery.prune_once(model, sparsity=0.5)
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match=r"a ticket.*ticket\.apply\(model"):
        inputs.signature(tflottery.Ticket.of(model))
    with pytest.raises(TypeError, match=r"tflottery.load_network\('runs/a'\)"):
        inputs.signature("runs/a")


def test_dicts_name_what_nobody_has_named(any_keras):
    class Sum(any_keras.Model):
        def __init__(self):
            super().__init__()
            self.fc = any_keras.layers.Dense(2)

        def call(self, x):
            return self.fc(x["right"] + x["left"])

    model = Sum()
    model({side: np.ones((2, 3), "float32") for side in ("right", "left")})
    assert inputs.signature(model).names == ("left", "right")


def test_a_class_with_two_arguments_takes_a_signature_of_two(any_keras):
    class Sum(any_keras.Model):
        def __init__(self):
            super().__init__()
            self.fc = any_keras.layers.Dense(2)

        def call(self, x, y):
            return self.fc(x) + y

    model = Sum()
    model(np.ones((1, 5), "float32"), np.ones((1, 2), "float32"))
    signature = inputs.signature(model, [(None, 5), (None, 2)])
    made = inputs.generated(signature, 4)
    assert signature.outputs(made)["output_0"].shape == (4, 2)


def test_layers_that_remember_are_refused(any_keras):
    x = any_keras.Input(batch_shape=(8, 5, 3))
    y = any_keras.layers.LSTM(6, stateful=True, name="memory")(x)
    with pytest.raises(ValueError, match="`memory` with stateful=True"):
        inputs.signature(any_keras.Model(x, y))


def test_another_backend_is_refused(monkeypatch):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match="backend 'torch'.*=tensorflow"):
        inputs.signature(model)
