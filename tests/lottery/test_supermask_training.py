"""Supermasks trained as experiments: rows, files, and what resuming gives."""

import csv

import numpy as np
import pytest

import tflottery
from tflottery.lottery.engines.compiled import CompiledEngine
from tflottery.lottery.supermask_config import METHODS, SupermaskConfig
from tflottery.lottery.supermask_training import train_supermask
from tflottery.lottery.training import RoundTrainer


def settings(**changes):
    values = {
        "dataset": "digits",
        "model_options": {"hidden": [16]},
        "steps": 60,
        "jit_compile": False,
        "validate_every": 20,
        **changes,
    }
    return SupermaskConfig(**values)


@pytest.mark.parametrize("method", METHODS)
def test_a_mask_is_trained_and_no_weight(tmp_path, any_keras, method):
    config = settings(
        method=method,
        keras=any_keras.__name__,
        initial_weights="signed_constant",
        **({"density": 0.4} if method == "edge_popup" else {}),
        replicates=2,
    )
    result = train_supermask(config, tmp_path)
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["branch"], row["replicate"]) for row in rows] == [
        (method, "0"),
        (method, "1"),
    ]
    # Constants stay constants: one magnitude a layer, or zero.
    kernels = [w.numpy() for w in result.model.weights if w.shape.rank == 2]
    assert len(kernels) == 2
    for kernel in kernels:
        assert len(np.unique(np.abs(kernel))) == 2
    share = np.mean(np.concatenate([k.ravel() for k in kernels]) != 0)
    assert share == pytest.approx(float(rows[1]["density"]))
    if method == "edge_popup":  # to a weight in each of two layers
        assert share == pytest.approx(0.4, abs=2 / (64 * 16))
    assert 1 - tflottery.sparsity(result.model) == pytest.approx(share)


def test_stopped_anywhere_it_ends_with_the_same_bits(tmp_path, monkeypatch):
    config = settings()
    whole = train_supermask(config, tmp_path / "whole")

    class Stopped(Exception):
        """In the place of a power cut."""

    begin, calls = CompiledEngine.begin_evaluation, []

    def stop(self, part):
        calls.append(part)
        if len(calls) == 3:  # at step 60
            raise Stopped
        return begin(self, part)

    with monkeypatch.context() as patch:
        patch.setattr(CompiledEngine, "begin_evaluation", stop)
        with pytest.raises(Stopped):
            train_supermask(config, tmp_path / "cut", checkpoint_seconds=0)
    checkpoints = list((tmp_path / "cut").rglob("checkpoint"))
    assert len(checkpoints) == 1
    again = train_supermask(config, tmp_path / "cut")
    assert not checkpoints[0].exists()
    assert [{**row, "seconds": 0} for row in again.rows] == [
        {**row, "seconds": 0} for row in whole.rows
    ]
    for one, other in zip(
        again.model.weights, whole.model.weights, strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_what_is_finished_is_read_and_not_trained_again(tmp_path, monkeypatch):
    config = settings(steps=20)
    first = train_supermask(config, tmp_path)
    monkeypatch.setattr(RoundTrainer, "train", None)
    second = train_supermask(config, tmp_path)
    assert first.rows == second.rows
    for one, other in zip(
        first.model.weights, second.model.weights, strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_folder_of_other_settings_is_refused(tmp_path):
    train_supermask(settings(steps=20), tmp_path)
    with pytest.raises(ValueError, match="density .there 0.5, here 0.3"):
        train_supermask(settings(steps=20, density=0.3), tmp_path)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"method": "edge_pop"}, "edge_popup"),
        ({"steps": 50}, "multiple of `validate_every`"),
        ({"learning_rate": 0.0}, "greater than 0"),
        ({"method": "bernoulli", "density": 0.3}, "`density` is for edge"),
    ],
)
def test_bad_settings_are_refused_in_words(changes, text):
    with pytest.raises(ValueError, match=text):
        settings(**changes)


def test_its_folder_is_not_taken_for_that_of_a_search(tmp_path):
    train_supermask(settings(steps=20), tmp_path)
    with pytest.raises(ValueError, match="supermasks were trained.*--output"):
        tflottery.load_network(tmp_path)
    with pytest.raises(ValueError, match="supermasks were trained"):
        tflottery.run_controls(tmp_path, ["one_shot"])
    with pytest.raises(ValueError, match="supermasks were trained"):
        tflottery.analysis.analyse(tmp_path)
