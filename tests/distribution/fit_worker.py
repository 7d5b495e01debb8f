"""One worker of a cluster: a `fit` of the user's own, told by TF_CONFIG.

Run as a script with a folder as its argument; writes `worker_<number>.json`
there, for the test to read.
"""

import json
import pathlib
import sys

import numpy as np
import tf_keras

import tflottery
from tflottery.distribution import get_strategy
from tflottery.layers import evidence


class Shown(tflottery.callbacks.SnapshotAt):
    """Notes, after each step, the digest of all that replicas share."""

    def __init__(self, path):
        super().__init__("3it", path)
        self.digests = []

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        self.digests.append(tflottery.Snapshot.take(self.model).digest())


def main(folder):
    strategy = get_strategy("multi_worker")  # before anything runs
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 6))
    y = np.argmax(x @ rng.normal(size=(6, 4)), axis=1)
    with strategy.scope():
        model = tf_keras.Sequential(
            [
                tf_keras.Input((6,), dtype="float64"),
                tf_keras.layers.Dense(8, "relu", dtype="float64"),
                tf_keras.layers.BatchNormalization(dtype="float64"),
                tf_keras.layers.Dense(4, dtype="float64"),
            ]
        )
    # Outside of the scope, where a user may well call it.
    model = tflottery.prune_iteratively(model, 0.5, rewind_to="3it")
    with strategy.scope():
        model.compile(
            tf_keras.optimizers.SGD(0.3, momentum=0.9),
            tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    search = tflottery.callbacks.IterativePruning(
        rounds=2, epochs_per_round=2, validation_data=(x, y)
    )
    shown = Shown(folder / "snapshot")
    summaries = tflottery.PruningSummaries(folder / "logs")
    model.fit(
        x,
        y,
        batch_size=16,
        epochs=search.epochs,
        verbose=0,
        callbacks=[search, shown, summaries],
    )
    workers = search.workers
    refused = ""
    try:
        workers.check_same("test", ("0" if workers.is_chief else "1") * 64)
    except RuntimeError as error:
        refused = str(error)
    found = {
        "replicas": strategy.num_replicas_in_sync,
        "run_dir": summaries.run_dir,
        "digests": shown.digests,
        "masks": [
            search.ticket_of_round(r).mask.digest()
            for r in range(len(search.history))
        ],
        "densities": [row["density"] for row in search.history],
        "val_loss": [row["val_loss"] for row in search.history],
        "sparsity": tflottery.sparsity(model),
        "mirrored": [
            hasattr(mask, "values")
            for wrapper in evidence.wrappers(model)
            for _, mask in wrapper.masked_weights.values()
        ],
        "refused": refused,
    }
    path = folder / f"worker_{workers.number}.json"
    path.write_text(json.dumps(found))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
