import re

import pytest
import sample_run

from tflottery.reports import results, summary, tables


@pytest.fixture
def run_dir(tmp_path):
    return sample_run.write_run(tmp_path / "run")


def test_the_table_shows_means_and_ends_in_percent(run_dir):
    text = tables.text_tables(results.read_results(run_dir))
    blocks = text.split("\n\n")
    assert len(blocks) == 2
    ticket = blocks[0].splitlines()
    assert ticket[0] == "ticket: mean (least–greatest) of 2 runs"
    # Mean of 0.92 and 0.90, in percent, and of 400 and 500 steps.
    assert re.split("  +", ticket[4].strip()) == [
        "1",
        "50.00",
        "450 (400–500)",
        "91.00 (90.00–92.00)",
        "90.00 (89.00–91.00)",
    ]
    assert blocks[1].startswith("random reinit: ")
    assert blocks[1].splitlines()[3].split()[:3] == ["1", "50.00", "800"]


def test_the_columns_stand_under_their_headings(run_dir):
    lines = tables.text_tables(results.read_results(run_dir)).splitlines()
    for line in lines[2:5]:
        assert len(line) == len(lines[2])
    assert max(map(len, lines)) <= 80


def test_a_single_run_is_written_without_ends(run_dir):
    rows = results.read_results(run_dir)[:2]
    text = tables.text_tables(rows)
    assert text.startswith("ticket: one run\n")
    assert "(" not in text
    assert text.splitlines()[-1].split() == [
        "1",
        "50.00",
        "400",
        "92.00",
        "91.00",
    ]


def test_a_missing_value_is_written_as_such(run_dir):
    rows = results.read_results(run_dir)[:1]
    del rows[0]["test_accuracy_final"]
    assert tables.text_tables(rows).splitlines()[-1].endswith("  n/a")


def test_counts_that_differ_are_said(run_dir):
    rows = results.read_results(run_dir)[:3]
    assert "of 1 to 2 runs" in tables.text_tables(rows)


def test_an_unknown_column_is_refused_with_the_nearest(run_dir):
    points = summary.summarise(results.read_results(run_dir))
    with pytest.raises(ValueError, match="Did you mean 'best_step'"):
        tables.cells(points, ["best_stp"])
