"""Overlap of masks against chance: simulated, and counted by hand."""

import numpy as np
import pytest

from tflottery.analysis import overlap
from tflottery.core.mask import Mask


def random_mask(rng, counts):
    """A mask with exact counts, `{path: (size, kept)}`."""
    arrays = {}
    for path, (size, kept) in counts.items():
        arrays[path] = np.zeros(size, bool)
        arrays[path][rng.choice(size, kept, replace=False)] = True
    return Mask(arrays)


def test_independent_masks_overlap_as_chance_says():
    # Layers of other densities: agreement on how dense they are is no overlap.
    rng = np.random.default_rng(1)
    first = {"a": (1500, 300), "b": (300, 250)}
    second = {"a": (1500, 900), "b": (300, 60)}
    found, chance = [], None
    for _ in range(300):
        masks = random_mask(rng, first), random_mask(rng, second)
        found.append([v["overlap"] for v in overlap.by_layer(*masks).values()])
        chance = [v["chance"] for v in overlap.by_layer(*masks).values()]
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - chance) < 4 * error)


def test_chance_is_counted_layer_by_layer():
    # a: 2 * 1 / 4 = 1/2 in common; b: 1 * 1 / 2 = 1/2; 5 survivors in all.
    first = Mask({"a": [1, 1, 0, 0], "b": [1, 0]})
    second = Mask({"a": [0, 0, 0, 1], "b": [1, 0]})
    assert overlap.chance_overlap(first, second) == pytest.approx(1 / (5 - 1))
    found = overlap.by_layer(first, second)
    assert list(found) == ["all", "a", "b"]
    assert found["all"] == {
        "first_density": 0.5,
        "second_density": pytest.approx(1 / 3),
        "overlap": 0.25,  # one of the four that survive in either
        "chance": 0.25,
    }
    assert found["b"]["overlap"] == 1.0
    assert found["b"]["chance"] == pytest.approx(0.5 / 1.5)


def test_dense_masks_overlap_by_chance_too():
    dense = Mask({"a": np.ones((3, 2))})
    assert overlap.chance_overlap(dense, dense) == 1.0


def test_empty_masks_count_as_equal():
    empty = Mask({"a": np.zeros(3)})
    (whole, layer) = overlap.by_layer(empty, empty).values()
    assert whole == layer
    assert whole["overlap"] == whole["chance"] == 1.0


def test_masks_of_other_networks_are_refused():
    with pytest.raises(ValueError, match="a"):
        overlap.by_layer(Mask({"a": [1, 0]}), Mask({"a": [1, 0, 1]}))
