"""VGG-16 and VGG-19 in their CIFAR form: BatchNorm, average pool, one dense.

The original ends in three dense layers for 224x224 images. The lottery-ticket
papers use what everybody uses on CIFAR-10: the convolutions, each with
BatchNorm, the mean over the image, and one layer to the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from tflottery.core import checks
from tflottery.models.convolution import Layers, check_image

# Times the width: the filters of each group of convolutions.
_TIMES = (1, 2, 4, 8, 8)


def vgg16(
    keras: ModuleType,
    *,
    input_shape: Sequence[int],
    num_classes: int,
    seed: int = 0,
    width: int = 64,
    weight_decay: float = 0.0,
    initializer: str = "glorot_normal",
    gamma: str = "ones",
) -> Any:
    """Builds VGG-16: groups of 2, 2, 3, 3 and 3 convolutions, then `output`.

    Args:
        keras: The Keras module to build with, `keras` or `tf_keras`.
        input_shape: `(height, width, channels)` of one image, `(32, 32, 3)`
            for CIFAR-10; at least 16x16.
        num_classes: Number of classes.
        seed: Integer seed of the starting weights. Defaults to 0.
        width: Filters of the first group; the others have 2, 4, 8 and 8 times
            as many. Defaults to 64.
        weight_decay: Coupled weight decay of the kernels: L2(weight_decay /
            2). Defaults to 0; open_lth uses 1e-4.
        initializer: Distribution of the kernels, `"glorot_normal"`, or
            `"kaiming_normal"` as in open_lth. Defaults to `"glorot_normal"`.
        gamma: Scales of BatchNorm, `"ones"`, or `"uniform"` in [0, 1) as in
            open_lth. Defaults to `"ones"`.

    Returns:
        A functional model that returns logits, with layers `conv1` to
        `conv13` and `output`; on CIFAR-10 14,710,464 weights in
        convolutions and 5,120 in `output`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> import keras
        >>> from tflottery.models.vgg import vgg16
        >>> model = vgg16(
        ...     keras, input_shape=(16, 16, 1), num_classes=10, width=2)
        >>> tuple(model.get_layer("conv13").kernel.shape)
        (3, 3, 16, 16)

    Reference:
        Simonyan and Zisserman, "Very Deep Convolutional Networks for
        Large-Scale Image Recognition", 2015, table 1, column D.
    """
    return _vgg(
        keras,
        "vgg16",
        (2, 2, 3, 3, 3),
        input_shape,
        num_classes,
        seed=seed,
        width=width,
        layers=Layers(keras, initializer, weight_decay),
        gamma=gamma,
    )


def vgg19(
    keras: ModuleType,
    *,
    input_shape: Sequence[int],
    num_classes: int,
    seed: int = 0,
    width: int = 64,
    weight_decay: float = 0.0,
    initializer: str = "glorot_normal",
    gamma: str = "ones",
) -> Any:
    """Builds VGG-19: groups of 2, 2, 4, 4 and 4 convolutions, then `output`.

    Args:
        keras: The Keras module to build with, `keras` or `tf_keras`.
        input_shape: `(height, width, channels)` of one image, `(32, 32, 3)`
            for CIFAR-10; at least 16x16.
        num_classes: Number of classes.
        seed: Integer seed of the starting weights. Defaults to 0.
        width: See `vgg16`. Defaults to 64.
        weight_decay: See `vgg16`. Defaults to 0; the paper uses 1e-4.
        initializer: See `vgg16`. Defaults to `"glorot_normal"`.
        gamma: See `vgg16`. Defaults to `"ones"`.

    Returns:
        A functional model that returns logits, with layers `conv1` to
        `conv16` and `output`; on CIFAR-10 20,018,880 weights in convolutions
        and 5,120 in `output`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> import keras
        >>> from tflottery.models.vgg import vgg19
        >>> model = vgg19(
        ...     keras, input_shape=(16, 16, 1), num_classes=10, width=2)
        >>> tuple(model.get_layer("output").kernel.shape)
        (16, 10)

    Reference:
        Simonyan and Zisserman, "Very Deep Convolutional Networks for
        Large-Scale Image Recognition", 2015, table 1, column E; Frankle and
        Carbin, "The Lottery Ticket Hypothesis", 2019, figure 2, appendix I.
    """
    return _vgg(
        keras,
        "vgg19",
        (2, 2, 4, 4, 4),
        input_shape,
        num_classes,
        seed=seed,
        width=width,
        layers=Layers(keras, initializer, weight_decay),
        gamma=gamma,
    )


def _vgg(
    keras, name, groups, input_shape, num_classes, *, seed, width, layers, gamma
):
    checks.check_positive_int("width", width)
    shape = check_image(name, input_shape, 16)
    inputs = values = keras.Input(shape=shape, name="input")
    number = 0
    for group, count in enumerate(groups, start=1):
        for _ in range(count):
            number += 1
            values = layers.normalized(
                values, width * _TIMES[group - 1], 3, f"conv{number}"
            )
        if group < len(groups):
            values = layers.pool(values, f"pool{group}")
    return layers.model(
        inputs, values, num_classes, name=name, seed=seed, gamma=gamma
    )
