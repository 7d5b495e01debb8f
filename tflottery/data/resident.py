"""`Resident`: examples in memory, of which a batch is one gather.

It is used twice: in a pipeline on the host, and inside a compiled program,
where the row numbers are all that has to be passed in.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True, eq=False)
class Resident:
    """Inputs and labels that stay where they are, and which rows count.

    Args:
        inputs: Tensor (examples, ...), uint8 or float32.
        labels: Int32 tensor (examples,).
        rows: Integer array of the row numbers that belong to this part of the
            data, in order.
        scale: Factor for the inputs, applied to a batch after it is cast to
            float32.

    Example:
        >>> part = Resident(tf.constant([[2], [4]]), tf.constant([0, 1]),
        ...                 rows=np.array([1]), scale=0.5)
        >>> x, y = part.batch(tf.constant([1, 0]))
        >>> x.numpy().tolist(), y.numpy().tolist(), part.size
        ([[2.0], [1.0]], [1, 0], 1)
    """

    inputs: Any
    labels: Any
    rows: np.ndarray
    scale: float

    @property
    def size(self) -> int:
        """How many examples belong to this part."""
        return len(self.rows)

    def batch(self, rows: Any) -> tuple[Any, Any]:
        """Returns float32 inputs and int32 labels of some rows.

        Args:
            rows: Int32 tensor of row numbers, of any shape.
        """
        inputs, labels = (
            tf.gather(self.inputs, rows),
            tf.gather(self.labels, rows),
        )
        return self.scaled(inputs), labels

    def scaled(self, inputs: Any) -> Any:
        """Returns inputs as a network gets them: float32, scaled.

        Args:
            inputs: Rows of `inputs`.
        """
        x = tf.cast(inputs, tf.float32)
        if self.scale != 1.0:
            x = x * tf.constant(self.scale, tf.float32)
            if inputs.dtype == tf.uint8 and self.scale > 0:
                # Changes nothing, and so must be computed as it is written:
                # a compiler may draw a product together with a sum or a
                # product that follows, and round once instead of twice.
                x = tf.maximum(x, 0.0)
        return x

    def in_order(self) -> Resident:
        """Returns the same with its rows side by side: row 0, 1, 2, ..."""
        order = np.arange(self.size)
        if self.size == len(self.labels) and np.array_equal(self.rows, order):
            return self
        rows = tf.constant(self.rows, tf.int32)
        return dataclasses.replace(
            self,
            inputs=tf.gather(self.inputs, rows),
            labels=tf.gather(self.labels, rows),
            rows=order,
        )

    def on_device(self) -> Resident:
        """Returns the same where TensorFlow computes, copied if need be."""
        if not tf.config.list_logical_devices("GPU"):
            return self
        return dataclasses.replace(
            self,
            inputs=tf.identity(self.inputs),
            labels=tf.identity(self.labels),
        )
