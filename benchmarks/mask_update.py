"""Case `mask_update`: choosing which of 25 million weights go.

Measured three ways in turn: the pruner on arrays, `tflottery.prune` on a
wrapped and compiled model (weights out of Keras, masks back, weights and
optimizer slots zeroed), and the mask update of TF-MOT on a tf_keras model of
the same shapes, by TF-MOT's own code, in a process of its own.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

import tflottery
from benchmarks.figure import Figure
from benchmarks.measuring import alternate, seconds_of
from benchmarks.tfmot_process import TfmotProcess
from tflottery.layers import evidence
from tflottery.pruning.criteria import Evidence
from tflottery.pruning.pruner import Pruner

TINY = {"width": 16, "depth": 2, "runs": 1}
_SPARSITY = 0.2


def run(*, width: int = 2048, depth: int = 6, runs: int = 7) -> list[Figure]:
    """Returns the times of one update and TF-MOT's over ours.

    Args:
        width: Units of each layer; a kernel is `width` x `width`.
        depth: Number of layers.
        runs: Measurements of each.
    """
    arrays = _Arrays(width, depth)
    model = _Model(width, depth)
    with TfmotProcess(width, depth, _SPARSITY) as tfmot:
        found = alternate(
            {
                "pruner": arrays.update,
                "prune": model.update,
                "TF-MOT": tfmot.update,
            },
            runs=runs,
        )
    weights = f"{width * width * depth / 1e6:.3g} M weights"
    return [
        *(
            Figure(
                name=f"mask_update/TF-MOT over {ours}",
                what=f"mask update of {weights}, TF-MOT over {what}",
                values=found["TF-MOT"].over(found[ours]),
                parts={name: found[name] for name in ("TF-MOT", ours)},
            )
            for ours, what in (
                ("pruner", "the pruner"),
                ("prune", "`tflottery.prune`"),
            )
        ),
        Figure(
            name="mask_update/pruner",
            what=f"new global mask for {weights}, arrays to masks",
            values=found["pruner"],
            unit="s",
            at_most=0.3,
            parts={"pruner": found["pruner"]},
        ),
        Figure(
            name="mask_update/prune",
            what=f"`tflottery.prune` of a compiled model of {weights}",
            values=found["prune"],
            unit="s",
            parts={"prune": found["prune"]},
        ),
    ]


class _Arrays:
    """Weights as arrays, as the pruner sees them."""

    def __init__(self, width: int, depth: int):
        generator = np.random.default_rng(0)
        self.weights = {
            f"layer_{number}/kernel": generator.standard_normal(
                (width, width), dtype=np.float32
            )
            for number in range(depth)
        }
        self.mask = tflottery.Mask.ones_like(self.weights)
        self.pruner = Pruner(scope="global")

    def update(self) -> float:
        found: list[Any] = []
        seconds = seconds_of(
            lambda: found.append(
                self.pruner.prune(
                    self.mask, Evidence(self.weights), 1 - _SPARSITY
                )
            )
        )
        _check(found[0].sparsity)
        return seconds


class _Model:
    """A model as a search holds it: wrapped, compiled, with Adam's slots."""

    def __init__(self, width: int, depth: int):
        layers = [
            keras.layers.Dense(width, use_bias=False) for _ in range(depth)
        ]
        self.model = tflottery.prune_iteratively(
            keras.Sequential([keras.Input((width,)), *layers])
        )
        self.model.compile("adam", "mse")
        self.model.optimizer.build(self.model.trainable_variables)
        self.dense = evidence.current_mask(self.model)
        self.weights = self.model.get_weights()

    def update(self) -> float:
        evidence.set_mask(self.model, self.dense)
        self.model.set_weights(self.weights)
        seconds = seconds_of(lambda: tflottery.prune(self.model, 1 - _SPARSITY))
        _check(tflottery.sparsity(self.model))
        return seconds


def _check(sparsity: float) -> None:
    if abs(sparsity - _SPARSITY) > 0.01:
        raise RuntimeError(
            f"The update was to prune {_SPARSITY} of the weights. Received: "
            f"sparsity={sparsity}. What was timed did not do the work."
        )
