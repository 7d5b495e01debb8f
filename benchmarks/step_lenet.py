"""Case `step_lenet`: a masked step of LeNet-300-100 over a dense one.

The network of the paper, whose step is so short that anything done per step
shows. The aim is for XLA, which searches use.
"""

from __future__ import annotations

from benchmarks.figure import Figure
from benchmarks.stepping import masked_over_dense

TINY = {"steps": 2, "steps_per_execution": 2, "batch_size": 4, "runs": 1}


def run(
    *,
    batch_size: int = 60,
    steps: int = 500,
    steps_per_execution: int = 100,
    runs: int = 15,
) -> list[Figure]:
    """Returns the ratio with and without XLA.

    Args:
        batch_size: Examples per step.
        steps: Steps in one measurement.
        steps_per_execution: Steps that `fit` runs as one function call.
        runs: Measurements of each model.
    """
    return [
        masked_over_dense(
            "step_lenet",
            "lenet_300_100",
            (28, 28, 1),
            jit_compile=jit_compile,
            at_most=1.05 if jit_compile else None,
            batch_size=batch_size,
            steps=steps,
            steps_per_execution=steps_per_execution,
            runs=runs,
        )
        for jit_compile in (True, False)
    ]
