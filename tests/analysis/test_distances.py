"""Distances and angles, against NumPy, torch and numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch

from tflottery.analysis import distances
from tflottery.core.mask import Mask


@pytest.fixture
def networks():
    """Two networks and a mask over two of their three tensors."""
    rng = np.random.default_rng(0)
    shapes = {"a/kernel": (7, 5), "b/kernel": (3, 3, 2, 4), "b/bias": (4,)}
    first, second = (
        {k: rng.normal(size=s).astype("float32") for k, s in shapes.items()}
        for _ in range(2)
    )
    mask = Mask({k: rng.random(shapes[k]) < 0.4 for k in list(shapes)[:2]})
    return first, second, mask


def masked_vectors(first, second, mask):
    return [
        np.concatenate(
            [(net[k] * m).ravel().astype("float64") for k, m in mask.items()]
        )
        for net in (first, second)
    ]


def test_the_distance_is_the_norm_of_the_masked_difference(networks):
    u, v = masked_vectors(*networks)
    expected = np.linalg.norm(u - v)
    assert distances.distance(*networks) == pytest.approx(expected, rel=1e-12)


def test_the_angle_is_that_of_torch(networks):
    u, v = map(torch.from_numpy, masked_vectors(*networks))
    cosine = torch.nn.functional.cosine_similarity(u, v, dim=0).item()
    expected = math.degrees(math.acos(cosine))
    assert distances.angle(*networks) == pytest.approx(expected, rel=1e-9)


def test_without_a_mask_all_tensors_count(networks):
    first, second, _ = networks
    squares = sum(np.sum((first[k] - second[k]) ** 2.0) for k in first)
    expected = math.sqrt(squares)
    found = distances.distance(first, second)
    assert found == pytest.approx(expected, rel=1e-6)


def test_layers_add_up_to_the_whole(networks):
    first, second, mask = networks
    found = distances.by_layer(first, second, mask)
    assert list(found) == ["all", "a/kernel", "b/kernel"]
    whole = math.hypot(found["a/kernel"][0], found["b/kernel"][0])
    assert found["all"][0] == pytest.approx(whole)
    one = Mask({"b/kernel": mask["b/kernel"]})
    assert found["b/kernel"] == (
        distances.distance(first, second, one),
        distances.angle(first, second, one),
    )


def test_only_survivors_count(networks):
    first, second, mask = networks
    changed = {k: v.copy() for k, v in first.items()}
    changed["a/kernel"][~mask["a/kernel"]] = np.nan
    changed["b/bias"][:] = 100
    assert distances.by_layer(changed, second, mask) == distances.by_layer(
        first, second, mask
    )


def test_scaling_a_network_leaves_the_angle(networks):
    first, second, mask = networks
    scaled = {k: v * np.float32(1024) for k, v in second.items()}
    expected = distances.angle(first, second, mask)
    found = distances.angle(first, scaled, mask)
    assert found == pytest.approx(expected, rel=1e-12)
    opposite = {k: -v for k, v in second.items()}
    found = distances.angle(first, opposite, mask)
    assert found == pytest.approx(180 - expected, rel=1e-12)


def test_order_of_the_two_does_not_matter(networks):
    first, second, mask = networks
    assert distances.by_layer(first, second, mask) == distances.by_layer(
        second, first, mask
    )


@pytest.mark.parametrize("radians", [1e-3, 1e-9, 1e-12])
def test_small_angles_are_not_lost(radians):
    # 1 - radians**2 / 2 is 1 in float64 from 1e-8 on: an arc cosine says 0.
    first = {"w": np.array([1.0, 0.0])}
    second = {"w": np.array([math.cos(radians), math.sin(radians)])}
    found = distances.angle(first, second)
    assert found == pytest.approx(math.degrees(radians), rel=1e-6)


def test_a_network_is_at_no_distance_from_itself(networks):
    first, _, mask = networks
    assert distances.by_layer(first, first, mask)["all"] == (0.0, 0.0)


def test_many_small_differences_are_not_lost_in_float32():
    # 2**24 + 1 is no float32: a sum of squares in float32 would stop there.
    first = {"w": np.full(2**12 + 1, 2**6, "float32")}
    second = {"w": np.zeros(2**12 + 1, "float32")}
    found = distances.distance(first, second)
    assert found**2 == pytest.approx((2**12 + 1) * 2**12, rel=1e-12)


def test_the_angle_to_nothing_is_no_number():
    zero, one = {"w": np.zeros(3)}, {"w": np.ones(3)}
    assert math.isnan(distances.angle(zero, one))
    assert math.isnan(distances.angle(one, zero))


@pytest.mark.parametrize("which", [0, 1])
def test_a_missing_or_misshapen_tensor_is_named(networks, which):
    *nets, mask = networks
    nets[which] = {k: v for k, v in nets[which].items() if k != "a/kernel"}
    with pytest.raises(ValueError, match="a/kernel"):
        distances.distance(*nets, mask)
    nets[which]["a/kernel"] = np.zeros((5, 7))
    with pytest.raises(ValueError, match="a/kernel"):
        distances.angle(*nets, mask)
