"""TF-MOT's mask update, timed in a process of its own.

Importing TF-MOT changes the Keras of the whole process, so it gets another
one. That process builds its model once and then updates the masks each time
it is told to, so that it can take turns with what it is compared with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


class TfmotProcess:
    """A process that holds a TF-MOT model and waits.

    Args:
        width: Units of each layer; a kernel is `width` x `width`.
        depth: Number of layers.
        sparsity: Share of each kernel that the update prunes.
    """

    def __init__(self, width: int, depth: int, sparsity: float):
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(width), str(depth), str(sparsity)],
            env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> TfmotProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=60)

    def update(self) -> float:
        """Has all masks updated once; returns the seconds it took there."""
        self._process.stdin.write("update\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):
                return float(json.loads(line)["seconds"])
        raise RuntimeError(
            "TF-MOT's process ended without a figure. Received: exit code "
            f"{self._process.wait(timeout=60)}. Its error is printed above."
        )


def _serve(width: int, depth: int, sparsity: float) -> None:
    """Answers each line of input with the time of one update."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
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
    for _ in sys.stdin:
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
            sys.exit(f"TF-MOT pruned to density {density}; no update ran.")
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
