"""The order in which rows are trained on: shuffled anew in each epoch.

Which row comes when is a pure function of seed and epoch, so training can go
on from any step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf


class RowOrder:
    """Shuffles the rows of a data set, by functions that are traced once.

    Args:
        rows: Row numbers.

    Example:
        >>> epoch = RowOrder(np.arange(5)).epochs(seed=1, steps=2, batch_size=2)
        >>> batches = epoch(tf.constant(0, tf.int64))
        >>> batches.shape, len(set(batches.numpy().ravel()))
        (TensorShape([2, 2]), 4)
    """

    def __init__(self, rows: np.ndarray):
        with tf.init_scope(), tf.device("CPU:0"):
            self._rows = tf.constant(rows, tf.int32)
        self._traced: dict[tuple[int, int], Any] = {}

    def epochs(
        self, seed: int, steps: int, batch_size: int
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns a function of an epoch's number, an int64 scalar.

        Args:
            seed: Of the order, from 1.
            steps: Batches in an epoch.
            batch_size: Rows in a batch.

        Returns:
            It returns int32 tensors (steps, batch_size).
        """
        key = steps, batch_size
        if key not in self._traced:
            self._traced[key] = self._shuffling(steps, batch_size)
        return functools.partial(self._traced[key], tf.constant(seed, tf.int64))

    def _shuffling(self, steps, batch_size):
        @tf.function(autograph=False)
        def shuffling(seed, number):
            # The algorithm is named: it must not depend on the device.
            order = tf.random.experimental.stateless_shuffle(
                self._rows, seed=tf.stack([seed, number]), alg="philox"
            )
            order = order[: steps * batch_size]
            return tf.reshape(order, (steps, batch_size))

        return shuffling
