import numpy as np
import pytest
import sample_run

from tflottery.reports import results, training_figures


@pytest.fixture
def run_dir(tmp_path):
    return sample_run.write_run(tmp_path / "run")


@pytest.mark.parametrize("span", [1.2, 2.0, 9.0, 11.0, 300.0])
def test_the_axis_of_the_loss_has_ticks_to_read_from(span):
    # From 0.96 on: 1 would be the only tick of 1, 2, 5, 10 below 2.
    history = {
        "step": np.array([0.0, 100.0]),
        "validation_loss": np.array([0.96 * span, 0.96]),
    }
    axes = training_figures.training_figure({0: {0: history}}, {0: 1.0}).axes[0]
    assert axes.get_yscale() == "log"
    assert 3 <= len(_ticks(axes.yaxis, axes.get_ylim())) <= 9


def test_training_curves_are_means_with_a_band(run_dir):
    histories = results.read_histories(run_dir)
    figure = training_figures.training_figure(histories, {0: 1.0, 1: 0.5})
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
    loss, _ = training_figures.training_figure(histories, {}, rounds=[1]).axes
    np.testing.assert_array_equal(loss.lines[0].get_xdata(orig=False), [0, 500])


def test_the_accuracy_axis_leaves_out_the_first_climb(run_dir):
    histories = results.read_histories(run_dir)
    _, accuracy = training_figures.training_figure(histories, {}).axes
    low, high = accuracy.get_ylim()
    assert 70 < low < 80
    assert 92 < high < 95


def test_a_round_without_history_is_refused(run_dir):
    histories = results.read_histories(run_dir)
    with pytest.raises(ValueError, match=r"\[7\] have none.*\[0, 1\]"):
        training_figures.training_figure(histories, {}, rounds=[0, 7])
    with pytest.raises(ValueError, match="must have a history"):
        training_figures.training_figure({}, {})


def test_few_rounds_are_all_chosen():
    assert training_figures.choose_rounds([2, 0, 1]) == [0, 1, 2]


def test_many_rounds_are_thinned_between_first_and_last():
    chosen = training_figures.choose_rounds(range(23), most=4)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, 22, 4)


def _ticks(axis, limits):
    low, high = sorted(limits)
    return [at for at in axis.get_majorticklocs() if low <= at <= high]


def test_tickets_are_drawn_beside_their_controls(run_dir):
    histories = results.read_histories(run_dir)
    control = {1: {(0, 0): histories[1][1]}}
    figure = training_figures.controls_figure(
        {"ticket": histories, "random_reinit": control}, {1: 0.5}, [1]
    )
    loss, accuracy = figure.axes
    lines = {line.get_label(): line for line in loss.lines}
    assert list(lines) == ["dense", "ticket", "random reinit"]
    assert lines["dense"].get_linestyle() == "--"
    # The ticket is the mean of 0.6 and 0.8, the control replicate 1 alone.
    assert lines["ticket"].get_ydata()[1] == pytest.approx(0.7)
    assert lines["random reinit"].get_ydata()[1] == pytest.approx(0.8)
    assert loss.get_title() == "Round 1: 50.0% of the weights"
    assert loss.get_yscale() == "log"
    assert accuracy.get_xlabel() == "Step"


def test_the_numbers_of_curves_have_a_row_per_step(run_dir):
    histories = results.read_histories(run_dir)
    rows = training_figures.training_numbers({"ticket": histories}, [1])
    assert [row["step"] for row in rows] == [0, 500, 1000]
    assert rows[1]["runs"] == 2
    assert rows[1]["validation_loss_mean"] == pytest.approx(0.7)
    assert rows[1]["validation_loss_max"] == pytest.approx(0.8)


def test_histories_of_a_control_are_found_by_replicate_and_draw(run_dir):
    text = (run_dir / "replicate_0/round_01/history.csv").read_text()
    place = run_dir / "replicate_1/branches/noisy_init@0.5/draw_2/round_01"
    place.mkdir(parents=True)
    (place / "history.csv").write_text(text)
    found = results.read_histories(run_dir, "noisy_init@0.5")
    assert list(found) == [1]
    assert list(found[1]) == [(1, 2)]
