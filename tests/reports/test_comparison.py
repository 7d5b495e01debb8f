import drawn_text
import numpy as np
import pytest
import sample_run
import sample_tables

from tflottery.core import documents
from tflottery.reports import comparison
from tflottery.reports.run import Run


def _run(folder, rewind_to, shift, **settings):
    run_dir = sample_run.write_run(folder)
    config = {"model": "mlp", "dataset": "digits", "steps": 1000, **settings}
    documents.write_json(
        run_dir / "config.json", {"config": {**config, "rewind_to": rewind_to}}
    )
    sample_tables.write_tables(run_dir, ("stability", "instability"))
    run = Run(run_dir)
    run.rows = [
        {**row, "test_accuracy_final": row["test_accuracy_final"] + shift}
        for row in run.rows
    ]
    return run


@pytest.fixture
def runs(tmp_path):
    return [
        _run(tmp_path / "a", "0it", 0.0),
        _run(tmp_path / "b", "1%", 0.02),
        _run(tmp_path / "c", "500it", 0.05),
    ]


@pytest.fixture
def drawn(runs):
    return {one.name: one for one in comparison.draw(runs)}


def _line(axes, label):
    (found,) = [c for c in axes.containers if c.get_label() == label]
    line = found.lines[0]
    return line.get_xdata(orig=False), line.get_ydata(orig=False)


def test_runs_are_drawn_over_k(drawn):
    assert list(drawn) == [
        "density_by_run",
        "rewinding_accuracy",
        "rewinding_stability",
        "rewinding_instability",
    ]
    (accuracy,) = drawn["rewinding_accuracy"].figure.axes
    ks, values = _line(accuracy, "ticket")
    # 1 % of 1,000 steps are 10; round 1 ends at 90 % in the mean.
    np.testing.assert_allclose(ks, [0, 10, 500])
    np.testing.assert_allclose(values, [90, 92, 95])
    assert accuracy.get_title() == "Round 1: 50.0% of the weights"


def test_stability_over_k_is_of_the_sparsest_round_and_of_all_weights(drawn):
    figure = drawn["rewinding_stability"].figure
    ks, values = _line(figure.axes[0], "random ticket")
    np.testing.assert_allclose(ks, [0, 10, 500])
    np.testing.assert_allclose(values, [21, 21, 21])
    assert "round 2" in drawn["rewinding_stability"].caption
    assert len(figure.axes) == 4


def test_k_0_has_a_place_on_the_axis(drawn):
    axes = drawn["rewinding_instability"].figure.axes[1]
    assert axes.get_xscale() == "symlog"
    assert list(axes.get_xticks()) == [0, 10, 500]
    assert axes.get_xlim()[0] < 0
    assert axes.get_xlabel() == "Rewinding step k"


@pytest.mark.parametrize("name", ["rewinding_accuracy", "density_by_run"])
def test_nothing_on_a_comparison_covers_anything(drawn, name):
    assert drawn_text.covered(drawn[name].figure) == []


def test_runs_are_called_by_what_differs(runs, tmp_path):
    assert comparison.labels(runs) == ["k = 0", "k = 10", "k = 500"]
    other = _run(tmp_path / "d", "0it", 0.0, learning_rate=0.1)
    same = _run(tmp_path / "e", "0it", 0.0, learning_rate=0.2)
    assert comparison.labels([other, same]) == [
        "learning_rate: 0.1",
        "learning_rate: 0.2",
    ]


def test_runs_that_differ_in_more_than_k_are_not_drawn_over_k(runs, tmp_path):
    other = _run(tmp_path / "d", "2%", 0.0, learning_rate=0.1, batch_size=7)
    found = [one.name for one in comparison.draw([*runs, other])]
    assert found == ["density_by_run"]
    assert comparison.why_not_over_steps([*runs, other]) == (
        "No figure against the rewinding step k was drawn, since the searches "
        "also differ in batch_size, learning_rate."
    )


def test_chance_and_length_do_not_keep_runs_from_being_drawn_over_k(
    runs, tmp_path
):
    assert comparison.why_not_over_steps(runs) == ""
    # Shared rounds of a longer search, of another seed, are the same thing.
    other = _run(tmp_path / "d", "2%", 0.0, seed=3, replicates=5, rounds=9)
    found = [one.name for one in comparison.draw([*runs, other])]
    assert "rewinding_accuracy" in found


def test_models_of_ones_own_are_told_apart(tmp_path):
    runs = [_run(tmp_path / n, "0it", 0.0) for n in ("a", "b")]
    for run, name in zip(runs, ("wide", "narrow"), strict=True):
        run.identity = {"build": name, "data": None}
    assert comparison.labels(runs) == [
        "model: own model wide",
        "model: own model narrow",
    ]


def test_runs_that_differ_in_nothing_are_called_by_their_folders(tmp_path):
    first, second = (_run(tmp_path / n, "0it", 0.0) for n in ("x", "y"))
    assert comparison.labels([first, second]) == ["x", "y"]
    assert [one.name for one in comparison.draw([first, second])] == [
        "density_by_run"
    ]
