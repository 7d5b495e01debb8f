"""TF-MOT's gradual pruning on a Keras 3 model, inside one `fit`.

Run it with `python examples/gradual_keras3.py [OUTPUT_DIR]`; it takes some
seconds.
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
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10),
        ]
    )


class SparsityPrinter(keras.callbacks.Callback):
    """Prints what is stored, not what the schedule aims at."""

    def on_epoch_end(self, epoch, logs=None):
        """Prints a line per epoch."""
        print(
            f"epoch {epoch + 1:2d}: sparsity "
            f"{tflottery.sparsity(self.model):.3f}, validation accuracy "
            f"{logs['val_accuracy']:.3f}"
        )


def main(output_dir: str = "runs/gradual_keras3") -> None:
    """Trains from dense to 90 % sparse, and saves the model."""
    output = pathlib.Path(output_dir)
    output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    data = tflottery.data.load("digits")
    steps, epochs = data.steps_per_epoch(64), 20

    # Dense for two epochs, sparser and sparser until the twelfth, then the
    # masks stay and the survivors train on.
    model = tflottery.prune_low_magnitude(
        build(),
        pruning_schedule=tflottery.PolynomialDecay(
            initial_sparsity=0.3,
            final_sparsity=0.9,
            begin_step=2 * steps,
            end_step=12 * steps,
            frequency=steps // 2,
        ),
    )
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        data.train_batches(64, seed=0),
        steps_per_epoch=steps,
        epochs=epochs,
        validation_data=data.validation_batches(300),
        verbose=0,
        callbacks=[
            tflottery.UpdatePruningStep(),
            tflottery.PruningSummaries(str(output / "logs")),
            SparsityPrinter(),
        ],
    )

    final = tflottery.strip_pruning(model)
    final.save(output / "digits.keras")
    print(f"sparsity {tflottery.sparsity(final):.3f}; saved in {output}")


if __name__ == "__main__":
    main(*sys.argv[1:])
