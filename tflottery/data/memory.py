"""Datasets that fit into memory: whole batches are gathered by row number.

The networks of the lottery-ticket papers train in a few milliseconds a step,
so a pipeline that touches examples one by one would be the slowest part of an
experiment. Here the rows of an epoch are shuffled at once and every batch is
one gather; starting at a later step skips row numbers, not data.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tflottery.data import dataset
from tflottery.data.delivery import delivered
from tflottery.data.resident import Resident
from tflottery.data.row_order import RowOrder


class InMemoryDataset(dataset.Dataset):
    """A dataset whose arrays are held in memory, each of them once.

    Images may stay uint8: a batch is cast to float32 and multiplied by `scale`
    after it was gathered.

    Args:
        name: Name of the dataset.
        train: Pair (x, y) of arrays, examples along axis 0; y holds class
            numbers.
        test: Pair (x, y) of arrays, or `None` where there is no test set.
        num_classes: Number of classes.
        validation: What to validate on: a count (int) or share in [0, 1)
            (float) of the training examples, drawn by `seed`, or a pair (x, y)
            of arrays of its own. Defaults to 0, none.
        seed: Integer seed of the train/validation split. Defaults to 0.
        scale: Factor for the inputs. Defaults to `None`, which stands for
            1/255 for uint8 inputs and for 1 for others.

    Raises:
        ValueError: If arrays do not fit together or a label is no class.

    Example:
        >>> import numpy as np
        >>> from tflottery import data
        >>> x = np.arange(12, dtype="uint8").reshape(6, 2)
        >>> y = np.array([0, 1, 2, 0, 1, 2])
        >>> toy = data.InMemoryDataset(
        ...     "toy", train=(x, y), test=(x, y), num_classes=3, scale=1.0
        ... )
        >>> batches = toy.train_batches(batch_size=4, seed=0)
        >>> batches.element_spec[0].shape
        TensorShape([4, 2])
        >>> [labels.tolist() for _, labels in
        ...  toy.test_batches(batch_size=4).as_numpy_iterator()]
        [[0, 1, 2, 0], [1, 2]]
    """

    def __init__(
        self,
        name: str,
        *,
        train: tuple[np.ndarray, np.ndarray],
        test: tuple[np.ndarray, np.ndarray] | None,
        num_classes: int,
        validation: int | float | tuple[np.ndarray, np.ndarray] = 0,
        seed: int = 0,
        scale: float | None = None,
    ):
        train = _check_pair("train", train, None, num_classes)
        shape = train[0].shape[1:]
        if isinstance(validation, tuple):
            validation = _check_pair(
                "validation", validation, shape, num_classes
            )
            train_rows = np.arange(len(train[1]))
            validation_rows = np.arange(len(validation[1]))
        else:
            train_rows, validation_rows = dataset.split_rows(
                len(train[1]), validation, seed
            )
            validation = None
        if test is not None:
            test = _check_pair("test", test, shape, num_classes)
        super().__init__(
            name,
            input_shape=shape,
            num_classes=num_classes,
            train_size=len(train_rows),
            validation_size=len(validation_rows),
            test_size=0 if test is None else len(test[1]),
        )
        if scale is None:
            scale = 1 / 255 if train[0].dtype == np.uint8 else 1.0
        self.scale = float(scale)
        # tf.data runs on the host, so the arrays belong there, and as eager
        # tensors: each map function then captures them without a copy.
        with tf.init_scope(), tf.device("CPU:0"):
            of_train = _tensors(train)
            of_validation = (
                of_train if validation is None else _tensors(validation)
            )
            self._parts = {
                "train": Resident(*of_train, train_rows, self.scale),
                "validation": Resident(
                    *of_validation, validation_rows, self.scale
                ),
            }
            self._order = RowOrder(train_rows)
            if test is not None:
                self._parts["test"] = Resident(
                    *_tensors(test), np.arange(self.test_size), self.scale
                )

    def train_batches(
        self, batch_size: int, seed: int, first_step: int = 0
    ) -> tf.data.Dataset:
        """Returns an endless stream of shuffled training batches.

        See `Dataset.train_batches` for what is promised. The rows of an epoch
        come from one stateless shuffle by (seed, epoch).

        Args:
            batch_size: Examples in a batch; all batches are full.
            seed: Integer seed of the data order.
            first_step: Number of batches trained on before. Defaults to 0.

        Returns:
            A `tf.data.Dataset` of infinite cardinality of pairs (x, y).
        """
        rows = self.train_rows(batch_size, seed, first_step)
        part = self._parts["train"]
        return delivered(
            rows.map(tf.autograph.experimental.do_not_convert(part.batch))
        )

    def train_rows(
        self, batch_size: int, seed: int, first_step: int = 0
    ) -> tf.data.Dataset:
        """Returns the row numbers of the batches of `train_batches`.

        Args:
            batch_size: Examples in a batch.
            seed: Integer seed of the data order.
            first_step: Number of batches trained on before. Defaults to 0.

        Returns:
            A `tf.data.Dataset` of infinite cardinality of int32 tensors
            (batch_size,), for `resident("train").batch`.

        Example:
            >>> from tflottery import data
            >>> digits = data.load("digits")
            >>> rows = next(iter(digits.train_rows(32, seed=0)))
            >>> x, y = digits.resident("train").batch(rows)
            >>> want, _ = next(iter(digits.train_batches(32, seed=0)))
            >>> bool(np.array_equal(x, want))
            True
        """
        epoch, batch = self._first_epoch_and_batch(batch_size, first_step)
        shuffled = self._shuffled(batch_size, seed)
        numbers = tf.data.Dataset.range(epoch, tf.int64.max)
        # The next epoch is shuffled while this one is trained on.
        batches = numbers.map(shuffled).prefetch(1).unbatch().skip(batch)
        return batches.apply(
            tf.data.experimental.assert_cardinality(
                tf.data.INFINITE_CARDINALITY
            )
        )

    def train_stretches(
        self, batch_size: int, seed: int, first_step: int, steps: int
    ) -> Iterator[np.ndarray]:
        """Yields the row numbers of `train_rows`, of several steps at a time.

        Args:
            batch_size: Examples in a batch.
            seed: Integer seed of the data order.
            first_step: Number of batches trained on before.
            steps: Steps in a stretch.

        Yields:
            Int32 arrays (steps, batch_size), without end.

        Example:
            >>> from tflottery import data
            >>> digits = data.load("digits")
            >>> stretches = digits.train_stretches(32, 0, first_step=3, steps=2)
            >>> next(stretches).shape
            (2, 32)
        """
        epoch, batch = self._first_epoch_and_batch(batch_size, first_step)
        shuffled = self._shuffled(batch_size, seed)
        rows = shuffled(tf.constant(epoch, tf.int64)).numpy()[batch:]
        while True:
            while len(rows) < steps:
                epoch += 1
                more = shuffled(tf.constant(epoch, tf.int64)).numpy()
                rows = np.concatenate([rows, more])
            yield rows[:steps]
            rows = rows[steps:]

    def _shuffled(self, batch_size, seed):
        """Returns the function of an epoch's number that shuffles its rows."""
        steps = self.steps_per_epoch(batch_size)
        return self._order.epochs(self._order_seed(seed), steps, batch_size)

    def resident(self, part: str) -> Resident:
        """Returns the examples of a part, as they are held in memory.

        Args:
            part: "train", "validation" or "test".

        Raises:
            ValueError: There are none.
        """
        self._check_evaluation(part, getattr(self, f"{part}_size"), 1)
        return self._parts[part]

    def validation_batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns the validation examples once, in their order.

        Args:
            batch_size: Examples in a batch; the last batch may have fewer.

        Returns:
            A finite `tf.data.Dataset` of pairs (x, y).

        Raises:
            ValueError: If the dataset has no validation examples.
        """
        self._check_evaluation("validation", self.validation_size, batch_size)
        return self._in_order("validation", batch_size)

    def test_batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns the test examples once, in their order.

        Args:
            batch_size: Examples in a batch; the last batch may have fewer.

        Returns:
            A finite `tf.data.Dataset` of pairs (x, y).

        Raises:
            ValueError: If the dataset has no test examples.
        """
        self._check_evaluation("test", self.test_size, batch_size)
        return self._in_order("test", batch_size)

    def _in_order(self, part, batch_size):
        held = self._parts[part]
        with tf.init_scope(), tf.device("CPU:0"):
            rows = tf.constant(held.rows, tf.int32)
        starts = tf.data.Dataset.range(0, len(rows), batch_size)
        return delivered(
            starts.map(
                lambda start: held.batch(rows[start : start + batch_size])
            )
        )


def _tensors(pair):
    return tf.constant(pair[0]), tf.constant(pair[1])


def _check_pair(name, pair, shape, num_classes):
    """Returns (x, y) as arrays: x uint8 or float32, y int32."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(
            f"`{name}` must be a pair of arrays (x, y). Received: a "
            f"{type(pair).__name__}. Put inputs and labels in one tuple."
        )
    x, y = np.asarray(pair[0]), np.asarray(pair[1])
    if x.dtype != np.uint8:
        x = x.astype(np.float32, copy=False)
    if x.ndim < 2 or y.shape != x.shape[:1]:
        raise ValueError(
            f"`{name}` must hold inputs (examples, ...) and labels (examples,)."
            f" Received: shapes {x.shape} and {y.shape}. Give one example per "
            "row and one class number per example."
        )
    if shape is not None and x.shape[1:] != shape:
        raise ValueError(
            f"`{name}` must hold examples of shape {shape}, as `train` does. "
            f"Received: examples of shape {x.shape[1:]}. Are both of the same "
            "dataset?"
        )
    if not np.issubdtype(y.dtype, np.integer):
        raise TypeError(
            f"`{name}` must have integer labels. Received: labels of dtype "
            f"{y.dtype}. Use class numbers from 0, not one-hot rows."
        )
    if len(y) and not 0 <= y.min() <= y.max() < num_classes:
        raise ValueError(
            f"`{name}` must have labels in [0, {num_classes}). Received: "
            f"labels from {y.min()} to {y.max()}. Set `num_classes` to one "
            "more than the largest."
        )
    return x, y.astype(np.int32)
