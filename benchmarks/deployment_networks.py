"""The networks of the deployment tables: tickets on MNIST, and others pruned.

Tickets are searched for once and kept in a folder; a search that is finished
there, or half finished, is gone on with.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import tflottery

_LENET = tflottery.SearchConfig(
    dataset="tfds:mnist",
    model="lenet_300_100",
    rounds=19,
    steps=2000,
    prune_fraction=0.2,
    output_prune_fraction=0.1,
)
_CONV4 = tflottery.SearchConfig(
    dataset="tfds:mnist",
    model="conv4",
    rounds=5,
    steps=400,
    batch_size=30,
    learning_rate=3e-4,
    prune_fraction=0.536,
    validate_every=200,
)


class Networks:
    """All networks, each built when it is asked for.

    Args:
        folder: where searches are kept.
        data_dir: folder of prepared TFDS data, with MNIST.
    """

    def __init__(self, folder: Any, data_dir: Any):
        self.folder = pathlib.Path(folder)
        self.data_dir = data_dir
        self.data = tflottery.data.load("tfds:mnist", data_dir=data_dir)

    def by_name(self) -> dict[str, Callable[[], Any]]:
        """Returns `{name: function that returns a wrapped model}`."""
        return {
            "LeNet-300-100, 89 %": lambda: self.ticket(_LENET, 10),
            "LeNet-300-100, 98 %": lambda: self.ticket(_LENET, 18),
            "Conv-4, 90 %": lambda: self.ticket(_CONV4, 3),
            "Conv-4, 98 %": lambda: self.ticket(_CONV4, 5),
            "Dense 1024, 90 %": lambda: dense_1024(None),
            "Dense 1024, 90 % in 4x1 blocks": lambda: dense_1024(
                tflottery.Block(4, 1)
            ),
            "MobileNetV2, 80 % of 1x1": mobilenet,
            "LSTM, 90 %": lstm,
            "Transformer, 90 %": transformer,
        }

    def ticket(self, config: Any, round: int) -> Any:
        """Returns the trained network of a round of a search."""
        run_dir = self.folder / config.model
        tflottery.find_ticket(
            config=config, run_dir=run_dir, data_dir=self.data_dir
        )
        return tflottery.load_network(run_dir, round=round)

    def lenet(self) -> Any:
        """Returns LeNet with 1.5 % of its weights left."""
        return self.ticket(_LENET, 19)

    def dense(self, model: str) -> Any:
        """Returns a trained dense network: `lenet_300_100` or `conv4`."""
        config = {"lenet_300_100": _LENET, "conv4": _CONV4}[model]
        return self.ticket(config, 0)

    def conv4_without_channels(self, steps: int = 400) -> Any:
        """Returns Conv-4 with a quarter of its channels, trained on."""
        model = tflottery.prune_once(
            tflottery.strip_pruning(self.dense("conv4")),
            sparsity=0.75,
            scope="layerwise",
            structure=tflottery.Channel(),
            skip=["output"],
        )
        model.compile(
            optimizer=keras.optimizers.Adam(3e-4),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        batches = self.data.train_batches(30, seed=1)
        model.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0)
        return model

    def examples(self, count: int = 200) -> np.ndarray:
        """Returns training images."""
        images, _ = next(iter(self.data.train_batches(count, seed=0)))
        return np.asarray(images)

    def test(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the first test images with their labels."""
        found = [
            (np.asarray(x), np.asarray(y))
            for x, y in self.data.test_batches(1000)
        ]
        x, y = (np.concatenate(part) for part in zip(*found, strict=True))
        return x[:count], y[:count]


def dense_1024(structure: Any) -> Any:
    """Returns two layers of 1,024 units without 90 % of their weights."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((1024,), name="x"),
            layers.Dense(1024, activation="relu"),
            layers.Dense(1024, activation="relu"),
            layers.Dense(10),
        ]
    )
    return tflottery.prune_once(model, sparsity=0.9, structure=structure)


def mobilenet() -> Any:
    """Returns MobileNetV2 without 80 % of the weights of 1x1 convolutions."""
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(
        (96, 96, 3),
        alpha=0.35,
        weights=None,
        classes=10,
        classifier_activation=None,
    )
    model = tflottery.prune_once(model, sparsity=0.8, skip=_is_not_pointwise)
    # Without statistics of their own, signals die out on the way.
    noise = np.random.default_rng(0).normal(size=(32, 96, 96, 3))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.2
    for _ in range(8):
        model(noise.astype("float32"), training=True)
    return model


def _is_not_pointwise(layer):
    if isinstance(layer, keras.layers.Conv2D):
        return layer.kernel_size != (1, 1)
    return isinstance(layer, keras.layers.Dense)


def lstm() -> Any:
    """Returns an LSTM that reads 28 rows of 28 numbers."""
    keras.utils.set_random_seed(0)
    x = keras.Input((28, 28), name="rows")
    h = keras.layers.LSTM(128)(x)
    model = keras.Model(x, keras.layers.Dense(10)(h))
    return tflottery.prune_once(model, sparsity=0.9)


def transformer() -> Any:
    """Returns two blocks of attention over 32 tokens of 1,000."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    tokens = keras.Input((32,), dtype="int32", name="tokens")
    h = layers.Embedding(1000, 64)(tokens)
    for _ in range(2):
        a = layers.MultiHeadAttention(4, 16)(h, h)
        h = layers.LayerNormalization()(layers.Add()([h, a]))
        f = layers.Dense(256, activation="gelu")(h)
        f = layers.Dense(64)(f)
        h = layers.LayerNormalization()(layers.Add()([h, f]))
    h = layers.GlobalAveragePooling1D()(h)
    model = keras.Model(tokens, layers.Dense(10)(h))
    # Ranked together, the small numbers of the embedding would all go.
    return tflottery.prune_once(model, sparsity=0.9, scope="layerwise")
