"""Connections per unit: counted one by one, and the variance of chance."""

import itertools

import numpy as np
import pytest
from scipy import stats

from tflottery.analysis import connectivity


@pytest.mark.parametrize("shape", [(6, 4), (3, 2, 5, 4), (2, 3, 2, 3, 4)])
def test_connections_are_those_counted_one_by_one(shape):
    alive = np.random.default_rng(0).random(shape) < 0.4
    incoming, outgoing = np.zeros(shape[-1]), np.zeros(shape[-2])
    for place in itertools.product(*map(range, shape)):
        if alive[place]:
            incoming[place[-1]] += 1
            outgoing[place[-2]] += 1
    found = connectivity.connections(alive)
    np.testing.assert_array_equal(found["incoming"], incoming)
    np.testing.assert_array_equal(found["outgoing"], outgoing)


def test_units_are_described():
    alive = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]], bool)
    found = connectivity.describe(alive)
    assert found["incoming"] == {
        "units": 3,
        "mean": pytest.approx(4 / 3),
        "least": 0,
        "greatest": 3,
        "variance": pytest.approx(np.var([3, 1, 0])),
        "chance_variance": pytest.approx(stats.hypergeom.var(12, 4, 4)),
        "dead": 1,
    }
    assert found["outgoing"]["units"] == 4
    assert found["outgoing"]["dead"] == 1


@pytest.mark.parametrize("kept", [0, 1, 60, 239, 240])
def test_the_variance_of_chance_is_that_of_drawing_without_replacement(kept):
    counts = np.arange(13)
    shares = stats.hypergeom.pmf(counts, 240, kept, 12)
    expected = shares @ counts**2 - (shares @ counts) ** 2
    found = connectivity.chance_variance(size=240, kept=kept, share=12)
    assert found == pytest.approx(expected, abs=1e-9)


def test_random_masks_scatter_as_chance_says():
    rng = np.random.default_rng(2)
    found, size, kept = [], 3 * 8 * 10, 80
    for _ in range(400):
        alive = np.zeros(size, bool)
        alive[rng.choice(size, kept, replace=False)] = True
        sides = connectivity.describe(alive.reshape(3, 8, 10)).values()
        found.append([side["variance"] for side in sides])
        chance = [side["chance_variance"] for side in sides]
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - chance) < 4 * error)


def test_survivors_at_one_unit_scatter_more_than_chance():
    alive = np.zeros((20, 10), bool)
    alive[:, 0] = True
    found = connectivity.describe(alive)
    incoming, outgoing = found["incoming"], found["outgoing"]
    assert incoming["variance"] > 10 * incoming["chance_variance"]
    assert outgoing["variance"] == 0 < outgoing["chance_variance"]


def test_a_bias_has_no_connections():
    with pytest.raises(ValueError, match=r"\(5,\).*rank 2"):
        connectivity.connections(np.ones(5, bool))
