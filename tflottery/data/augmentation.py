"""Augmentation of training images: random flips and crops, seeded by step.

What happens to a batch is a function of a seed and of the number of its step,
and of nothing that was drawn before. Training that starts at step k therefore
sees the very images an uninterrupted run would, as rewinding promises. Whole
batches are moved at once, by two gathers, inside the input pipeline.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import tensorflow as tf

from tflottery.core import checks, seeds


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Random changes to a batch of images.

    Args:
        name: What it is called, for messages and for the run's identity.
        pad: Pixels of zeros around an image, from which a crop of the old
            size is taken at random; 0 for no crop.
        flip: Whether to mirror every other image, left to right.
        least_area: Share of an image that a crop, stretched to the old size,
            covers at least, in (0, 1]; the share is drawn uniformly. 1 for no
            stretching.
        ratios: Least and greatest width over height of such a crop; drawn
            uniformly on a logarithmic scale.

    Raises:
        ValueError: If a value is out of its range.

    Example:
        >>> import tensorflow as tf
        >>> augmentation = get("crop_flip")
        >>> images = tf.ones((2, 8, 8, 3))
        >>> augmentation(images, seed=0, step=10).shape
        TensorShape([2, 8, 8, 3])

    Reference:
        He, Zhang, Ren and Sun, "Deep Residual Learning for Image
        Recognition", 2016, section 4.2 (pad by 4, crop, flip); Frankle and
        Carbin, "The Lottery Ticket Hypothesis", 2019, appendix I.3.
    """

    name: str
    pad: int = 0
    flip: bool = False
    least_area: float = 1.0
    ratios: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self):
        checks.check_non_negative_int("pad", self.pad)
        if not 0 < self.least_area <= 1:
            raise ValueError(
                "`least_area` must be in (0, 1]. Received: least_area="
                f"{self.least_area}. It is the share of the image that a crop "
                "covers at least; use 1 for no stretching."
            )

    def __call__(self, images: Any, *, seed: int, step: Any) -> Any:
        """Returns the changed images of one step.

        Args:
            images: Tensor `(batch, height, width, channels)`, any dtype; the
                result has the same.
            seed: Integer seed of the data order.
            step: Number of the step, an int or an integer tensor.

        Returns:
            A tensor of the same shape; zeros where a crop left the image.
        """
        draw = _Draws(seed, step)
        if self.least_area < 1:
            images = self._stretched(images, draw)
        if self.pad or self.flip:
            images = self._moved(images, draw)
        return images

    def _moved(self, images, draw):
        batch, height, width, _ = images.shape
        rows = tf.tile(tf.range(height)[None], (batch, 1))
        columns = tf.tile(tf.range(width)[None], (batch, 1))
        if self.flip:
            mirrored = draw.integers("flip", (batch, 1), 2) == 1
            columns = tf.where(mirrored, width - 1 - columns, columns)
        if self.pad:
            border = (self.pad, self.pad)
            images = tf.pad(images, ((0, 0), border, border, (0, 0)))
            count = 2 * self.pad + 1
            rows += draw.integers("rows", (batch, 1), count)
            columns += draw.integers("columns", (batch, 1), count)
            images = tf.gather(images, rows, axis=1, batch_dims=1)
        # One gather for the crop and the flip: where it reads is mirrored.
        return _columns(images, columns)

    def _stretched(self, images, draw):
        batch, height, width, _ = images.shape
        area = draw.uniform("area", (batch,), self.least_area, 1.0)
        low, high = (math.log(ratio) for ratio in self.ratios)
        ratio = tf.exp(draw.uniform("ratio", (batch,), low, high))
        # Of a crop too long for the image, as much as there is.
        tall = tf.minimum(tf.sqrt(area / ratio), 1.0)
        wide = tf.minimum(tf.sqrt(area * ratio), 1.0)
        top = draw.uniform("top", (batch,), 0.0, 1.0) * (1.0 - tall)
        left = draw.uniform("left", (batch,), 0.0, 1.0) * (1.0 - wide)
        boxes = tf.stack([top, left, top + tall, left + wide], axis=1)
        cropped = tf.image.crop_and_resize(
            images, boxes, tf.range(batch), (height, width)
        )
        return tf.cast(cropped, images.dtype)


class _Draws:
    """Random numbers by name, for one seed and one step."""

    def __init__(self, seed, step):
        self.seed = seed
        self.step = tf.cast(step, tf.int64)

    def _pair(self, name):
        child = seeds.child_seed(self.seed, "augmentation", name)
        return tf.stack([tf.constant(child, tf.int64), self.step])

    def integers(self, name, shape, count):
        # The algorithm is named so that it cannot depend on the device.
        return tf.random.stateless_uniform(
            shape, self._pair(name), 0, count, tf.int32, alg="philox"
        )

    def uniform(self, name, shape, low, high):
        return tf.random.stateless_uniform(
            shape, self._pair(name), low, high, alg="philox"
        )


def _columns(images, columns):
    turned = tf.transpose(images, (0, 2, 1, 3))
    return tf.transpose(
        tf.gather(turned, columns, axis=1, batch_dims=1), (0, 2, 1, 3)
    )


_AUGMENTATIONS = {
    augmentation.name: augmentation
    for augmentation in (
        Augmentation("flip", flip=True),
        Augmentation("crop", pad=4),
        Augmentation("crop_flip", pad=4, flip=True),
        # As open_lth has it for ImageNet.
        Augmentation(
            "stretch_flip", flip=True, least_area=0.1, ratios=(0.8, 1.25)
        ),
    )
}


def names() -> tuple[str, ...]:
    """Returns the names that `get` knows.

    Example:
        >>> names()
        ('none', 'flip', 'crop', 'crop_flip', 'stretch_flip')
    """
    return ("none", *_AUGMENTATIONS)


def get(identifier: str | Augmentation | None) -> Augmentation | None:
    """Returns an augmentation by name.

    Args:
        identifier: One of `names()`, an `Augmentation`, or `None`.
            `"crop_flip"` is that of CIFAR-10: padded by 4 pixels, cropped,
            flipped. `"stretch_flip"` is for ImageNet.

    Returns:
        The augmentation; `None` for none.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> get("crop_flip").pad, get("none")
        (4, None)
    """
    if identifier is None or isinstance(identifier, Augmentation):
        return identifier
    checks.check_choice("augmentation", identifier, names())
    return _AUGMENTATIONS.get(identifier)
