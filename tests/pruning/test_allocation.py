"""Allocation: counts by hand, and ERK against its definition."""

import math

import numpy as np
import pytest

from tflottery.pruning import allocation
from tflottery.pruning.allocation import Pool, allocate, apportion


def counts(scope, shapes, density, **bounds):
    asked = dict.fromkeys(shapes, density)
    pools = allocate(scope, shapes, asked, **bounds)
    return {pool.paths[0]: pool.count for pool in pools}


@pytest.mark.parametrize(
    ("size", "density", "kept"),
    [
        (10, 0.25, 2),  # 2.5 rounds to the even 2
        (10, 0.75, 8),  # 7.5 rounds to the even 8
        (6, 0.25, 2),  # 1.5 to 2
        (2, 0.25, 1),  # 0.5 to 0, but one stays
        (100, 0.8, 80),
        (7, 0.0, 1),
        (7, 1.0, 7),
        (0, 0.5, 0),  # nothing to keep in an empty tensor
    ],
)
def test_layerwise_rounds_half_to_even_and_keeps_one(size, density, kept):
    assert counts("layerwise", {"a": (size,)}, density) == {"a": kept}


def test_global_rounds_the_whole_and_not_the_parts():
    # Three tensors of 5 at 0.5: each 2.5, together 7.5, so 8 and not 6.
    shapes = dict.fromkeys("abc", (5,))
    asked = dict.fromkeys("abc", 0.5)
    assert allocate("global", shapes, asked) == [Pool(("a", "b", "c"), 8)]


@pytest.mark.parametrize("density", [0.1, 0.2, 0.3, 0.7, 0.8**7, 1 / 3])
def test_one_density_for_all_equals_that_of_one_tensor(density):
    # 0.3 * 3 + 0.3 * 2 is not 0.3 * 5 in floating point; it must not show.
    for sizes in ([3, 2], [1] * 15, [7, 8, 10], [1, 4]):
        shapes = {f"t{i}": (n,) for i, n in enumerate(sizes)}
        pool = allocate("global", shapes, dict.fromkeys(shapes, density))[0]
        wanted = max(len(sizes), round(density * sum(sizes)))
        assert pool.count == wanted


def test_tensors_of_density_one_stand_apart_under_every_scope():
    shapes = {"head": (4, 4), "a": (10, 10), "b": (20, 10)}
    asked = {"head": 1.0, "a": 0.5, "b": 0.2}
    for scope in allocation.names():
        pools = allocate(scope, shapes, asked)
        assert Pool(("head",), 16) in pools
        assert sum(pool.count for pool in pools) == 16 + 50 + 40


def test_the_order_of_the_tensors_does_not_matter():
    random = np.random.default_rng(0)
    for _ in range(50):
        paths = [f"t{i}" for i in range(6)]
        shapes = {p: tuple(map(int, random.integers(1, 9, 3))) for p in paths}
        asked = {p: float(random.random()) for p in paths}
        for scope in allocation.names():
            expected = allocate(scope, shapes, asked)
            random.shuffle(paths)
            mixed = {p: shapes[p] for p in paths}
            assert allocate(scope, mixed, asked) == expected


def test_no_count_leaves_its_bounds():
    shapes = {"a": (10,), "b": (10,)}
    bounds = {"survivors": {"a": 3, "b": 9}, "floors": {"a": 2, "b": 4}}
    found = counts("layerwise", shapes, 0.8, **bounds)
    assert found == {"a": 3, "b": 8}
    found = counts("layerwise", shapes, 0.1, **bounds)
    assert found == {"a": 2, "b": 4}
    asked = dict.fromkeys(shapes, 0.8)
    assert allocate("global", shapes, asked, **bounds)[0].count == 12
    asked = dict.fromkeys(shapes, 0.1)
    assert allocate("global", shapes, asked, **bounds)[0].count == 6
    # ERK: both would keep 8, `a` has 3 left, so `b` takes all of its 9.
    assert counts("erk", shapes, 0.8, **bounds) == {"a": 3, "b": 9}


def erk_densities(shapes, density):
    """Scales (sum of dims) / (product of dims); full tensors step aside."""
    sizes = {path: math.prod(shape) for path, shape in shapes.items()}
    raw = {path: sum(shape) / sizes[path] for path, shape in shapes.items()}
    full: set[str] = set()
    while True:
        budget = density * sum(sizes.values()) - sum(sizes[p] for p in full)
        free = [path for path in shapes if path not in full]
        scale = budget / sum(raw[p] * sizes[p] for p in free)
        over = [path for path in free if scale * raw[path] > 1]
        if not over:
            return {p: 1.0 if p in full else scale * raw[p] for p in shapes}
        full.add(max(over, key=lambda path: raw[path]))


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5, 0.9])
def test_erk_is_within_one_of_its_definition_and_exact_in_all(density):
    shapes = {
        "conv1/kernel": (3, 3, 3, 64),
        "conv2/kernel": (3, 3, 64, 64),
        "conv3/kernel": (3, 3, 64, 128),
        "output/kernel": (128, 10),
    }
    found = counts("erk", shapes, density)
    expected = erk_densities(shapes, density)
    for path, shape in shapes.items():
        assert abs(found[path] - expected[path] * math.prod(shape)) < 1
    total = sum(math.prod(shape) for shape in shapes.values())
    assert sum(found.values()) == round(density * total)


def test_erk_spares_the_small_tensor():
    # Densities 6/9 and 60/900 are as 10 to 1; 0.1 of 909 makes 91. In
    # proportion to 6 and 60 that is 8.27 and 82.73: 8, 82 and one left over.
    found = counts("erk", {"small": (3, 3), "large": (30, 30)}, 0.1)
    assert found == {"small": 8, "large": 83}


@pytest.mark.parametrize("seed", range(4))
def test_apportioned_counts_add_up_within_bounds(seed):
    random = np.random.default_rng(seed)
    for _ in range(100):
        check_apportion(random)


def check_apportion(random):
    size = int(random.integers(1, 8))
    low = random.integers(0, 5, size).tolist()
    high = [a + int(random.integers(0, 40)) for a in low]
    shares = random.choice([0.0, 1.0, 1e-9, 3.7, 1e9], size).tolist()
    total = int(random.integers(sum(low), sum(high) + 1))
    found = apportion(shares, low, high, total)
    assert sum(found) == total
    assert all(a <= n <= b for a, n, b in zip(low, found, high, strict=True))


def test_the_larger_remainder_gets_what_is_left():
    # Thirds of 10 with weights 1, 2, 3: 1.67, 3.33, 5; one is left over.
    assert apportion([1.0, 2.0, 3.0], [0, 0, 0], [9, 9, 9], 10) == [2, 3, 5]
    # Equal remainders: the first.
    assert apportion([1.0, 1.0], [0, 0], [9, 9], 5) == [3, 2]


def test_an_impossible_total_is_refused():
    with pytest.raises(ValueError, match="`total` must .* 1 and 2.*total=3"):
        apportion([1.0], [1], [2], 3)


def test_an_unknown_scope_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'layerwise'"):
        allocate("layer-wise", {}, {})


def test_no_tensors_make_no_pools():
    assert [allocate(scope, {}, {}) for scope in allocation.names()] == [[]] * 3


def test_the_levels_of_the_paper_are_met():
    # Frankle and Carbin: Lenet loses a fifth a round, its output a tenth.
    shapes = {
        "fc1/kernel": (784, 300),
        "fc2/kernel": (300, 100),
        "output/kernel": (100, 10),
    }
    labels = {3: 51.28, 7: 21.07, 9: 13.52, 15: 3.58, 16: 2.87}
    for level, percent in labels.items():
        asked = dict.fromkeys(shapes, 0.8**level)
        asked["output/kernel"] = 0.9**level
        for scope in ("layerwise", "global"):
            pools = allocate(scope, shapes, asked)
            kept = sum(pool.count for pool in pools)
            assert f"{100 * kept / 266_200:.2f}" == f"{percent:.2f}"
