"""`ErrorMeter`: the error of any state of one architecture, compiled once.

A line between two networks is 30 networks, and a run directory has dozens of
lines. They all go through one model and one compiled function: a state is
written into the model's variables and the examples pass through in batches of
one shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.core import checks
from tflottery.data import AugmentedDataset
from tflottery.layers import state

BATCH = 1000
TRAIN_EXAMPLES = 10_000
_HELD_BYTES = 2**30  # of examples; more are read anew for every network


class ErrorMeter:
    """Measures training and test errors.

    Dropout is off and BatchNorm uses its stored statistics.

    Args:
        model: a built model of either Keras family that returns one score per
            class; its variables are overwritten.
        data: a `tflottery.data.Dataset`; images are taken as they are, not
            augmented.
        seed: chooses the training examples, the same for all networks.
        train_examples: how many; default 10,000. If there are fewer, all.

    Example:
        >>> import keras, tflottery
        >>> digits = tflottery.data.load("digits")
        >>> model = tflottery.models.build(
        ...     "mlp", keras, input_shape=(8, 8, 1), num_classes=10, hidden=[4])
        >>> meter = ErrorMeter(model, digits)
        >>> train, test = meter(meter.state())
        >>> 0.5 < train <= 1 and 0.5 < test <= 1
        True
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        seed: int = 0,
        train_examples: int = TRAIN_EXAMPLES,
    ):
        checks.check_positive_int("train_examples", train_examples)
        scores = tuple(model.output_shape)[1:]
        if scores != (data.num_classes,):
            raise ValueError(
                "`model` must return one score per class. Received: outputs "
                f"of shape {scores} for {data.num_classes} classes. Errors of "
                "other networks are not defined here."
            )
        self._model = model
        if isinstance(data, AugmentedDataset):
            data = data.source
        self.traces = 0
        count = min(train_examples, data.train_size)
        # One batch of them all: none twice, and no remainder is dropped.
        train = data.train_batches(count, seed=seed).take(1)
        parts = (train, count), (data.test_batches(BATCH), data.test_size)
        self._parts = [
            (_held(batches, size, data.input_shape), size)
            for batches, size in parts
        ]
        self._right = tf.function(
            self._count_right,
            input_signature=[
                tf.TensorSpec([None, *data.input_shape], tf.float32),
                tf.TensorSpec([None], tf.int32),
            ],
        )

    def __call__(self, values: Mapping[str, np.ndarray]) -> tuple[float, float]:
        """Returns `(training error, test error)` of a state.

        Args:
            values: `{path: array}`, as `Snapshot.weights` returns it.

        Returns:
            Shares of wrong answers, in [0, 1].

        Raises:
            ValueError: the state does not fit the model.
        """
        named = {state.WEIGHTS + path: v for path, v in values.items()}
        state.write(self._model, named, state.WEIGHTS)
        found = []
        for batches, size in self._parts:
            right = sum(int(self._right(x, y)) for x, y in _pieces(batches))
            found.append((size - right) / size)
        return found[0], found[1]

    def state(self) -> dict[str, np.ndarray]:
        """Returns `{path: array}` of the model as it is now."""
        return {
            name.removeprefix(state.WEIGHTS): variable.numpy()
            for name, variable in state.variables(
                self._model, state.WEIGHTS
            ).items()
        }

    def _count_right(self, x, y):
        self.traces += 1
        scores = self._model(x, training=False)
        found = tf.argmax(scores, axis=-1, output_type=tf.int32)
        return tf.math.count_nonzero(found == y)


def _held(batches: tf.data.Dataset, size: int, shape: tuple[int, ...]) -> Any:
    """Returns the batches in memory, if they are not too large for it."""
    if size * int(np.prod(shape, dtype=np.int64)) * 4 > _HELD_BYTES:
        return batches
    return list(batches)


def _pieces(batches: Any) -> Iterator[tuple[Any, Any]]:
    for x, y in batches:
        for first in range(0, int(y.shape[0]), BATCH):
            yield x[first : first + BATCH], y[first : first + BATCH]
