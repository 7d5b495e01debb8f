"""A tf_keras model that TF-MOT has pruned goes on as a search for a ticket.

Run it with `python examples/from_tfmot.py [OUTPUT_DIR]`; it takes some
seconds. It needs `tf-keras` and `tensorflow-model-optimization`, which come
with tflottery.
"""

from __future__ import annotations

import pathlib
import sys

import tensorflow_model_optimization as tfmot
import tf_keras

import tflottery


def build() -> tf_keras.Model:
    """Returns a classifier of the 8 x 8 digits, not compiled."""
    return tf_keras.Sequential(
        [
            tf_keras.Input((8, 8, 1)),
            tf_keras.layers.Flatten(),
            tf_keras.layers.Dense(100, activation="relu", name="hidden"),
            tf_keras.layers.Dense(10, name="output"),
        ]
    )


def compile_model(model: tf_keras.Model) -> None:
    """Compiles a model as both parts of this program need it."""
    model.compile(
        optimizer=tf_keras.optimizers.Adam(2e-3),
        loss=tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def main(output_dir: str = "runs/from_tfmot") -> None:
    """Prunes with TF-MOT, takes the model over, rewinds, strips, saves."""
    output = pathlib.Path(output_dir)
    output.mkdir(parents=True, exist_ok=True)
    tf_keras.utils.set_random_seed(0)
    data = tflottery.data.load("digits")
    steps = data.steps_per_epoch(64)
    validation = data.validation_batches(300)

    # What you have: TF-MOT, to 50 % sparsity.
    model = tfmot.sparsity.keras.prune_low_magnitude(
        build(),
        tfmot.sparsity.keras.PolynomialDecay(
            0.1, 0.5, begin_step=0, end_step=4 * steps, frequency=10
        ),
    )
    compile_model(model)
    model.fit(
        data.train_batches(64, seed=0),
        steps_per_epoch=steps,
        epochs=6,
        verbose=0,
        callbacks=[tfmot.sparsity.keras.UpdatePruningStep()],
    )
    print(f"TF-MOT leaves a sparsity of {tflottery.sparsity(model):.3f}")

    # What is new: the same model, its masks kept, pruned on with rewinding.
    model = tflottery.prune_iteratively(
        model, prune_fraction=0.3, rewind_to="1ep"
    )
    compile_model(model)
    search = tflottery.callbacks.IterativePruning(
        rounds=4, epochs_per_round=6, validation_data=validation
    )
    model.fit(
        data.train_batches(64, seed=0),
        steps_per_epoch=steps,
        epochs=search.epochs,
        verbose=0,
        callbacks=[search],
    )

    # TF-MOT's tools take the model as one of theirs.
    final = tfmot.sparsity.keras.strip_pruning(model)
    final.save(output / "digits.keras")
    search.ticket.save(output / "digits.ticket")
    print(f"sparsity {tflottery.sparsity(final):.3f}; saved in {output}")


if __name__ == "__main__":
    main(*sys.argv[1:])
