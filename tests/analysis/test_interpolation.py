"""The line between two networks, and how errors along it are measured."""

import ml_dtypes
import numpy as np
import pytest

import tflottery
from tflottery.analysis import errors, interpolation


def test_the_ends_of_the_line_are_the_networks_bit_for_bit():
    rng = np.random.default_rng(0)
    first = {"w": rng.normal(size=50).astype("float32")}
    second = {"w": (1e8 * rng.normal(size=50)).astype("float32")}
    for alpha, end in ((1.0, first), (0.0, second)):
        found = interpolation.interpolated(first, second, alpha)
        assert found["w"].tobytes() == end["w"].tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_between_equal_networks_there_is_nothing_else(dtype):
    dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    same = {"w": np.random.default_rng(0).normal(size=500).astype(dtype)}
    for alpha in interpolation.alphas():
        found = interpolation.interpolated(same, same, alpha)["w"]
        assert found.dtype == same["w"].dtype
        assert found.tobytes() == same["w"].tobytes()


def test_what_is_no_number_to_interpolate_is_taken_from_the_first():
    first = {"seed": np.array([3, 4], "uint32"), "w": np.array([1.0])}
    second = {"seed": np.array([9, 9], "uint32"), "w": np.array([3.0])}
    found = interpolation.interpolated(first, second, 0.25)
    assert found["seed"].tolist() == [3, 4]
    assert found["w"].tolist() == [2.5]


def test_networks_of_other_shapes_are_refused():
    first, second = {"a": np.ones(2), "w": np.ones(3)}, {"a": np.ones(2)}
    with pytest.raises(ValueError, match=r"one architecture.*\['w'\]"):
        interpolation.interpolated(first, second, 0.5)
    with pytest.raises(ValueError, match=r"\['w'\]"):
        interpolation.interpolated(first, {**second, "w": np.ones(4)}, 0.5)


def test_thirty_networks_stand_on_a_line_and_never_fewer_than_its_ends():
    found = interpolation.alphas()
    assert (len(found), found[0], found[-1]) == (30, 0.0, 1.0)
    assert np.diff(found) == pytest.approx(1 / 29)
    with pytest.raises(ValueError, match="two ends.*Received: alphas=1"):
        interpolation.alphas(1)


@pytest.mark.parametrize(
    ("curve", "height"),
    [
        ([0.1, 0.1, 0.1], 0.0),
        ([0.1, 0.9, 0.3], 0.9 - 0.2),
        ([0.2, 0.0, 0.0], 0.2 - 0.1),  # a valley: the higher end counts
    ],
)
def test_instability_is_the_height_above_the_mean_of_the_ends(curve, height):
    assert interpolation.instability(curve) == pytest.approx(height)
    assert interpolation.instability(curve[::-1]) == pytest.approx(height)


def test_a_line_without_ends_has_no_instability():
    with pytest.raises(ValueError, match="both ends"):
        interpolation.instability([0.3])


def network(keras):
    """A small network with everything a state can hold; its weights random."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(2, 3),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(10),
        ]
    )
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if np.dtype(variable.numpy().dtype).kind == "f":
            variable.assign(np.abs(rng.normal(size=tuple(variable.shape))))
    return model


@pytest.fixture(scope="module")
def digits():
    return tflottery.data.load("digits")


def share_of_errors(model, batches):
    wrong = total = 0
    for x, y in batches.as_numpy_iterator():
        scores = np.asarray(model.predict_on_batch(x))
        wrong += np.count_nonzero(scores.argmax(axis=1) != y)
        total += len(y)
    return wrong / total


def test_errors_are_those_of_predict_and_one_trace_serves_all(
    any_keras, digits
):
    model = network(any_keras)
    meter = errors.ErrorMeter(model, digits, train_examples=1100)
    first = meter.state()
    assert "batch_normalization/moving_variance" in first
    # Of a batch that is not full too: 397 test examples.
    expected = share_of_errors(model, digits.test_batches(100))
    train, test = meter(first)
    assert test == expected
    # All training examples, each once.
    x, y = next(digits.train_batches(1100, seed=9).as_numpy_iterator())
    wrong = model.predict_on_batch(x).argmax(axis=1) != y
    assert train == np.count_nonzero(wrong) / 1100
    # Another state, BatchNorm's statistics included.
    rng = np.random.default_rng(1)
    second = {
        path: np.abs(rng.normal(size=value.shape)).astype(value.dtype)
        for path, value in first.items()
    }
    between = interpolation.interpolated(first, second, 0.5)
    _, test = meter(between)
    assert test == share_of_errors(model, digits.test_batches(397))
    kept = meter.state()
    path = "batch_normalization/moving_variance"
    mean = (first[path] + second[path]) / 2
    np.testing.assert_allclose(kept[path], mean, rtol=1e-6)
    assert meter.traces == 1


def test_training_examples_are_drawn_once_and_not_augmented(digits):
    model = network(pytest.importorskip("keras"))
    augmented = tflottery.data.augment(digits, "crop_flip")
    found = [
        errors.ErrorMeter(model, data, seed=3, train_examples=500)
        for data in (digits, augmented)
    ]
    state = found[0].state()
    assert found[0](state) == found[1](state) == found[0](state)
    x, y = next(digits.train_batches(500, seed=3).as_numpy_iterator())
    wrong = model.predict_on_batch(x).argmax(axis=1) != y
    assert found[0](state)[0] == np.count_nonzero(wrong) / 500


def test_examples_that_do_not_fit_into_memory_give_the_same(
    digits, monkeypatch
):
    model = network(pytest.importorskip("keras"))
    held = errors.ErrorMeter(model, digits)
    monkeypatch.setattr(errors, "_HELD_BYTES", 0)
    read = errors.ErrorMeter(model, digits)
    assert read(held.state()) == held(held.state())


def test_a_network_without_a_score_per_class_is_refused(any_keras, digits):
    keras = any_keras
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    with pytest.raises(ValueError, match=r"one score per class.*\(1,\)"):
        errors.ErrorMeter(model, digits)


def test_a_state_of_another_network_is_refused(digits):
    meter = errors.ErrorMeter(network(pytest.importorskip("keras")), digits)
    with pytest.raises(ValueError, match="does not fit"):
        meter({"w": np.ones(3)})
