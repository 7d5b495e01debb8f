import math

import numpy as np
import pytest
import sample_run

from tflottery.reports import results


@pytest.fixture
def run_dir(tmp_path):
    return sample_run.write_run(tmp_path / "run")


def test_results_are_read_with_numbers_as_numbers(run_dir):
    rows = results.read_results(run_dir)
    assert len(rows) == 6
    assert rows[1]["branch"] == "ticket"
    assert rows[1]["best_step"] == 400
    assert rows[1]["density"] == 0.5
    assert [row["draw"] for row in rows] == [0, 0, 0, 0, 0, 1]


def test_branch_and_draw_may_be_missing(tmp_path):
    (tmp_path / "results.csv").write_text(
        "replicate,round,density,best_step,test_accuracy_best\n0,0,1.0,9,0.5\n"
    )
    (row,) = results.read_results(tmp_path)
    assert (row["branch"], row["draw"]) == ("ticket", 0)


@pytest.mark.parametrize(
    ("text", "state"), [(None, "missing"), ("replicate,round\n", "empty")]
)
def test_a_run_without_finished_rounds_says_what_to_do(tmp_path, text, state):
    if text is not None:
        (tmp_path / "results.csv").write_text(text)
    with pytest.raises(ValueError, match=f"{state}.*`tflottery find`"):
        results.read_results(tmp_path)


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / "results.csv").write_text("replicate,round\n0,1\n")
    with pytest.raises(ValueError, match="no column 'density', 'best_step'"):
        results.read_results(tmp_path)


def test_a_word_in_place_of_a_number_is_named_with_its_line(run_dir):
    path = run_dir / "results.csv"
    path.write_text(path.read_text().replace("1000,400,", "1000,soon,"))
    with pytest.raises(ValueError, match="line 3 of .*best_step='soon'"):
        results.read_results(run_dir)


def test_a_folder_may_have_brackets_in_its_name(tmp_path):
    run_dir = sample_run.write_run(tmp_path / "seeds[0-9]*")
    assert list(results.read_histories(run_dir)) == [0, 1]


def test_other_things_beside_the_rounds_are_passed_over(run_dir):
    (run_dir / "replicate_2").write_text("a file")
    (run_dir / "replicate_0" / "round_00.old").mkdir()
    (run_dir / "replicate_0" / "round_05").mkdir()
    assert list(results.read_histories(run_dir)) == [0, 1]
    assert results.read_histories(run_dir / "none") == {}


def test_histories_are_found_by_round_and_replicate(run_dir):
    found = results.read_histories(run_dir)
    assert list(found) == [0, 1]
    assert list(found[0]) == [0, 1]
    np.testing.assert_array_equal(found[1][1]["step"], [0, 500, 1000])
    np.testing.assert_array_equal(
        found[1][1]["validation_loss"], [2.0, 0.8, 0.5]
    )


def test_histories_of_a_run_without_any_are_empty(tmp_path):
    assert results.read_histories(tmp_path) == {}


def test_a_history_is_sorted_and_its_gaps_are_nan(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("step,train_loss,validation_loss\n20,,0.5\n10,1.0,0.7\n")
    history = results.read_history(path)
    np.testing.assert_array_equal(history["step"], [10, 20])
    np.testing.assert_array_equal(history["validation_loss"], [0.7, 0.5])
    assert math.isnan(history["train_loss"][1])


def test_a_history_of_words_is_refused(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("step,validation_loss\n10,low\n")
    with pytest.raises(ValueError, match="`validation_loss` must be a number"):
        results.read_history(path)
