"""Survivors' initial weights: shares worked out from known distributions."""

import math

import numpy as np
import pytest
from scipy import stats

from tflottery.analysis import surviving_weights


def bell(count=20001, scale=1.0):
    """The quantiles of a normal distribution: a sample without chance."""
    places = (np.arange(count) + 0.5) / count
    return scale * stats.norm.ppf(places)


def test_a_bell_has_one_mode_of_a_known_shape():
    middle = stats.norm.cdf(0.5) - stats.norm.cdf(-0.5)
    shoulders = (stats.norm.cdf(1.5) - stats.norm.cdf(0.5)) * 2 / 2
    expected = shoulders / (shoulders + middle)
    assert expected == pytest.approx(0.387, abs=5e-4)
    for scale in (1.0, 0.04):
        found = surviving_weights.bimodality(bell(scale=scale), scale)
        assert found == pytest.approx(expected, abs=1e-3)


def test_two_humps_are_above_one_half_and_a_thinned_bell_is_not():
    weights = bell()
    humps = np.concatenate([bell(999, 0.3) - 1, bell(999, 0.3) + 1])
    # Twice the weights beside the middle as in it: still one hump, as the
    # bell falls off by more than that.
    thinned = weights[
        (np.abs(weights) > 0.5) | (np.arange(weights.size) % 3 > 0)
    ]
    assert surviving_weights.bimodality(humps, 1.0) > 0.9
    assert 0.39 < surviving_weights.bimodality(thinned, 1.0) < 0.5


def test_a_random_sample_of_survivors_says_nothing():
    weights = bell()
    alive = np.arange(weights.size) % 4 == 0
    found = surviving_weights.statistics(weights, weights, alive)
    assert found["centre_ratio"] == pytest.approx(1, abs=2e-3)
    assert found["positive_share"] == pytest.approx(0.5, abs=1e-3)
    assert found["median_magnitude_ratio"] == pytest.approx(1, abs=2e-3)
    same = pytest.approx(found["initial_bimodality"], abs=2e-3)
    assert found["bimodality"] == same


def test_survivors_that_began_large_leave_the_middle_empty():
    weights = bell()
    alive = np.abs(weights) > 1
    found = surviving_weights.statistics(weights, weights, alive)
    assert found["survivors"] == np.count_nonzero(alive)
    assert found["centre_ratio"] == 0
    assert found["bimodality"] == 1
    # Medians of |w|: 0.674 of all, and that of the tail beyond one.
    tail = stats.norm.ppf(1 - stats.norm.sf(1) / 2)
    expected = tail / stats.norm.ppf(0.75)
    assert found["median_magnitude_ratio"] == pytest.approx(expected, abs=1e-2)


def test_signs_are_compared_with_the_initial_ones():
    initial = np.array([1.0, -1.0, 2.0, -2.0, 3.0])
    trained = np.array([1.0, 1.0, -1.0, -9.0, np.nan])
    alive = np.array([1, 1, 1, 1, 0], bool)
    found = surviving_weights.statistics(initial, trained, alive)
    assert found["kept_sign_share"] == 0.5
    assert found["positive_share"] == 0.5


@pytest.mark.filterwarnings("error")
def test_no_survivors_give_no_numbers():
    none = np.zeros(4, bool)
    found = surviving_weights.statistics(bell(4), bell(4), none)
    assert found["survivors"] == 0
    assert math.isnan(found["kept_sign_share"])
    assert math.isnan(found["median_magnitude_ratio"])
    assert math.isnan(found["bimodality"])


def test_bins_hold_every_value_once():
    values = np.concatenate([bell(101), [-3.0, 0.0, 3.0]])
    values = values[np.abs(values) <= 3]
    bins = list(surviving_weights.histogram(values, 3.0, bins=6))
    assert [low for low, _, _ in bins] == [-3, -2, -1, 0, 1, 2]
    for low, high, count in bins:
        last = high == 3
        inside = (values >= low) & ((values <= 3) if last else (values < high))
        assert count == np.count_nonzero(inside)
    assert sum(count for _, _, count in bins) == values.size


def test_zero_is_a_border_of_the_default_bins():
    values = np.array([-1e-6, 1e-6, 1e-6])
    bins = list(surviving_weights.histogram(values, 0.2))
    assert len(bins) == 60
    assert sum(count for _, high, count in bins if high <= 0) == 1


def test_bins_must_be_some():
    with pytest.raises(ValueError, match="bins"):
        list(surviving_weights.histogram(np.ones(3), 1.0, bins=0))
