"""Case `step_conv`: a masked step of a convolutional net over a dense one.

Here a weight is used at many places of an image, so masking it once is little
beside its use. The aim is for XLA; how searches take such steps on CPUs,
without it, is measured by `step_search`.
"""

from __future__ import annotations

from benchmarks.figure import Figure
from benchmarks.stepping import masked_over_dense

TINY = {
    "network": "conv2",
    "input_shape": (2, 2, 3),
    "batch_size": 2,
    "steps": 1,
    "runs": 1,
}


def run(
    *,
    network: str = "conv4",
    input_shape: tuple[int, int, int] = (32, 32, 3),
    batch_size: int = 60,
    steps: int = 3,
    runs: int = 11,
) -> list[Figure]:
    """Returns the ratio with and without XLA.

    Args:
        network: Name of the network in the zoo.
        input_shape: Shape of an image.
        batch_size: Examples per step.
        steps: Steps in one measurement.
        runs: Measurements of each model.
    """
    return [
        masked_over_dense(
            "step_conv",
            network,
            input_shape,
            jit_compile=jit_compile,
            at_most=1.02 if jit_compile else None,
            batch_size=batch_size,
            steps=steps,
            steps_per_execution=1,
            runs=runs,
        )
        for jit_compile in (True, False)
    ]
