"""Prunes and rewinds a model of your own inside one `fit`.

Run it with `python examples/one_fit.py [OUTPUT_DIR]`; it takes some seconds.
"""

from __future__ import annotations

import pathlib
import sys

import keras

import tflottery


def build() -> keras.Model:
    """Returns a classifier of the 8 x 8 digits, not compiled."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(100, activation="relu", name="hidden"),
            keras.layers.Dense(10, name="output"),
        ]
    )


def main(output_dir: str = "runs/one_fit") -> None:
    """Searches, reports and saves."""
    output = pathlib.Path(output_dir)
    output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    data = tflottery.data.load("digits")
    steps = data.steps_per_epoch(64)

    # The output layer is small and hurts most: prune it half as fast.
    model = tflottery.prune_iteratively(
        build(),
        prune_fraction={"output": 0.1, "default": 0.2},
        scope="layerwise",
        rewind_to="1ep",
    )
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    search = tflottery.callbacks.IterativePruning(
        rounds=8,
        epochs_per_round=8,
        validation_data=data.validation_batches(300),
    )
    model.fit(
        data.train_batches(64, seed=0),
        steps_per_epoch=steps,
        epochs=search.epochs,
        verbose=0,
        callbacks=[
            search,
            tflottery.callbacks.PruningSummaries(str(output / "logs")),
        ],
    )

    search.ticket.save(output / "digits.ticket")
    tflottery.strip_pruning(model).save(output / "digits.keras")
    print(f"sparsity {tflottery.sparsity(model):.3f}; saved in {output}")


if __name__ == "__main__":
    main(*sys.argv[1:])
