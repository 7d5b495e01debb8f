"""Tests of the text table."""

from __future__ import annotations

import pytest

from tflottery.core import text_table


def test_words_start_left_and_numbers_end_right():
    rows = [("path", "shape", "kept"), ("a", "2x2", "3"), ("total", "", "10")]
    assert text_table.set_table(rows, num_left=2).split("\n") == [
        "path   shape  kept",
        "a      2x2       3",
        "total           10",
    ]


def test_rows_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"one length.*lengths \[1, 2\]"):
        text_table.set_table([("a", "b"), ("c",)])
