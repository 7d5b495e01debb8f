"""A `fit` of the user's own on two workers: two processes on the loopback."""

import json
import pathlib

import pytest
from two_processes import finish

SCRIPT = pathlib.Path(__file__).with_name("fit_worker.py")


@pytest.mark.slow
def test_two_workers_find_one_ticket_and_one_of_them_writes(tmp_path):
    printed = finish([SCRIPT, tmp_path], tmp_path)
    chief, other = (
        json.loads((tmp_path / f"worker_{number}.json").read_text())
        for number in range(2)
    )
    assert chief["replicas"] == other["replicas"] == 2
    assert chief["mirrored"] == other["mirrored"] == [True, True]
    assert chief["densities"] == other["densities"] == [1.0, 0.5, 0.25]
    assert chief["masks"] == other["masks"]
    assert len(set(chief["masks"])) == 3
    assert chief["val_loss"] == other["val_loss"]
    assert chief["sparsity"] == other["sparsity"] == 0.75
    # Weights, slots and statistics after each of 8 + 5 + 5 steps.
    assert len(chief["digests"]) == 18
    assert chief["digests"] == other["digests"]
    # Files and lines are the chief's.
    assert (tmp_path / "snapshot").is_file()
    assert chief["run_dir"] == str(tmp_path / "logs" / "fit_0")
    assert other["run_dir"] is None
    assert [p.name for p in (tmp_path / "logs").iterdir()] == ["fit_0"]
    assert len(list((tmp_path / "logs" / "fit_0").rglob("events*"))) == 1
    assert ["round 2/2" in text for text in printed] == [True, False]
    for found in (chief, other):
        assert "do not hold the same test" in found["refused"]
