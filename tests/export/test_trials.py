"""A form is believed when it was run, and by how much it differs."""

import numpy as np
import pytest

from tflottery.export import accuracy, trials


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
    ("labels", "expected"),
    [
        ([2, 0, 1], [2, 0, 1]),
        ([[2], [0], [1]], [[2], [0], [1]]),
        ([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]], [2, 0, 1]),
        ([1.0, 0.0], [1, 0]),
        # Three maps of 2 x 2 classes are not one-hot rows.
        ([[1, 2], [2, 2]], [[1, 2], [2, 2]]),
    ],
)
def test_labels_are_class_numbers_or_one_hot_rows(labels, expected):
    assert accuracy.classes(np.array(labels), 2).tolist() == expected


def test_labels_of_a_regression_are_refused():
    with pytest.raises(ValueError, match="class numbers.*float64.*0.25"):
        accuracy.classes(np.array([0.25, 1.5]), 2)


@pytest.mark.parametrize(
    ("scores", "logits", "expected"),
    [
        ([[0.2, 0.7, 0.1]], False, [1]),
        ([[-3.0, -4.0]], False, [0]),
        ([[0.4], [0.6]], False, [0, 1]),
        ([[0.4], [-0.6]], True, [1, 0]),
    ],
)
def test_the_largest_score_is_the_class(scores, logits, expected):
    assert accuracy.predicted(np.array(scores), logits).tolist() == expected


def test_values_outside_of_0_to_1_are_logits():
    assert accuracy.are_logits(np.array([[0.5], [1.5]]))
    assert accuracy.are_logits(np.array([[-0.1]]))
    assert not accuracy.are_logits(np.array([[0.0], [1.0]]))
