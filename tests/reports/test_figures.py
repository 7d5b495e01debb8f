import numpy as np
import pytest
import sample_run
from matplotlib import colors

from tflottery.reports import figures, results


@pytest.fixture
def run_dir(tmp_path):
    return sample_run.write_run(tmp_path / "run")


def _rows(run_dir):
    return results.read_results(run_dir)


def _containers(axes):
    return {c.get_label(): c for c in axes.containers}


def test_the_lines_hold_the_means_of_the_table(run_dir):
    accuracy, step = figures.density_figure(_rows(run_dir)).axes
    line = _containers(accuracy)["ticket"].lines[0]
    np.testing.assert_allclose(line.get_xdata(orig=False), [100, 50])
    np.testing.assert_allclose(line.get_ydata(orig=False), [89, 91])
    line = _containers(step)["ticket"].lines[0]
    np.testing.assert_allclose(line.get_ydata(orig=False), [700, 450])
    control = _containers(step)["random reinit"].lines[0]
    np.testing.assert_allclose(control.get_xdata(orig=False), [50])
    np.testing.assert_allclose(control.get_ydata(orig=False), [800])


def test_the_bars_go_from_least_to_greatest(run_dir):
    accuracy, step = figures.density_figure(_rows(run_dir)).axes
    (bars,) = _containers(accuracy)["ticket"].lines[2]
    np.testing.assert_allclose(
        bars.get_segments(),
        [[[100, 88], [100, 90]], [[50, 90], [50, 92]]],
    )
    (bars,) = _containers(step)["random reinit"].lines[2]
    np.testing.assert_allclose(bars.get_segments(), [[[50, 700], [50, 900]]])


def test_a_single_run_has_no_bars(run_dir):
    accuracy, _ = figures.density_figure(_rows(run_dir)[:2]).axes
    assert _containers(accuracy)["ticket"].lines[2] == ()


def test_the_dense_level_is_a_dotted_line(run_dir):
    for axes, level in zip(
        figures.density_figure(_rows(run_dir)).axes, (89, 700), strict=True
    ):
        (dense,) = [k for k in axes.lines if k.get_label() == "dense"]
        assert dense.get_linestyle() == ":"
        np.testing.assert_allclose(dense.get_ydata(orig=False), [level, level])


def test_densities_run_from_dense_to_sparse_on_a_log_axis(run_dir):
    for axes in figures.density_figure(_rows(run_dir)).axes:
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
    axes = figures.density_figure(rows).axes[0]
    assert 3 <= len(_ticks(axes.xaxis, axes.get_xlim())) <= 8


@pytest.mark.parametrize("span", [1.2, 2.0, 9.0, 11.0, 300.0])
def test_the_axis_of_the_loss_has_ticks_to_read_from(span):
    # From 0.96 on: 1 would be the only tick of 1, 2, 5, 10 below 2.
    history = {
        "step": np.array([0.0, 100.0]),
        "validation_loss": np.array([0.96 * span, 0.96]),
    }
    axes = figures.training_figure({0: {0: history}}, {0: 1.0}).axes[0]
    assert axes.get_yscale() == "log"
    assert 3 <= len(_ticks(axes.yaxis, axes.get_ylim())) <= 9


def test_branches_differ_in_colour_and_marker(run_dir):
    rows = _rows(run_dir)
    names = ("random_ticket", "one_shot", "shuffled")
    rows += [{**rows[-1], "branch": name} for name in names]
    accuracy, _ = figures.density_figure(rows).axes
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
    figure = figures.density_figure(rows, "lenet_300_100 on tfds:mnist")
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in _texts(figure)]
    assert len(boxes) > 10
    for i, box in enumerate(boxes):
        for other in boxes[:i]:
            assert not box.overlaps(other)


def _texts(figure):
    """All texts that are drawn, tick labels within the axes' limits too."""
    found = [figure._suptitle, *figure.legends[0].get_texts()]
    for axes in figure.axes:
        found += [axes.xaxis.label, axes.yaxis.label]
        for axis, limits in (
            (axes.xaxis, axes.get_xlim()),
            (axes.yaxis, axes.get_ylim()),
        ):
            low, high = sorted(limits)
            places = zip(
                axis.get_majorticklocs(), axis.get_ticklabels(), strict=True
            )
            found += [text for at, text in places if low <= at <= high]
    return [text for text in found if text.get_text()]


def test_training_curves_are_means_with_a_band(run_dir):
    histories = results.read_histories(run_dir)
    figure = figures.training_figure(histories, {0: 1.0, 1: 0.5})
    loss, accuracy = figure.axes
    first, second = loss.lines
    np.testing.assert_array_equal(first.get_xdata(orig=False), [0, 500, 1000])
    # Replicates 0 and 1 have 0.6 and 0.8 at step 500.
    np.testing.assert_allclose(first.get_ydata(orig=False), [2.0, 0.7, 0.5])
    np.testing.assert_allclose(
        accuracy.lines[1].get_ydata(orig=False), [10, 80, 91]
    )
    band = loss.collections[0].get_paths()[0].vertices
    at_500 = band[band[:, 0] == 500][:, 1]
    np.testing.assert_allclose([at_500.min(), at_500.max()], [0.6, 0.8])
    assert loss.get_yscale() == "log"
    assert first.get_linestyle() == "--"
    assert second.get_label() == "round 1: 50.0%"


def test_only_steps_that_all_replicates_have_are_drawn(run_dir):
    histories = results.read_histories(run_dir)
    short = {k: v[:2] for k, v in histories[1][1].items()}
    histories[1][1] = short
    loss, _ = figures.training_figure(histories, {}, rounds=[1]).axes
    np.testing.assert_array_equal(loss.lines[0].get_xdata(orig=False), [0, 500])


def test_the_accuracy_axis_leaves_out_the_first_climb(run_dir):
    histories = results.read_histories(run_dir)
    _, accuracy = figures.training_figure(histories, {}).axes
    low, high = accuracy.get_ylim()
    assert 70 < low < 80
    assert 92 < high < 95


def test_a_round_without_history_is_refused(run_dir):
    histories = results.read_histories(run_dir)
    with pytest.raises(ValueError, match=r"\[7\] have none.*\[0, 1\]"):
        figures.training_figure(histories, {}, rounds=[0, 7])
    with pytest.raises(ValueError, match="must have a history"):
        figures.training_figure({}, {})


def test_few_rounds_are_all_chosen():
    assert figures.choose_rounds([2, 0, 1]) == [0, 1, 2]


def test_many_rounds_are_thinned_between_first_and_last():
    chosen = figures.choose_rounds(range(23), most=4)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, 22, 4)
