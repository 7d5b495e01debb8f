"""Selection against the slow and obvious way: a full stable sort."""

import numpy as np
import pytest

from tflottery.pruning import selection


def sorted_best(scores, alive, count):
    """Keeps the first `count` living entries of a stable descending sort."""
    order = np.argsort(-np.concatenate(scores), kind="stable")
    order = order[np.concatenate(alive)[order]]
    kept = np.zeros(sum(s.size for s in scores), bool)
    kept[order[:count]] = True
    return np.split(kept, np.cumsum([s.size for s in scores])[:-1])


def safe_best(scores, alive, count, floors):
    """As `sorted_best`, but the best `floors` of each array go first."""
    safe = [
        sorted_best([s], [a], f)[0]
        for s, a, f in zip(scores, alive, floors, strict=True)
    ]
    raised = [np.where(k, np.inf, s) for s, k in zip(scores, safe, strict=True)]
    return sorted_best(raised, alive, count)


def random_case(seed):
    random = np.random.default_rng(seed)
    dtype = random.choice([np.float32, np.float64])
    levels = int(random.choice([1, 2, 5, 1000, 10**9]))
    dead = random.choice([0.0, 0.3, 0.99])
    scores, alive = [], []
    for _ in range(random.integers(1, 6)):
        size = int(random.integers(0, 60))
        values = random.integers(-levels, levels + 1, size).astype(dtype)
        scores.append(values * random.choice([1.0, 1e-30, 1e25]).astype(dtype))
        alive.append(random.random(size) >= dead)
    return random, scores, alive


def test_selection_equals_a_stable_sort():
    for seed in range(400):
        check_sort(seed)


def check_sort(seed):
    random, scores, alive = random_case(seed)
    living = sum(a.sum() for a in alive)
    count = int(random.integers(0, living + 1))
    found = selection.keep_best(scores, alive, count)
    for ours, theirs in zip(
        found, sorted_best(scores, alive, count), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_floors_equal_a_sort_in_which_the_safe_ones_come_first():
    for seed in range(400):
        check_floors(seed)


def check_floors(seed):
    random, scores, alive = random_case(seed)
    floors = [int(random.integers(0, min(3, a.sum()) + 1)) for a in alive]
    living = sum(a.sum() for a in alive)
    count = int(random.integers(sum(floors), living + 1))
    found = selection.keep_best(scores, alive, count, floors)
    expected = safe_best(scores, alive, count, floors)
    for ours, theirs, floor in zip(found, expected, floors, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.sum() >= floor


@pytest.mark.parametrize("seed", range(24))
def test_the_narrow_bracket_equals_a_stable_sort(seed, monkeypatch):
    # A tiny sample and tiny chunks, so that arrays of some thousands take
    # every way through the bracket: above it, at its edges, inside, below.
    monkeypatch.setattr(selection, "_SAMPLE", 64)
    monkeypatch.setattr(selection, "_CHUNK", 700)
    random = np.random.default_rng(seed)
    spread = random.choice([0.0, 3.0, 40.0, 1e6])
    scores, alive = [], []
    for size in random.integers(1, 4000, 3):
        values = random.standard_normal(size).astype(np.float32)
        if spread < 1e6:
            values = np.round(values * np.float32(spread))
        scores.append(np.sort(values) if seed % 3 == 0 else values)
        alive.append(random.random(size) < random.choice([1.0, 0.5, 0.01]))
    living = int(sum(a.sum() for a in alive))
    for count in {0, 1, living // 3, living // 2, living - 1, living}:
        if not 0 <= count <= living:
            continue
        found = selection.keep_best(scores, alive, count)
        expected = sorted_best(scores, alive, count)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_sample_that_misleads_costs_time_and_not_truth(monkeypatch):
    # The sample takes every 101st entry of 6,464: exactly the zeros. It says
    # that all entries are zero, while nearly all are larger.
    monkeypatch.setattr(selection, "_SAMPLE", 64)
    scores = np.arange(1, 6465, dtype=np.float64)
    scores[:: 6464 // 64 | 1] = 0.0
    alive = np.ones(scores.size, bool)
    for count in (1, 100, 3000, 6400, 6463):
        found = selection.keep_best([scores], [alive], count)[0]
        expected = sorted_best([scores], [alive], count)[0]
        np.testing.assert_array_equal(found, expected)


def test_more_entries_than_the_sample_equal_a_stable_sort():
    # 300,000 entries of 41 values: the real sample, real chunks, many ties.
    random = np.random.default_rng(0)
    scores = [
        random.integers(-20, 21, n).astype(np.float32)
        for n in (100_000, 200_000)
    ]
    alive = [random.random(s.size) < 0.7 for s in scores]
    for count in (1, 1000, 100_000, 200_000):
        found = selection.keep_best(scores, alive, count)
        expected = sorted_best(scores, alive, count)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_infinite_scores_are_ranked_like_others():
    scores = [np.array([-np.inf, np.inf, 0.0, -np.inf, np.inf])]
    alive = [np.array([False, True, True, True, True])]
    kept = [
        np.flatnonzero(selection.keep_best(scores, alive, n)[0]).tolist()
        for n in range(5)
    ]
    # The first +inf, the second, zero, and the living -inf; never entry 0.
    assert kept == [[], [1], [1, 4], [1, 2, 4], [1, 2, 3, 4]]


def test_a_nan_of_a_dead_entry_does_not_matter():
    scores = [np.array([np.nan, 1.0, 2.0, np.nan])]
    alive = [np.array([False, True, True, False])]
    kept = selection.keep_best(scores, alive, 1)[0]
    assert kept.tolist() == [False, False, True, False]


def test_the_arguments_are_not_written_to():
    scores, alive = np.array([3.0, 1.0, 2.0]), np.ones(3, bool)
    scores.setflags(write=False)
    alive.setflags(write=False)
    for count in range(4):
        kept = selection.keep_best([scores], [alive], count, [min(count, 1)])[0]
        kept[0] = not kept[0]  # A new array, also where everything stays.


@pytest.mark.parametrize(
    ("count", "floors"), [(-1, None), (4, None), (1, [2]), (3, [4])]
)
def test_an_impossible_count_is_refused(count, floors):
    with pytest.raises(ValueError, match=f"`count` must .*count={count}, "):
        selection.keep_best([np.ones(3)], [np.ones(3, bool)], count, floors)
