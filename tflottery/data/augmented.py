"""A dataset whose training images are augmented, around any other dataset.

It stands apart from the datasets themselves, so that each of them, a user's
own too, can be augmented and none has to know of it.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tflottery.core import checks
from tflottery.data import augmentation as augmentations
from tflottery.data import dataset as base
from tflottery.data.delivery import delivered


class AugmentedDataset(base.Dataset):
    """Training images changed at random; validation and test left as they are.

    What happens to the images of a step is a function of the seed of
    `train_batches` and of the number of the step, so a stream that starts
    later still is the end of the whole one, bit for bit.

    Args:
        source: The dataset to augment.
        augmentation: An `Augmentation`, or a name that `augmentation.get`
            knows.

    Raises:
        TypeError: If `source` is no dataset.
        ValueError: If the name is unknown, or the inputs are no images.

    Example:
        >>> from tflottery import data
        >>> data.augment(data.load("digits"), "crop_flip")
        <AugmentedDataset 'digits': 1100 train, 300 validation, 397 test, \
inputs (8, 8, 1), 10 classes, crop_flip>
    """

    def __init__(
        self,
        source: base.Dataset,
        augmentation: str | augmentations.Augmentation,
    ):
        self.source = checks.check_instance("source", source, base.Dataset)
        self.augmentation = checks.check_instance(
            "augmentation",
            augmentations.get(augmentation),
            augmentations.Augmentation,
        )
        if len(source.input_shape) != 3:
            raise ValueError(
                "`augmentation` is for images, (height, width, channels). "
                f"Received: augmentation={self.augmentation.name!r}, but "
                f"{source.name!r} has inputs {source.input_shape}. Use 'none'."
            )
        super().__init__(
            source.name,
            input_shape=source.input_shape,
            num_classes=source.num_classes,
            train_size=source.train_size,
            validation_size=source.validation_size,
            test_size=source.test_size,
        )

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {self.augmentation.name}>"

    def train_batches(
        self, batch_size: int, seed: int, first_step: int = 0
    ) -> tf.data.Dataset:
        """Returns the source's training batches, changed.

        Args:
            batch_size: Examples in a batch; all batches are full.
            seed: Integer seed of the data order and of the augmentation.
            first_step: Number of batches trained on before. Defaults to 0.

        Returns:
            A `tf.data.Dataset` of infinite cardinality of pairs (x, y).
        """
        batches = self.source.train_batches(batch_size, seed, first_step)
        steps = tf.data.Dataset.range(int(first_step), tf.int64.max)

        def change(step, pair):
            x, y = pair
            return self.augmentation(x, seed=seed, step=step), y

        changed = tf.data.Dataset.zip((steps, batches)).map(
            change, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        return delivered(changed)

    def validation_batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns the source's validation batches.

        Args:
            batch_size: Examples in a batch; the last batch may have fewer.

        Returns:
            A finite `tf.data.Dataset` of pairs (x, y).

        Raises:
            ValueError: If the dataset has no validation examples.
        """
        return self.source.validation_batches(batch_size)

    def test_batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns the source's test batches.

        Args:
            batch_size: Examples in a batch; the last batch may have fewer.

        Returns:
            A finite `tf.data.Dataset` of pairs (x, y).

        Raises:
            ValueError: If the dataset has no test examples.
        """
        return self.source.test_batches(batch_size)


def augment(
    source: base.Dataset,
    augmentation: Any,
) -> base.Dataset:
    """Returns a dataset with the augmentation asked for.

    Args:
        source: Any dataset.
        augmentation: `"crop_flip"` (padded by 4 pixels, cropped, flipped, as
            usual for CIFAR-10), `"crop"`, `"flip"`, `"stretch_flip"` (for
            ImageNet), an `Augmentation`, or `None` or `"none"`.

    Returns:
        An `AugmentedDataset`; `source` itself if there is nothing to do.

    Raises:
        ValueError: If the name is unknown, or the inputs are no images.

    Example:
        >>> from tflottery import data
        >>> digits = data.load("digits")
        >>> data.augment(digits, "none") is digits
        True
    """
    found = augmentations.get(augmentation)
    return source if found is None else AugmentedDataset(source, found)
