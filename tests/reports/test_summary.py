import math

import pytest
import sample_run

from tflottery.reports import results, summary
from tflottery.reports.summary import Spread


@pytest.fixture
def run_dir(tmp_path):
    return sample_run.write_run(tmp_path / "run")


def test_a_spread_is_mean_least_and_greatest():
    assert Spread.of([0.25, 1.0, 0.25]) == Spread(0.5, 0.25, 1.0, 3)


def test_nan_counts_as_missing():
    assert Spread.of([math.nan, 2.0]) == Spread(2.0, 2.0, 2.0, 1)
    assert math.isnan(Spread.of([math.nan]).mean)
    assert Spread.of([]).count == 0


def test_rows_are_gathered_over_replicates_and_draws(run_dir):
    points = summary.summarise(results.read_results(run_dir))
    assert [(p.branch, p.round, p.count) for p in points] == [
        ("ticket", 0, 2),
        ("ticket", 1, 2),
        ("random_reinit", 1, 2),
    ]
    assert points[1]["best_step"] == Spread(450.0, 400.0, 500.0, 2)
    assert points[2]["test_accuracy_best"].mean == pytest.approx(0.75)
    assert points[1].density == 0.5


def test_the_ticket_comes_first_wherever_it_stands():
    rows = [
        {"branch": branch, "round": 0, "density": 1.0}
        for branch in ("one_shot", "ticket", "random_ticket")
    ]
    found = summary.branches(summary.summarise(rows))
    assert list(found) == ["ticket", "one_shot", "random_ticket"]


def test_an_unknown_column_has_no_values(run_dir):
    point = summary.summarise(results.read_results(run_dir))[0]
    assert point["colour"].count == 0


def test_the_dense_point_is_round_0_of_the_ticket(run_dir):
    points = summary.summarise(results.read_results(run_dir))
    dense = summary.dense_point(reversed(points))
    assert (dense.branch, dense.round) == ("ticket", 0)
    assert summary.dense_point(points[1:]) is None
