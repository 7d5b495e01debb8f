"""Case `step_resnet`: a masked step of ResNet-20 over a dense one.

Its twenty small kernels are used at every place of an image, and between them
stand normalisations without masks. With XLA; how searches take such steps on
CPUs, without it, is measured by `step_search`.
"""

from __future__ import annotations

from benchmarks.figure import Figure
from benchmarks.stepping import masked_over_dense

TINY = {"input_shape": (4, 4, 3), "batch_size": 2, "steps": 1, "runs": 1}


def run(
    *,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    batch_size: int = 32,
    steps: int = 3,
    runs: int = 11,
) -> list[Figure]:
    """Returns the ratio with XLA.

    Args:
        input_shape: Shape of an image.
        batch_size: Examples per step.
        steps: Steps in one measurement.
        runs: Measurements of each model.
    """
    return [
        masked_over_dense(
            "step_resnet",
            "resnet20",
            input_shape,
            jit_compile=True,
            at_most=1.02,
            batch_size=batch_size,
            steps=steps,
            steps_per_execution=1,
            runs=runs,
        )
    ]
