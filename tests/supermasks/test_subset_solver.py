"""Subset sums, held to what trying all subsets finds."""

import itertools

import numpy as np
import pytest

from tflottery.supermasks import subset_solver
from tflottery.supermasks.subset_solver import nearest_subsets, subsets_within


def _least_errors(candidates, targets):
    """All subsets of all columns, one by one: the oracle."""
    choices = list(itertools.product((0.0, 1.0), repeat=len(candidates)))
    sums = np.array(choices) @ candidates
    return np.abs(sums - targets).min(axis=0)


def _problems(count, problems, seed=0, largest=1.0):
    rng = np.random.default_rng(seed)
    candidates = rng.uniform(-1, 1, (count, problems))
    return candidates, rng.uniform(-largest, largest, problems)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10])
def test_no_subset_is_nearer_than_the_one_found(count):
    candidates, targets = _problems(count, 50, seed=count, largest=2.0)

    found = nearest_subsets(candidates, targets)

    sums = np.where(found.kept, candidates, 0).sum(0)
    np.testing.assert_allclose(found.errors, sums - targets, atol=1e-12)
    np.testing.assert_allclose(
        np.abs(found.errors), _least_errors(candidates, targets), atol=1e-12
    )


def test_targets_out_of_reach_get_all_that_leads_their_way():
    candidates = np.array([[1.0, 1.0], [-2.0, -2.0], [0.5, 0.5]])

    found = nearest_subsets(candidates, np.array([100.0, -100.0]))

    # The largest sum takes the positive numbers, the smallest the negative.
    assert found.kept.T.tolist() == [[True, False, True], [False, True, False]]
    assert found.errors.tolist() == [-98.5, 98.0]


def test_a_planted_subset_is_found_among_2_to_the_32():
    """A sum of given numbers is at distance 0 from itself, and chance brings
    no other of 4e9 subsets within the rounding of float64, about 1e-15."""
    rng = np.random.default_rng(3)
    candidates = rng.uniform(-1, 1, (32, 2))
    planted = rng.random((32, 2)) < 0.5
    targets = np.where(planted, candidates, 0).sum(0)

    found = nearest_subsets(candidates, targets)

    assert (found.kept == planted).all()


def test_without_candidates_the_empty_sum_is_all_there_is():
    found = subsets_within(np.zeros((0, 2)), np.array([0.25, -3.0]), 0.5)

    assert found.kept.shape == (0, 2)
    assert found.errors.tolist() == [-0.25, 3.0]


def test_nothing_to_solve_is_solved():
    found = subsets_within(np.zeros((5, 0)), np.zeros(0), 0.5)

    assert found.kept.shape == (5, 0) and found.errors.shape == (0,)


def test_equal_candidates_are_told_apart_by_their_places():
    found = nearest_subsets(np.full((6, 1), 0.5), np.array([1.5]))

    assert found.kept.sum() == 3 and found.errors[0] == 0


@pytest.mark.parametrize("tolerance", [0.3, 0.03, 0.003])
def test_it_misses_only_where_every_subset_does(tolerance):
    candidates, targets = _problems(9, 300, seed=5)

    found = subsets_within(candidates, targets, tolerance)

    within = _least_errors(candidates, targets) <= tolerance
    # Both answers have to occur, or the test shows nothing.
    assert 0 < within.sum()
    assert (np.abs(found.errors) <= tolerance).tolist() == within.tolist()
    sums = np.where(found.kept, candidates, 0).sum(0)
    np.testing.assert_allclose(found.errors, sums - targets, atol=1e-12)


def test_where_all_miss_the_nearest_of_all_is_returned():
    candidates, targets = _problems(8, 100, seed=6, largest=1.0)

    found = subsets_within(candidates, targets, 1e-9)

    np.testing.assert_allclose(
        np.abs(found.errors), _least_errors(candidates, targets), atol=1e-12
    )


def test_a_usual_target_needs_only_the_first_candidates():
    """2**9 subsets have about three within 0.01, so of 21 candidates nearly
    all targets are done with nine or twelve, half of them kept."""
    candidates, targets = _problems(21, 2000, seed=7)

    found = subsets_within(candidates, targets, 0.01)

    assert np.abs(found.errors).max() <= 0.01
    looked_at = 21 - np.argmax(found.kept[::-1], axis=0)
    assert np.mean(looked_at <= 12) > 0.9
    assert found.kept.sum(0).mean() < 6


def test_scale_does_not_matter():
    candidates, targets = _problems(12, 40, seed=8)

    small = subsets_within(1e-6 * candidates, 1e-6 * targets, 1e-8)
    large = subsets_within(1e6 * candidates, 1e6 * targets, 1e4)

    assert (small.kept == large.kept).all()


@pytest.mark.parametrize("sums", [2, 1 << 20])
def test_batches_change_nothing(monkeypatch, sums):
    candidates, targets = _problems(11, 33, seed=9)
    usual = nearest_subsets(candidates, targets)
    monkeypatch.setattr(subset_solver, "_SUMS_PER_BATCH", sums)

    assert (nearest_subsets(candidates, targets).kept == usual.kept).all()


def test_thousand_weights_of_the_published_experiment_are_all_met():
    """784-500-10 with 21 numbers for each weight, error 0.01: all were met.
    Weights of that network are small beside the range of the numbers."""
    rng = np.random.default_rng(10)
    candidates = rng.uniform(-1, 1, (21, 1000))
    weights = np.clip(rng.normal(0, 0.2, 1000), -1, 1)

    assert np.abs(subsets_within(candidates, weights, 0.01).errors).max() < 0.01


def test_more_than_forty_candidates_are_refused():
    with pytest.raises(ValueError, match=r"at most 40 rows. Received: 41"):
        nearest_subsets(np.zeros((41, 1)), np.zeros(1))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"shapes \(3, 2\) and \(3,\)"):
        nearest_subsets(np.zeros((3, 2)), np.zeros(3))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(bad):
    with pytest.raises(ValueError, match="`candidates` must be finite"):
        subsets_within(np.full((2, 1), bad), np.zeros(1), 0.1)
    with pytest.raises(ValueError, match="`targets` must be finite"):
        subsets_within(np.zeros((2, 1)), np.full(1, bad), 0.1)


@pytest.mark.parametrize("tolerance", [0, -0.1])
def test_a_tolerance_that_nothing_can_meet_is_refused(tolerance):
    with pytest.raises(ValueError, match=rf"tolerance={tolerance}"):
        subsets_within(np.zeros((2, 1)), np.zeros(1), tolerance)
