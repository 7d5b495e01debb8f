"""TF-MOT's mask update, timed in a process of its own.

Importing TF-MOT changes the Keras of the whole process, so it gets another
one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.other_process import OtherProcess, serve

ENVIRONMENT = {"TF_USE_LEGACY_KERAS": "1"}


class TfmotProcess(OtherProcess):
    """A process that holds a TF-MOT model and waits.

    Args:
        width: Units of each layer; a kernel is `width` x `width`.
        depth: Number of layers.
        sparsity: Share of each kernel that the update prunes.
    """

    def __init__(self, width: int, depth: int, sparsity: float):
        super().__init__(
            "benchmarks.tfmot_process",
            {"width": width, "depth": depth, "sparsity": sparsity},
            ENVIRONMENT,
        )

    def update(self) -> float:
        """Has all masks updated once; returns the seconds it took there."""
        return self.work()


def _make(width: int, depth: int, sparsity: float) -> Callable[[], float]:
    """Builds the model; returns the function that times one update."""
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot
    import tf_keras

    layers = [
        tf_keras.layers.Dense(width, use_bias=False) for _ in range(depth)
    ]
    model = tfmot.sparsity.keras.prune_low_magnitude(
        tf_keras.Sequential([tf_keras.Input((width,)), *layers]),
        pruning_schedule=tfmot.sparsity.keras.ConstantSparsity(
            sparsity, begin_step=0, frequency=1
        ),
    )
    wrappers = [
        layer for layer in model.layers if hasattr(layer, "pruning_obj")
    ]

    # As in its training: in a graph, the new masks first, then the weights.
    @tf.function
    def update():
        for wrapper in wrappers:
            wrapper.pruning_obj.conditional_mask_update()
        for wrapper in wrappers:
            wrapper.pruning_obj.weight_mask_op()

    for wrapper in wrappers:
        wrapper.pruning_step.assign(1)

    def timed() -> float:
        for wrapper in wrappers:
            for weight, mask, _ in wrapper.pruning_vars:
                weight.assign(tf.random.stateless_normal(weight.shape, (1, 2)))
                mask.assign(tf.ones_like(mask))
        start = time.perf_counter()
        update()
        seconds = time.perf_counter() - start
        masks = [wrapper.pruning_vars[0][1] for wrapper in wrappers]
        density = sum(float(tf.reduce_mean(mask)) for mask in masks) / depth
        if abs(1 - density - sparsity) > 0.01:
            raise RuntimeError(
                f"TF-MOT was to prune {sparsity} of the weights. Received: "
                f"density={density}. What was timed did not do the work."
            )
        return seconds

    return timed


if __name__ == "__main__":
    serve(_make)
