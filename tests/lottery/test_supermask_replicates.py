"""Replicates of a trained supermask are random networks of their own."""

import numpy as np
import pytest

import tflottery
from tflottery.lottery.supermask_config import METHODS, SupermaskConfig
from tflottery.lottery.supermask_training import train_supermask


@pytest.mark.parametrize("method", METHODS)
def test_every_replicate_draws_its_own_weights(tmp_path, method):
    config = SupermaskConfig(
        method=method,
        dataset="digits",
        model_options={"hidden": [16]},
        steps=10,
        validate_every=10,
        replicates=2,
        jit_compile=False,
    )
    train_supermask(config, tmp_path)
    first, second = (
        tflottery.Snapshot.load(
            tmp_path
            / f"replicate_{n}/branches/{method}/draw_0/round_00/trained"
        ).weights()
        for n in (0, 1)
    )
    path = "fc1/kernel"
    share = np.mean(np.sign(first[path]) == np.sign(second[path]))
    # Coin flips agree in half of 1024 weights; five deviations are 0.08.
    assert share == pytest.approx(0.5, abs=0.08)
