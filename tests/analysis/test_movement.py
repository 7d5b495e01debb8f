"""How far weights move, on a handful of them."""

import math

import numpy as np
import pytest

from tflottery.analysis import movement


def test_distances_and_magnitudes_are_means():
    initial = np.array([0.5, -0.5, 0.25, 0.0], "float32")
    trained = np.array([1.0, 0.5, -0.25, 0.0], "float32")
    assert movement.moved(initial, trained) == {
        "weights": 4,
        "mean_distance": (0.5 + 1.0 + 0.5 + 0.0) / 4,
        "mean_initial": 1.25 / 4,
        "mean_trained": 1.75 / 4,
        "grew_share": 0.25,  # the first; equal magnitudes have not grown
    }


def test_means_are_exact_for_many_small_weights():
    # In float32 a running sum of so many would stop growing at 2**24.
    initial = np.zeros(2**20, "float32")
    trained = np.full(2**20, 0.1, "float32")
    found = movement.moved(initial, trained)
    assert found["mean_distance"] == pytest.approx(np.float32(0.1), rel=1e-12)


@pytest.mark.filterwarnings("error")
def test_an_empty_group_has_no_mean():
    found = movement.moved(np.zeros(0), np.zeros(0))
    assert found["weights"] == 0
    assert all(math.isnan(v) for k, v in found.items() if k != "weights")
