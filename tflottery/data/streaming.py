"""Datasets too large for memory: examples stream from disk every epoch.

`InMemoryDataset` is faster and shuffles perfectly; this one exists for sets
such as ImageNet, and keeps the same promise about the order of its batches.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tflottery.data import dataset
from tflottery.data.delivery import delivered


class StreamingDataset(dataset.Dataset):
    """A dataset that is read from `tf.data` sources, example by example.

    An epoch reads the training source in its own order through a shuffle
    buffer seeded by (seed, epoch), so examples mix as widely as the buffer is
    long. Starting at a later step reads what comes before it in that epoch,
    but does not prepare it.

    Args:
        name: Name of the dataset.
        train: `tf.data.Dataset` of pairs (x, y), single examples, always in
            the same order and of known cardinality.
        test: The like, or `None` where there is no test set.
        input_shape: Shape of one prepared example.
        num_classes: Number of classes.
        validation: A count (int) or share in [0, 1) (float) of the training
            examples, drawn by `seed`, or a `tf.data.Dataset` of its own.
            Defaults to 0, none.
        seed: Integer seed of the train/validation split. Defaults to 0.
        prepare: Function of one (x, y) that returns x as float32 of shape
            `input_shape` and y as an integer; it runs after the shuffle, so
            that the buffer can hold compressed images. Defaults to `None`,
            which casts only.
        shuffle_buffer: Examples in the shuffle buffer. Defaults to 10,000.

    Raises:
        ValueError: If a source does not know how many examples it has.

    Example:
        >>> import numpy as np
        >>> import tensorflow as tf
        >>> from tflottery import data
        >>> x = np.arange(12, dtype="float32").reshape(6, 2)
        >>> source = tf.data.Dataset.from_tensor_slices((x, x[:, 0] % 3))
        >>> toy = data.StreamingDataset(
        ...     "toy", train=source, test=None, input_shape=(2,), num_classes=3
        ... )
        >>> toy.train_batches(batch_size=4, seed=0).element_spec[0].shape
        TensorShape([4, 2])
    """

    def __init__(
        self,
        name: str,
        *,
        train: tf.data.Dataset,
        test: tf.data.Dataset | None,
        input_shape: tuple[int, ...],
        num_classes: int,
        validation: int | float | tf.data.Dataset = 0,
        seed: int = 0,
        prepare: Callable | None = None,
        shuffle_buffer: int = 10_000,
    ):
        examples = _count("train", train)
        if isinstance(validation, tf.data.Dataset):
            train_size = examples
            validation_size = _count("validation", validation)
        else:
            train_rows, rows = dataset.split_rows(examples, validation, seed)
            train_size, validation_size = len(train_rows), len(rows)
            if validation_size:
                train, validation = _split(train, rows, examples)
        super().__init__(
            name,
            input_shape=input_shape,
            num_classes=num_classes,
            train_size=train_size,
            validation_size=validation_size,
            test_size=0 if test is None else _count("test", test),
        )
        self.prepare = prepare
        self.shuffle_buffer = int(shuffle_buffer)
        self._train = train
        self._validation = validation
        self._test = test

    def train_batches(
        self, batch_size: int, seed: int, first_step: int = 0
    ) -> tf.data.Dataset:
        """Returns an endless stream of shuffled training batches.

        See `Dataset.train_batches` for what is promised.

        Args:
            batch_size: Examples in a batch; all batches are full.
            seed: Integer seed of the data order.
            first_step: Number of batches trained on before. Defaults to 0.

        Returns:
            A `tf.data.Dataset` of infinite cardinality of pairs (x, y).
        """
        epoch, batch = self._first_epoch_and_batch(batch_size, first_step)
        examples = self.steps_per_epoch(batch_size) * batch_size
        order_seed = self._order_seed(seed)

        def one_epoch(number):
            # `shuffle` mixes the graph's seed into its own, and a traced
            # function inherits that from `tf.random.set_seed`. Setting it here
            # changes this function alone and makes the order ours.
            tf.compat.v1.get_default_graph().seed = order_seed
            shuffled = self._train.shuffle(
                self.shuffle_buffer,
                seed=number,
                reshuffle_each_iteration=False,
            )
            return shuffled.take(examples)

        stream = tf.data.Dataset.range(epoch, tf.int64.max).flat_map(one_epoch)
        stream = stream.skip(batch * batch_size)
        batches = self._batches(stream, batch_size, drop_remainder=True)
        return batches.apply(
            tf.data.experimental.assert_cardinality(
                tf.data.INFINITE_CARDINALITY
            )
        )

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
        return self._evaluation(
            self._validation, self.validation_size, batch_size
        )

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
        return self._evaluation(self._test, self.test_size, batch_size)

    def _evaluation(self, source, size, batch_size):
        batches = self._batches(source, batch_size, drop_remainder=False)
        return batches.apply(
            tf.data.experimental.assert_cardinality(-(-size // batch_size))
        )

    def _batches(self, source, batch_size, drop_remainder):
        def prepared(x, y):
            if self.prepare is not None:
                x, y = self.prepare(x, y)
            x = tf.ensure_shape(tf.cast(x, tf.float32), self.input_shape)
            return x, tf.ensure_shape(tf.cast(y, tf.int32), ())

        examples = source.map(prepared, num_parallel_calls=tf.data.AUTOTUNE)
        return delivered(
            examples.batch(batch_size, drop_remainder=drop_remainder)
        )


def _count(name, source):
    if not isinstance(source, tf.data.Dataset):
        raise TypeError(
            f"`{name}` must be a tf.data.Dataset of (x, y). Received: a "
            f"{type(source).__name__}. For arrays use `InMemoryDataset`."
        )
    count = int(source.cardinality())
    if count < 0:
        raise ValueError(
            f"`{name}` must know how many examples it has. Received: a source "
            f"of cardinality {count}. Apply "
            "`tf.data.experimental.assert_cardinality(n)` to it."
        )
    return count


def _split(source, validation_rows, examples):
    """Returns the source without the given rows, and these rows alone."""
    flags = np.zeros(examples, bool)
    flags[validation_rows] = True
    with tf.init_scope(), tf.device("CPU:0"):
        held_out = tf.constant(flags)
    numbered = source.enumerate()
    return tuple(
        numbered.filter(lambda row, _, kind=kind: held_out[row] == kind).map(
            lambda _, example: example
        )
        for kind in (False, True)
    )
