"""Counts of samples, side by side, and what simulations say of them."""

import pytest

from tflottery.supermasks.logarithmic import Logarithmic
from tflottery.supermasks.polynomial import Polynomial
from tflottery.supermasks.sample_counts import (
    compare_sample_counts,
    make_need,
    sample_counts_table,
)
from tflottery.supermasks.subset_sum import SubsetSum


def _units(weight_error, **arguments):
    counts = compare_sample_counts(784, 300, weight_error, **arguments)
    return {
        (count.construction, count.basis): count.units_per_input
        for count in counts
    }


def test_counts_are_those_that_the_constructions_sample():
    units = _units(0.01)
    need = make_need(784, 300, 0.01)

    assert units["logarithmic", "proved"] == Logarithmic().units(need)
    assert units["polynomial", "proved"] == Polynomial().units(need)
    assert units["subset sum", "measured"] == SubsetSum().units(need)
    assert units["subset sum", "proved"] == SubsetSum("proved").units(need)


def test_fewest_samples_are_those_of_subset_sums():
    counts = compare_sample_counts(784, 300, 1e-3)

    assert [count.construction for count in counts] == [
        "both weights",
        "polynomial",
        "logarithmic",
        "subset sum",
        "subset sum",
    ]
    units = [count.units_per_input for count in counts]
    assert units == sorted(units, reverse=True)
    # All outputs of an input share its units.
    assert counts[2].units_per_weight == counts[2].units_per_input / 300


def test_a_hundredfold_accuracy_multiplies_powers_and_adds_to_logarithms():
    coarse, fine = _units(1e-2), _units(1e-4)

    growth = {key: fine[key] / coarse[key] for key in coarse}
    assert growth["both weights", "proved"] == pytest.approx(1e4, rel=1e-3)
    assert growth["polynomial", "proved"] == pytest.approx(100, rel=1e-3)
    # ln(1e4) / ln(1e2) = 2 if all went by ln(1/error) alone; less, since the
    # bound on the failure takes its part.
    assert 1 < growth["subset sum", "proved"] < 2
    assert 1 < growth["subset sum", "measured"] < 2
    # K ln(K ...): twice the digits, and a logarithm of their number.
    assert 1.9 < growth["logarithmic", "proved"] < 2.2


def test_only_the_ratio_of_error_and_weight_counts():
    assert _units(0.01) == _units(1e-4, largest_weight=1e-2)


def test_inputs_of_both_signs_take_a_few_more():
    one, two = _units(0.01), _units(0.01, signs=2)

    assert all(one[key] < two[key] < 1.1 * one[key] for key in one)


def test_a_table_has_a_line_for_each():
    counts = compare_sample_counts(20, 10, 0.1)

    lines = sample_counts_table(counts).splitlines()

    assert len(lines) == 1 + len(counts)
    assert lines[-1].split()[:3] == ["subset", "sum", "measured"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": 0}, "`inputs` must be"),
        ({"outputs": 2.5}, "`outputs` must be"),
        ({"weight_error": 0}, "`weight_error` must be positive. Received"),
        ({"largest_weight": -1}, "largest_weight=-1"),
        ({"delta": 1}, r"`delta` must be in \(0, 1\)"),
        ({"signs": 3}, "`signs` must be 1 or 2"),
    ],
)
def test_bad_sizes_are_refused(arguments, message):
    sizes = {"inputs": 4, "outputs": 4, "weight_error": 0.1, **arguments}

    with pytest.raises((TypeError, ValueError), match=message):
        compare_sample_counts(**sizes)
