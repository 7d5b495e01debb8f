"""Case `turnaround`: what stands between two rounds, as a share of a round.

Between the last step of a round and the first of the next, the weights are
ranked, the mask shrinks and the survivors go back. A round here is 2,000 steps
of LeNet-300-100 without any validation, so the share is not flattered.
"""

from __future__ import annotations

from typing import Any

from benchmarks.figure import Figure
from benchmarks.measuring import alternate, seconds_of
from benchmarks.stepping import compiled, fit, masked, random_images
from tflottery.layers import evidence, prune, state
from tflottery.rewinding.policy import WeightRewinding
from tflottery.rewinding.snapshot import Snapshot

TINY = {"batch_size": 4, "steps": 2, "steps_per_execution": 2, "runs": 1}


def run(
    *,
    batch_size: int = 60,
    steps: int = 2000,
    steps_per_execution: int = 100,
    runs: int = 7,
) -> list[Figure]:
    """Returns prune and rewind over the training of a round, in percent.

    Args:
        batch_size: Examples per step.
        steps: Steps in a round.
        steps_per_execution: Steps that `fit` runs as one function call.
        runs: Measurements of each.
    """
    network = _Network(batch_size, steps, steps_per_execution)
    found = alternate(
        {"round": network.train, "prune and rewind": network.turn}, runs=runs
    )
    share = found["prune and rewind"].over(found["round"])
    return [
        Figure(
            name="turnaround",
            what=f"prune and rewind over a round of {steps} steps of LeNet",
            values=share.scaled(100.0),
            unit="%",
            at_most=1.0,
            parts=found,
        )
    ]


class _Network:
    """LeNet as a search holds it, and what happens to it."""

    def __init__(self, batch_size: int, steps: int, steps_per_execution: int):
        self.model: Any = compiled(
            "lenet_300_100",
            (28, 28, 1),
            wrap=masked,
            jit_compile=True,
            steps_per_execution=steps_per_execution,
        )
        self.batches = random_images((28, 28, 1)).train_batches(
            batch_size, seed=0
        )
        self.steps = steps
        self.mask = evidence.current_mask(self.model)
        self.start = Snapshot.take(self.model)

    def train(self) -> float:
        return seconds_of(lambda: fit(self.model, self.batches, self.steps))

    def turn(self) -> float:
        """Prunes and rewinds; puts mask and training back, unmeasured."""
        trained = state.read(self.model)
        seconds = seconds_of(self._prune_and_rewind)
        evidence.set_mask(self.model, self.mask)
        state.write(self.model, trained)
        return seconds

    def _prune_and_rewind(self):
        prune.prune(self.model, self.mask.density * 0.8)
        WeightRewinding().apply(self.model, self.start)
