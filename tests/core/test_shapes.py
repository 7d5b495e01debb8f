"""Tests of the comparison of named tensors."""

from __future__ import annotations

import numpy as np
import pytest

from tflottery.core import shapes


@pytest.mark.parametrize(
    "value", [(2, 3), [2, 3], np.zeros((2, 3)), np.array([2, 3]).tolist()]
)
def test_a_shape_is_found(value):
    assert shapes.shape_of(value) == (2, 3)


def test_a_shape_of_unknown_length_is_refused():
    with pytest.raises(TypeError):
        shapes.shape_of((None, 3))


def test_like_tensors_pass_in_any_order():
    ours = {"a": np.zeros((2,)), "b": (3, 4)}
    shapes.check_same_shapes(ours, {"b": np.ones((3, 4)), "a": [2]})


def test_the_first_other_shape_is_named_with_both():
    ours = {"a": (1,), "conv1/kernel": (3, 3, 1, 8), "z": (1,)}
    theirs = {"a": (1,), "conv1/kernel": (3, 3, 3, 8), "z": (2,)}
    with pytest.raises(ValueError) as error:
        shapes.check_same_shapes(ours, theirs, what="variable")
    assert str(error.value) == (
        "mask of `conv1/kernel` has shape (3, 3, 1, 8); the variable has "
        "(3, 3, 3, 8). Was the mask made for another model?"
    )


def test_missing_and_excess_paths_are_named_and_long_lists_cut():
    ours = {f"ours{i}": (1,) for i in range(7)}
    theirs = {"theirs": (1,)}
    with pytest.raises(ValueError) as error:
        shapes.check_same_shapes(ours, theirs, noun="snapshot")
    assert str(error.value) == (
        "The snapshot does not fit the model: the model lacks `ours0`, "
        "`ours1`, `ours2`, `ours3`, `ours4` and 2 more; the snapshot lacks "
        "`theirs`. Was the snapshot made for another model?"
    )
