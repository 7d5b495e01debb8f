"""Searches on several devices of one machine: all GPUs, or two halves of a CPU.

Run it with `python examples/distributed_mirrored.py [OUTPUT_DIR]`; it takes
half a minute. With two GPUs or more it uses all of them. Otherwise it shows
the same on two logical CPUs, which is no faster than one.
"""

from __future__ import annotations

import pathlib
import sys

import keras
import tensorflow as tf

import tflottery
from tflottery import distribution


def mirrored() -> tf.distribute.Strategy:
    """Returns a strategy of two replicas or more."""
    gpus = tf.config.list_physical_devices("GPU")
    devices = None if len(gpus) > 1 else "CPU:0,CPU:1"
    strategy = distribution.get_strategy("mirrored", devices=devices)
    replicas = strategy.num_replicas_in_sync
    if replicas < 2:
        sys.exit(f"Two replicas or more were expected. Received: {replicas}.")
    print(f"{replicas} replicas in sync")
    return strategy


def search(strategy: tf.distribute.Strategy, run_dir: pathlib.Path) -> None:
    """Searches as an experiment; each batch is divided among the replicas."""
    config = tflottery.SearchConfig(
        dataset="digits",
        model="mlp",
        model_options={"hidden": [64]},
        batch_size=8 * strategy.num_replicas_in_sync,
        steps=100,
        validate_every=20,
        rounds=2,
    )
    result = tflottery.find_ticket(
        config=config, run_dir=run_dir, strategy=strategy
    )
    print(result.verdict)


def fit(strategy: tf.distribute.Strategy, output: pathlib.Path) -> None:
    """Prunes and rewinds a model of your own inside one `fit`."""
    keras.utils.set_random_seed(0)
    data = tflottery.data.load("digits")
    batch_size = 8 * strategy.num_replicas_in_sync
    steps = data.steps_per_epoch(batch_size)

    # Build, wrap and compile in the scope, so that each replica has its copy
    # of the masks and of the optimizer.
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Flatten(),
                keras.layers.Dense(64, activation="relu", name="hidden"),
                keras.layers.Dense(10, name="output"),
            ]
        )
        model = tflottery.prune_iteratively(
            model, prune_fraction=0.3, rewind_to="1ep"
        )
        model.compile(
            optimizer=keras.optimizers.Adam(2e-3),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
    callback = tflottery.callbacks.IterativePruning(
        rounds=3,
        epochs_per_round=3,
        validation_data=data.validation_batches(150),
    )
    model.fit(
        data.train_batches(batch_size, seed=0),
        steps_per_epoch=steps,
        epochs=callback.epochs,
        verbose=0,
        callbacks=[callback],
    )

    callback.ticket.save(output / "digits.ticket")
    print(f"sparsity {tflottery.sparsity(model):.3f}; saved in {output}")


def main(output_dir: str = "runs/distributed_mirrored") -> None:
    """Runs both."""
    output = pathlib.Path(output_dir)
    output.mkdir(parents=True, exist_ok=True)
    strategy = mirrored()
    search(strategy, output / "search")
    fit(strategy, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
