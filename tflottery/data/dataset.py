"""What every dataset promises to the training loop.

Rewinding restores the data order along with the weights, so a training run
must be able to ask for the batches from step k on and get exactly those an
uninterrupted run would have seen. That promise is made here, once, and kept by
`InMemoryDataset` and `StreamingDataset`.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tflottery.core import checks, seeds


class Dataset(abc.ABC):
    """Seeded training batches, and validation and test batches in order.

    Attributes:
        name: Name of the dataset, as `data.load` knows it.
        input_shape: Shape of one example, a tuple of int.
        num_classes: Number of classes.
        train_size: Number of training examples, those set aside for
            validation not counted.
        validation_size: Number of validation examples, 0 where there are none.
        test_size: Number of test examples.

    Args:
        name: Name of the dataset.
        input_shape: Shape of one example.
        num_classes: Number of classes, at least 1.
        train_size: Number of training examples, at least 1.
        validation_size: Number of validation examples.
        test_size: Number of test examples.

    Example:
        >>> from tflottery import data
        >>> digits = data.load("digits")
        >>> isinstance(digits, data.Dataset), digits.steps_per_epoch(100)
        (True, 11)
    """

    def __init__(
        self,
        name: str,
        *,
        input_shape: Sequence[int],
        num_classes: int,
        train_size: int,
        validation_size: int,
        test_size: int,
    ):
        self.name = checks.check_instance("name", name, str)
        self.input_shape = tuple(int(axis) for axis in input_shape)
        self.num_classes = checks.check_positive_int("num_classes", num_classes)
        self.train_size = checks.check_positive_int("train_size", train_size)
        self.validation_size = checks.check_non_negative_int(
            "validation_size", validation_size
        )
        self.test_size = checks.check_non_negative_int("test_size", test_size)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.name!r}: {self.train_size} train, "
            f"{self.validation_size} validation, {self.test_size} test, "
            f"inputs {self.input_shape}, {self.num_classes} classes>"
        )

    def steps_per_epoch(self, batch_size: int) -> int:
        """Returns how many full batches one pass over the data gives.

        The remainder is dropped, so that every batch has the same shape; which
        examples it holds differs from epoch to epoch.

        Args:
            batch_size: Examples in a batch, at least 1.

        Returns:
            `train_size // batch_size`, at least 1.

        Raises:
            ValueError: If a batch would not fit into the training data.

        Example:
            >>> import numpy as np
            >>> from tflottery import data
            >>> x, y = np.zeros((10, 2), "float32"), np.zeros(10, "int32")
            >>> toy = data.InMemoryDataset(
            ...     "toy", train=(x, y), test=(x, y), num_classes=1
            ... )
            >>> toy.steps_per_epoch(batch_size=3)
            3
        """
        checks.check_positive_int("batch_size", batch_size)
        if batch_size > self.train_size:
            raise ValueError(
                "`batch_size` must be at most the number of training examples. "
                f"Received: batch_size={batch_size}, but {self.name!r} has "
                f"{self.train_size}. Use a smaller batch or a larger dataset."
            )
        return self.train_size // batch_size

    @abc.abstractmethod
    def train_batches(
        self, batch_size: int, seed: int, first_step: int = 0
    ) -> tf.data.Dataset:
        """Returns an endless stream of shuffled training batches.

        The order is a function of `seed` and the number of the epoch and of
        nothing else: not of the global seed, nor of what was drawn before.
        Batch i of a stream that starts at `first_step` is batch
        `first_step + i` of the stream that starts at 0, bit for bit.

        Args:
            batch_size: Examples in a batch; all batches are full.
            seed: Integer seed of the data order.
            first_step: Number of batches that were trained on before, at
                least 0. Defaults to 0.

        Returns:
            A `tf.data.Dataset` of infinite cardinality, whose elements are
            pairs (x, y): x float32 `(batch_size, *input_shape)`, y int32
            `(batch_size,)`, both of static shape.
        """

    @abc.abstractmethod
    def validation_batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns the validation examples once, in their order.

        Args:
            batch_size: Examples in a batch; the last batch may have fewer.

        Returns:
            A finite `tf.data.Dataset` of pairs (x, y) as in `train_batches`.

        Raises:
            ValueError: If the dataset has no validation examples.
        """

    @abc.abstractmethod
    def test_batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns the test examples once, in their order.

        Args:
            batch_size: Examples in a batch; the last batch may have fewer.

        Returns:
            A finite `tf.data.Dataset` of pairs (x, y) as in `train_batches`.

        Raises:
            ValueError: If the dataset has no test examples.
        """

    def _first_epoch_and_batch(self, batch_size, first_step):
        """Splits a step into its epoch and the batch within the epoch."""
        steps = self.steps_per_epoch(batch_size)
        checks.check_non_negative_int("first_step", first_step)
        return divmod(int(first_step), steps)

    def _order_seed(self, seed):
        """Returns the child seed of the data order, in [1, 2**31 - 2].

        TensorFlow takes some seeds modulo 2**31 - 1 and reads a pair of zeros
        as "any seed will do", so what would become a zero is left out.
        """
        return 1 + seeds.child_seed(seed, "data order") % (2**31 - 2)

    def _check_evaluation(self, split, size, batch_size):
        checks.check_positive_int("batch_size", batch_size)
        if not size:
            raise ValueError(
                f"{self.name!r} has no {split} examples. Received: "
                f"{split}_size=0. Load it with `validation=0.1` to set a tenth "
                "of the training examples aside, or name a split of its own."
            )


def validation_count(validation: int | float, examples: int) -> int:
    """Returns how many of `examples` training examples go to validation.

    Args:
        validation: A count (int) or a share in [0, 1) (float).
        examples: Number of training examples there are.

    Returns:
        The count; a share is rounded to the nearest count, half to even.

    Raises:
        TypeError: If `validation` is not a number.
        ValueError: If nothing would be left to train on.

    Example:
        >>> from tflottery.data import dataset
        >>> dataset.validation_count(5000, examples=60000)
        5000
        >>> dataset.validation_count(0.1, examples=60000)
        6000
    """
    what = (
        "It is how many training examples to set aside: a count such as 5000 "
        "or a share such as 0.1."
    )
    if isinstance(validation, float):
        checks.check_fraction("validation", validation, what=what)
        return round(validation * examples)
    checks.check_non_negative_int("validation", validation, what=what)
    if validation >= examples:
        raise ValueError(
            f"`validation` must be below the {examples} training examples. "
            f"Received: validation={validation}. {what}"
        )
    return int(validation)


def split_rows(
    examples: int, validation: int | float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws the rows of the training data that are kept for validation.

    The draw depends on `seed` alone. Replicates of an experiment share it:
    they must be compared on the same validation examples.

    Args:
        examples: Number of training examples there are.
        validation: A count (int) or a share in [0, 1) (float) of them.
        seed: Integer seed of the split.

    Returns:
        Two sorted int64 arrays that share no row, `(train,)` and
        `(validation,)`.

    Example:
        >>> from tflottery.data import dataset
        >>> train, validation = dataset.split_rows(10, validation=3, seed=0)
        >>> len(train), len(validation), len(set(train) | set(validation))
        (7, 3, 10)
    """
    count = validation_count(validation, examples)
    order = seeds.rng(seed, "validation split").permutation(examples)
    return np.sort(order[count:]), np.sort(order[:count])
