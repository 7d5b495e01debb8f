"""Data of callers, in all the shapes it comes in."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tflottery.export import examples, inputs

X = np.arange(250 * 4, dtype="float32").reshape(250, 4)
Y = np.arange(250) % 3


@pytest.fixture(scope="module")
def one():
    return inputs.signature(
        keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3)])
    )


@pytest.fixture(scope="module")
def two():
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    both = keras.layers.Concatenate()([a, b])
    return inputs.signature(keras.Model([a, b], both))


def gathered(data, signature, **options):
    found = list(examples.batches("data", data, signature, **options))
    x = {
        name: np.concatenate([part[0][name] for part in found])
        for name in signature.names
    }
    labels = [part[1] for part in found]
    return x, None if labels[0] is None else np.concatenate(labels)


WAYS = {
    "array": lambda: X,
    "tensor": lambda: tf.constant(X),
    "dict": lambda: {"x": X},
    "tuple": lambda: (X, Y),
    "batched tf.data": lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(
        32
    ),
    "unbatched tf.data": lambda: tf.data.Dataset.from_tensor_slices((X, Y)),
    "tf.data of x alone": lambda: tf.data.Dataset.from_tensor_slices(X).batch(
        100
    ),
    "list of batches": lambda: [X[:90], X[90:]],
    "generator": lambda: ((X[i], Y[i]) for i in range(250)),
    "function": lambda: lambda: iter([(X, Y)]),
    "integers": lambda: X.astype("int64"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_give_data_gives_all_of_it_in_order(one, way):
    x, labels = gathered(WAYS[way](), one)
    np.testing.assert_array_equal(x["x"], X)
    assert x["x"].dtype == np.float32
    if labels is not None:
        np.testing.assert_array_equal(labels, Y)


@pytest.mark.parametrize(
    "way",
    [
        lambda a, b: [a, b],
        lambda a, b: (a, b),
        lambda a, b: {"b": b, "a": a},
        lambda a, b: ({"a": a, "b": b}, Y),
        lambda a, b: ([a, b], Y),
        lambda a, b: tf.data.Dataset.from_tensor_slices(((a, b), Y)).batch(9),
        lambda a, b: [((a, b), Y)],
    ],
)
def test_models_of_two_inputs_get_each_its_own(two, way):
    b = X[:, :2] + 0.5
    x, _ = gathered(way(X, b), two)
    np.testing.assert_array_equal(x["a"], X)
    np.testing.assert_array_equal(x["b"], b)


def test_the_first_examples_are_taken_from_as_many_batches_as_needed(one):
    found = examples.first_examples("data", [X[:3], X[3:5], X[5:]], one, 7)
    np.testing.assert_array_equal(found["x"], X[:7])


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (X[:, :3], ValueError, r"shape \(100, 3\) for input `x`.*\(None, 4\)"),
        ([], ValueError, "at least one example. Received: list without any"),
        (X.tolist(), ValueError, r"an array of shape \(\)|one array for each"),
        (np.full((3, 4), np.nan), ValueError, "finite numbers.*`x`"),
        (3, TypeError, "an array, a dict of arrays.*data=3"),
        ("digits", TypeError, "data='digits'"),
        ((X[:5], Y[:4]), ValueError, "as many labels as examples"),
    ],
    ids=["shape", "empty", "lists", "NaN", "number", "text", "lengths"],
)
def test_data_that_does_not_fit_is_refused_in_words(one, data, error, said):
    with pytest.raises(error, match=said):
        list(examples.batches("data", data, one))


def test_labels_that_are_missing_are_asked_for(one):
    with pytest.raises(ValueError, match=r"labels beside the examples.*\(x, y"):
        gathered(X, one, labelled=True)


def test_names_that_are_not_the_models_are_refused(two):
    with pytest.raises(ValueError, match=r"name the inputs.*'c'.*\['a', 'b'\]"):
        gathered({"a": X, "c": X[:, :2]}, two)


def test_numbers_that_a_cast_would_lose_are_refused():
    pixels = keras.Input((4,), dtype="uint8", name="pixels")
    model = keras.Model(pixels, keras.layers.Rescaling(1 / 255)(pixels))
    with pytest.raises(ValueError, match="whole numbers for input `pixels`"):
        gathered(X / 250, inputs.signature(model))
