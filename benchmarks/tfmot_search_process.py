"""The peer TF-MOT: LeNet-300-100 pruned step by step to a search's sparsity.

TF-MOT has no rounds: it prunes while it trains once, along a schedule. So it
takes as many steps as all rounds of a search together, with as many
validations. Batches come from tflottery's own pipeline, as TF-MOT has none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.noise import NUM_CLASSES, Noise
from benchmarks.other_process import serve

_EVALUATION_BATCH = 1000


def _make(
    examples: Mapping[str, Any],
    learning_rate: float,
    batch_size: int,
    validate_every: int,
    prune_fraction: float,
    jit_compile: bool = True,
) -> Callable[..., float]:
    """Draws the data; returns the function that times a whole training."""
    import tf_keras

    noise = Noise(**{**examples, "shape": tuple(examples["shape"])})
    data = noise.dataset()

    def timed(steps: int, rounds: int) -> float:
        total = steps * (rounds + 1)
        sparsity = 1 - (1 - prune_fraction) ** rounds
        start = time.perf_counter()
        # The last pruning of a search is where its last round begins.
        model, callback = _wrapped(noise.shape, sparsity, steps * rounds)
        model.compile(
            optimizer=tf_keras.optimizers.Adam(learning_rate),
            loss=tf_keras.losses.SparseCategoricalCrossentropy(
                from_logits=True
            ),
            metrics=["accuracy"],
            jit_compile=jit_compile,
            steps_per_execution=validate_every,
        )
        history = model.fit(
            data.train_batches(batch_size, seed=0),
            steps_per_epoch=validate_every,
            epochs=total // validate_every,
            validation_data=data.validation_batches(_EVALUATION_BATCH),
            shuffle=False,
            verbose=0,
            callbacks=[callback],
        )
        model.evaluate(data.test_batches(_EVALUATION_BATCH), verbose=0)
        seconds = time.perf_counter() - start
        validations = len(history.history["val_loss"])
        _check(model, validations, total, validate_every, sparsity)
        return seconds

    return timed


def _wrapped(shape, sparsity, end_step):
    """Builds and wraps the network; returns its callback too."""
    import tensorflow_model_optimization as tfmot
    import tf_keras

    peer = tfmot.sparsity.keras
    dense = tf_keras.layers.Dense
    model = peer.prune_low_magnitude(
        tf_keras.Sequential(
            [
                tf_keras.Input(shape),
                tf_keras.layers.Flatten(),
                dense(300, "relu"),
                dense(100, "relu"),
                dense(NUM_CLASSES),
            ]
        ),
        pruning_schedule=peer.PolynomialDecay(
            0.0, sparsity, 0, end_step, frequency=min(100, end_step)
        ),
    )
    return model, peer.UpdatePruningStep()


def _check(model, validations, total, validate_every, sparsity):
    steps = int(model.optimizer.iterations.numpy())
    masks = [
        mask.numpy()
        for layer in model.layers
        if hasattr(layer, "pruning_obj")
        for _, mask, _ in layer.pruning_vars
    ]
    found = 1 - sum(m.sum() for m in masks) / sum(m.size for m in masks)
    done = steps, validations
    if done != (total, total // validate_every) or abs(found - sparsity) > 0.02:
        raise RuntimeError(
            f"TF-MOT was to take {total} steps, validate "
            f"{total // validate_every} times and end at sparsity "
            f"{sparsity:.3f}. Received: {done}, {found:.3f}. What was timed "
            "did not do the work."
        )


if __name__ == "__main__":
    serve(_make)
