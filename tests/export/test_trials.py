"""A form is believed when it was run, and by how much it differs."""

import numpy as np
import pytest

from tflottery.export import accuracy, choosing, inputs, trials
from tflottery.export.conversion import Form
from tflottery.export.sizes import Sizes
from tflottery.export.trials import Trial


@pytest.mark.parametrize(
    ("expected", "found", "difference"),
    [
        # 0.5 apart where the largest output is 4.
        ([1.0, -4.0], [1.5, -4.0], 0.125),
        ([0.0, 0.0], [0.0, 0.25], 0.25),
        ([1.0], [np.nan], np.inf),
        ([1.0], [1.0, 2.0], np.inf),
        ([1, 2, 3, 4], [1, 2, 3, 5], 0.25),
        ([True, False], [True, True], 0.5),
    ],
)
def test_a_difference_is_relative_to_the_largest_output(
    expected, found, difference
):
    pair = {"y": np.array(expected)}, {"y": np.array(found)}
    assert trials.largest_difference(*pair) == difference


def test_outputs_of_other_names_are_infinitely_far():
    y = np.ones(3)
    assert trials.largest_difference({"y": y}, {"z": y}) == np.inf
    assert trials.largest_difference({"y": y, "z": y}, {"y": y}) == np.inf


def test_the_worst_output_counts():
    expected = {"y": np.ones(2), "z": np.ones(2)}
    found = {"y": np.ones(2), "z": np.array([1.0, 0.9])}
    apart = trials.largest_difference(expected, found)
    assert apart == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("labels", "shape", "expected"),
    [
        ([2, 0, 1], (8, 3), [2, 0, 1]),
        ([[2], [0], [1]], (8, 3), [2, 0, 1]),
        ([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]], (8, 3), [2, 0, 1]),
        ([[0.1, 0.9], [0.8, 0.2]], (8, 2), [1, 0]),  # smoothed
        ([1.0, 0.0], (8, 1), [1, 0]),
        ([[1.0], [0.0]], (8, 1), [1, 0]),
        ([True, False], (8, 1), [1, 0]),
        # Two tags for each example, which happen to have a sum of 1.
        ([[1, 0], [0, 1]], (8, 2, 5), [[1, 0], [0, 1]]),
    ],
)
def test_labels_are_class_numbers_or_one_hot_rows(labels, shape, expected):
    assert accuracy.classes(np.array(labels), shape).tolist() == expected


@pytest.mark.parametrize(
    ("labels", "shape", "said"),
    [
        ([0.25, 1.5], (8, 3), "dtype float64, such as .0.25"),
        ([1, 2, 3], (8, 3), "from 0 to 2 .* such as .1, 2, 3"),
        ([-1, 0], (8, 1), "from 0 to 1"),
        ([[1, 1, 0], [0, 0, 1]], (8, 3), r"shape \(2, 3\)"),  # several at once
        (["cat", "dog"], (8, 2), "such as .'cat'"),
        (1, (8, 2), r"shape \(\)"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels, shape, said):
    with pytest.raises(ValueError, match=said):
        accuracy.classes(np.array(labels), shape)


def test_one_of_several_outputs_is_named():
    outputs = {"features": np.ones((2, 9)), "logits": np.ones((2, 3))}
    labels = np.array([0, 2])
    name, found = accuracy.chosen({"logits": labels}, outputs)
    assert name == "logits" and found.tolist() == [0, 2]
    for unclear in (labels, {"labels": labels}, {"logits": 1, "features": 2}):
        with pytest.raises(ValueError, match="'logits': labels"):
            accuracy.chosen(unclear, outputs)


@pytest.mark.parametrize(
    ("scores", "logits", "expected"),
    [
        ([[1], [0]], False, [1, 0]),
        ([[0.4], [0.6]], False, [0, 1]),
        ([[0.4], [-0.6]], True, [1, 0]),
    ],
)
def test_scores_become_classes(scores, logits, expected):
    assert accuracy.predicted(np.array(scores), logits).tolist() == expected


@pytest.mark.parametrize(
    ("activation", "values", "expected"),
    [
        ("linear", [0.2, 0.7], True),
        ("sigmoid", [0.2, 0.7], False),
        ("tanh", [0.2, 0.7], False),
        ("tanh", [-0.2, 0.7], True),
    ],
)
def test_the_last_activation_says_what_a_column_is(
    any_keras, activation, values, expected
):
    model = any_keras.Sequential([any_keras.layers.Dense(1, activation)])
    model.build((None, 2))
    column = np.array(values)[:, None]
    assert accuracy.are_logits(model, column) == expected


class Wrong:
    """An interpreter whose file is right on every other example only."""

    def __init__(self, signature):
        self.signature = signature

    def run(self, path, x):
        scores = np.array(self.signature.outputs(x)["output_0"])
        scores[::2] = -scores[::2]
        return {"output_0": scores}


def test_a_file_is_counted_by_its_own_outputs(any_keras):
    model = any_keras.Sequential([any_keras.layers.Dense(2)])
    model.build((None, 4))
    signature = inputs.signature(model)
    x = np.random.default_rng(0).normal(size=(150, 4)).astype("float32")
    labels = np.asarray(model(x)).argmax(1)
    labels[:30] = 1 - labels[:30]  # the model is wrong on these
    found = accuracy.measure((x, labels), signature, Wrong(signature), {"a": 0})
    # Over batches of 100 and 50; where both are wrong the file is right.
    assert found["a"] == accuracy.Accuracy(150, 120 / 150, 75 / 150, 75 / 150)


def trial(sparse, size):
    sizes = Sizes(size, size, size)
    return Trial(Form(None, sparse), sizes=sizes, runs=True, agrees=True)


@pytest.mark.parametrize(
    ("encodes", "sizes", "expected"),
    [
        (True, (100, 60), "sparse float32"),
        (True, (100, 120), "dense float32"),
        # Nothing is stored sparse: eight bytes less are chance.
        (False, (100, 92), "dense float32"),
    ],
)
def test_the_smallest_that_is_what_it_says_is_chosen(
    monkeypatch, encodes, sizes, expected
):
    monkeypatch.setattr(
        Trial,
        "is_what_it_says",
        property(lambda self: encodes or not self.form.sparse),
    )
    found = [trial(False, sizes[0]), trial(True, sizes[1])]
    assert choosing.choose(found, None, "auto").form.name == expected
    assert choosing.choose(found, None, True).form.name == "sparse float32"
    assert (
        choosing.choose(found[::-1], None, False).form.name == "dense float32"
    )


def test_what_is_in_the_way_is_said(any_keras):
    def build(policy):
        return any_keras.Sequential(
            [
                any_keras.layers.InputLayer((4,)),
                any_keras.layers.Dense(2, dtype=policy),
            ]
        )

    said = choosing.what_is_in_the_way(build("mixed_float16"))
    assert "computes in float16" in said and "`set_weights`" in said
    assert choosing.what_is_in_the_way(build("float32")) == ""
