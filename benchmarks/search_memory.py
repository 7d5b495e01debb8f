"""Case `search_memory`: what a search needs in memory beside the training.

The network has 25 million weights, so that all else is small. Peaks are those
of whole processes; what one call of the pruner needs is counted by Python.
"""

from __future__ import annotations

import tracemalloc

import numpy as np

import tflottery
from benchmarks.figure import Figure
from benchmarks.measuring import Sample, alternate
from benchmarks.noise import NUM_CLASSES
from benchmarks.other_process import OtherProcess
from tflottery.pruning.criteria import Evidence
from tflottery.pruning.pruner import Pruner

TINY = {
    "width": 16,
    "depth": 2,
    "steps": 2,
    "rounds": 1,
    "batch_size": 2,
    "runs": 1,
}
_FLOAT = 4
# In units of the weights: weights, two slots of Adam, a snapshot of all three,
# masks of one bit a weight.
_ALLOWANCE = 1 + 2 + 3 + 1 / 32
_SPARSITY = 0.2
# glibc by itself keeps blocks of some MB for later when they are freed, and a
# peak is then one of what has been kept as well. Other systems do not heed it.
_GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
_KEEPS = ", freed memory kept"


def run(
    *,
    width: int = 2048,
    depth: int = 6,
    steps: int = 4,
    rounds: int = 2,
    batch_size: int = 32,
    runs: int = 5,
) -> list[Figure]:
    """Returns the memory of a search beyond that of `fit`, and a pruner's.

    Args:
        width: Inputs and units of each layer; a kernel is `width` x `width`.
        depth: Number of hidden layers.
        steps: Steps in a round.
        rounds: Rounds after the dense one.
        batch_size: Examples in a step.
        runs: Measurements of each.
    """
    settings = {
        "width": width,
        "depth": depth,
        "steps": steps,
        "rounds": rounds,
        "batch_size": batch_size,
    }

    def peak(kind: str, environment: dict[str, str]) -> float:
        with OtherProcess(
            "benchmarks.memory_process", settings, environment
        ) as process:
            return process.work(kind=kind)

    found = alternate(
        {
            kind + words: lambda kind=kind, environment=environment: peak(
                kind, environment
            )
            for words, environment in (("", _GIVES_BACK), (_KEEPS, {}))
            for kind in ("search", "fit", "nothing")
        },
        runs=runs,
        warm_up=0,
    )
    weights = _FLOAT * (depth * (width + 1) * width + (width + 1) * NUM_CLASSES)
    pruner, scores = _pruner(width, depth)
    size = f"{weights / _FLOAT / 1e6:.3g} M weights"
    return [
        *(
            Figure(
                name=f"search_memory/search{words}",
                what=f"peak of a search less that of `fit`, over {size}{words}",
                values=found[f"search{words}"]
                .minus(found[f"fit{words}"])
                .scaled(1 / weights),
                at_most=aim,
                parts={
                    **{
                        kind: found[kind + words]
                        for kind in ("search", "fit", "nothing")
                    },
                    "weights": Sample((weights,)),
                },
                parts_in="bytes",
            )
            for words, aim in (("", _ALLOWANCE), (_KEEPS, None))
        ),
        Figure(
            name="search_memory/pruner",
            what=f"peak within a call of the pruner, over {size}",
            values=pruner.over(scores),
            at_most=1.5,
            parts={"pruner": pruner, "scores": scores},
            parts_in="bytes",
        ),
    ]


def _pruner(width, depth):
    """Returns what a call takes beside its arguments, and their scores."""
    generator = np.random.default_rng(0)
    weights = {
        f"layer_{number}/kernel": generator.standard_normal(
            (width, width), dtype=np.float32
        )
        for number in range(depth)
    }
    mask = tflottery.Mask.ones_like(weights)
    pruner = Pruner(scope="global")
    tracemalloc.start()
    try:
        pruned = pruner.prune(mask, Evidence(weights), 1 - _SPARSITY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if abs(pruned.sparsity - _SPARSITY) > 0.01:
        raise RuntimeError(
            f"The pruner was to prune {_SPARSITY} of the weights. Received: "
            f"{pruned.sparsity}. What was measured did not do the work."
        )
    scores = sum(array.nbytes for array in weights.values())
    return Sample((float(peak),)), Sample((float(scores),))
