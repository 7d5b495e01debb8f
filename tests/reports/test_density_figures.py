import drawn_text
import numpy as np
import pytest
import sample_run
from matplotlib import colors

from tflottery.reports import density_figures, results


@pytest.fixture
def run_dir(tmp_path):
    return sample_run.write_run(tmp_path / "run")


def _rows(run_dir):
    return results.read_results(run_dir)


def _containers(axes):
    return {c.get_label(): c for c in axes.containers}


def test_the_lines_hold_the_means_of_the_table(run_dir):
    accuracy, end, step = density_figures.density_figure(_rows(run_dir)).axes
    line = _containers(accuracy)["ticket"].lines[0]
    np.testing.assert_allclose(line.get_xdata(orig=False), [100, 50])
    np.testing.assert_allclose(line.get_ydata(orig=False), [89, 91])
    line = _containers(end)["ticket"].lines[0]
    np.testing.assert_allclose(line.get_ydata(orig=False), [88, 90])
    line = _containers(step)["ticket"].lines[0]
    np.testing.assert_allclose(line.get_ydata(orig=False), [700, 450])
    control = _containers(step)["random reinit"].lines[0]
    np.testing.assert_allclose(control.get_xdata(orig=False), [50])
    np.testing.assert_allclose(control.get_ydata(orig=False), [800])


def test_the_bars_go_from_least_to_greatest(run_dir):
    accuracy, _, step = density_figures.density_figure(_rows(run_dir)).axes
    (bars,) = _containers(accuracy)["ticket"].lines[2]
    np.testing.assert_allclose(
        bars.get_segments(),
        [[[100, 88], [100, 90]], [[50, 90], [50, 92]]],
    )
    (bars,) = _containers(step)["random reinit"].lines[2]
    np.testing.assert_allclose(bars.get_segments(), [[[50, 700], [50, 900]]])


def test_a_single_run_has_no_bars(run_dir):
    accuracy, _, _ = density_figures.density_figure(_rows(run_dir)[:2]).axes
    assert _containers(accuracy)["ticket"].lines[2] == ()


def test_the_dense_level_is_a_dotted_line(run_dir):
    for axes, level in zip(
        density_figures.density_figure(_rows(run_dir)).axes,
        (89, 88, 700),
        strict=True,
    ):
        (dense,) = [k for k in axes.lines if k.get_label() == "dense"]
        assert dense.get_linestyle() == ":"
        np.testing.assert_allclose(dense.get_ydata(orig=False), [level, level])


def test_densities_run_from_dense_to_sparse_on_a_log_axis(run_dir):
    for axes in density_figures.density_figure(_rows(run_dir)).axes:
        assert axes.get_xscale() == "log"
        left, right = axes.get_xlim()
        assert left > 100 > 50 > right


def _ticks(axis, limits):
    low, high = sorted(limits)
    return [at for at in axis.get_majorticklocs() if low <= at <= high]


@pytest.mark.parametrize("rounds", [4, 7, 11, 17, 25])
def test_the_axis_of_densities_has_ticks_to_read_from(run_dir, rounds):
    row = _rows(run_dir)[0]
    rows = [{**row, "round": r, "density": 0.8**r} for r in range(rounds)]
    axes = density_figures.density_figure(rows).axes[0]
    assert 3 <= len(_ticks(axes.xaxis, axes.get_xlim())) <= 8


def test_branches_differ_in_colour_and_marker(run_dir):
    rows = _rows(run_dir)
    names = ("random_ticket", "one_shot", "shuffled")
    rows += [{**rows[-1], "branch": name} for name in names]
    accuracy, _, _ = density_figures.density_figure(rows).axes
    lines = [c.lines[0] for c in accuracy.containers]
    assert len(lines) == 5
    assert len({colors.to_hex(k.get_color()) for k in lines}) == 5
    assert len({k.get_marker() for k in lines}) == 5


@pytest.mark.parametrize("rounds", [1, 4, 11, 17])
def test_nothing_written_on_a_figure_overlaps(run_dir, rounds):
    row = _rows(run_dir)[0]
    rows = [
        {
            **row,
            "branch": branch,
            "replicate": k,
            "round": r,
            "density": 0.8**r,
            "best_step": 30_000 + 1000 * r,
        }
        for branch in ("ticket", "random_reinit", "random_ticket")
        for k in range(3)
        for r in range(rounds)
    ]
    figure = density_figures.density_figure(rows, "lenet_300_100 on tfds:mnist")
    assert drawn_text.covered(figure) == []
    assert len(drawn_text.texts(figure)) > 10


def test_columns_that_are_not_there_are_left_out(run_dir):
    rows = [
        {k: v for k, v in row.items() if k != "test_accuracy_final"}
        for row in _rows(run_dir)
    ]
    figure = density_figures.density_figure(rows)
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "Test accuracy at early stop (%)",
        "Early-stopping step",
    ]


def test_both_accuracies_have_one_axis(run_dir):
    first, second, step = density_figures.density_figure(_rows(run_dir)).axes
    assert first.get_ylim() == second.get_ylim()
    assert step.get_ylim()[0] == 0


def test_only_branches_that_were_asked_for_are_drawn(run_dir):
    figure = density_figures.density_figure(
        _rows(run_dir), branches=["random_reinit"]
    )
    assert set(_containers(figure.axes[0])) == {"random reinit"}


def test_runs_lie_over_one_another(run_dir):
    rows = _rows(run_dir)
    other = [{**row, "best_step": row["best_step"] + 100} for row in rows]
    figure = density_figures.runs_figure({"k = 0": rows, "k = 5": other})
    step = _containers(figure.axes[-1])
    assert list(step) == ["k = 0", "k = 5"]
    np.testing.assert_allclose(
        step["k = 5"].lines[0].get_ydata(orig=False), [800, 550]
    )


def test_the_numbers_are_those_that_are_drawn(run_dir):
    found = density_figures.density_numbers(_rows(run_dir))
    assert [(row["branch"], row["round"]) for row in found] == [
        ("ticket", 0),
        ("ticket", 1),
        ("random_reinit", 1),
    ]
    spread = found[1]["test_accuracy_best"]
    assert (spread.mean, spread.low, spread.high) == (0.91, 0.90, 0.92)
