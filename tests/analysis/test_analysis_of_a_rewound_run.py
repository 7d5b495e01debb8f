"""Initial weights are those of step 0, also where tickets begin later."""

import numpy as np
import pytest

import tflottery
from tflottery.analysis import analyse, summary

CONFIG = tflottery.SearchConfig(
    dataset="digits",
    model_options={"hidden": [8]},
    batch_size=50,
    steps=20,
    validate_every=20,
    rounds=1,
    prune_fraction=0.5,
    rewind_to="10it",
    jit_compile=False,
)


def test_survivors_are_compared_with_the_weights_before_any_training(tmp_path):
    tflottery.find_ticket(config=CONFIG, run_dir=tmp_path, summaries=False)
    found = analyse(tmp_path, parts=["movement", "surviving_weights"])
    folder = tmp_path / "replicate_0"
    initial, dense, ticket = (
        tflottery.Snapshot.load(folder / name).weights()["fc1/kernel"]
        for name in ("initial", "round_00/trained", "round_01/trained")
    )
    alive = ticket != 0
    [moved] = [
        row
        for row in found.tables["movement"]
        if (row["layer"], row["group"]) == ("fc1/kernel", "surviving")
    ]
    distance = np.abs(dense - initial)[alive].mean(dtype=float)
    assert moved["weights"] == alive.sum()
    assert moved["mean_distance"] == pytest.approx(distance)
    [signs] = [
        row for row in found.tables["signs"] if row["layer"] == "fc1/kernel"
    ]
    same = np.sign(initial[alive]) == np.sign(ticket[alive])
    assert signs["kept_sign_share"] == pytest.approx(same.mean())
    ratio = np.median(np.abs(initial[alive])) / np.median(np.abs(initial))
    assert signs["median_magnitude_ratio"] == pytest.approx(ratio)


def test_the_text_says_what_is_overlap_and_what_is_chance():
    row = {
        "kind": "branches",
        "first": "ticket",
        "second": "random_ticket/0",
        "round": 2,
        "layer": "all",
        "overlap": 0.4,
        "chance": 0.15,
    }
    lines = summary.text({"overlap": [row]}).splitlines()
    assert lines[1].split() == "masks of and round overlap chance".split()
    assert lines[2].split()[-2:] == ["40.0%", "15.0%"]
