"""ResNet-18 and ResNet-50 for ImageNet.

They begin with a 7x7 convolution and a pool, which leave too little of a CIFAR
image; `resnet` has the networks for those.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from tflottery.core import checks
from tflottery.models import residual
from tflottery.models.convolution import Layers, check_image


def resnet18(
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
    """Builds ResNet-18 for ImageNet: four stages of two basic blocks.

    What the lottery-ticket papers call "Resnet-18" is `resnet20`.

    Args:
        keras: The Keras module to build with, `keras` or `tf_keras`.
        input_shape: `(height, width, channels)` of one image, `(224, 224, 3)`
            for ImageNet; at least 32x32.
        num_classes: Number of classes, 1000 for ImageNet.
        seed: Integer seed of the starting weights. Defaults to 0.
        width: Filters of the first stage. Defaults to 64.
        weight_decay: See `resnet.cifar_resnet`. Defaults to 0.
        initializer: See `resnet.cifar_resnet`. Defaults to `"glorot_normal"`.
        gamma: See `resnet.cifar_resnet`. Defaults to `"ones"`.

    Returns:
        A functional model that returns logits; 11,689,512 trainable
        parameters for ImageNet.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> import keras
        >>> from tflottery.models.imagenet_resnet import resnet18
        >>> model = resnet18(
        ...     keras, input_shape=(32, 32, 3), num_classes=10, width=2)
        >>> sum("shortcut" in layer.name for layer in model.layers) // 2
        3

    Reference:
        He, Zhang, Ren and Sun, "Deep Residual Learning for Image
        Recognition", 2016, table 1.
    """
    layers = Layers(keras, initializer, weight_decay)
    return _imagenet(
        layers,
        "resnet18",
        (2, 2, 2, 2),
        residual.basic,
        input_shape=input_shape,
        num_classes=num_classes,
        seed=seed,
        width=width,
        gamma=gamma,
    )


def resnet50(
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
    """Builds ResNet-50 for ImageNet: 3, 4, 6 and 3 bottleneck blocks.

    A block that halves the image does so in its 3x3 convolution, as the code
    of the papers and PyTorch do; the original does in the 1x1 before it.

    Args:
        keras: The Keras module to build with, `keras` or `tf_keras`.
        input_shape: `(height, width, channels)` of one image, `(224, 224, 3)`
            for ImageNet; at least 32x32.
        num_classes: Number of classes, 1000 for ImageNet.
        seed: Integer seed of the starting weights. Defaults to 0.
        width: Filters of the first stage within its blocks. Defaults to 64.
        weight_decay: See `resnet.cifar_resnet`. Defaults to 0.
        initializer: See `resnet.cifar_resnet`. Defaults to `"glorot_normal"`.
        gamma: See `resnet.cifar_resnet`. Defaults to `"ones"`.

    Returns:
        A functional model that returns logits; 25,557,032 trainable
        parameters for ImageNet.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> import keras
        >>> from tflottery.models.imagenet_resnet import resnet50
        >>> model = resnet50(  # doctest: +SKIP
        ...     keras, input_shape=(224, 224, 3), num_classes=1000)
        >>> model.count_params()  # with 53,120 of BatchNorm # doctest: +SKIP
        25610152

    Reference:
        He, Zhang, Ren and Sun, "Deep Residual Learning for Image
        Recognition", 2016, table 1; Frankle et al., "Stabilizing the Lottery
        Ticket Hypothesis", 2019, figure 6.
    """
    layers = Layers(keras, initializer, weight_decay)
    return _imagenet(
        layers,
        "resnet50",
        (3, 4, 6, 3),
        residual.bottleneck,
        input_shape=input_shape,
        num_classes=num_classes,
        seed=seed,
        width=width,
        gamma=gamma,
    )


def _imagenet(layers, name, blocks, add_block, *, input_shape, width, **rest):
    checks.check_positive_int("width", width)
    shape = check_image(name, input_shape, 32)
    inputs = layers.keras.Input(shape=shape, name="input")
    values = layers.normalized(inputs, width, 7, "conv1", strides=2)
    values = layers.pool(values, "pool1", size=3)
    for stage, count in enumerate(blocks):
        for block in range(count):
            values = add_block(
                layers,
                values,
                width * 2**stage,
                f"stage{stage + 1}_block{block + 1}",
                strides=2 if stage and not block else 1,
            )
    seed, gamma, classes = rest["seed"], rest["gamma"], rest["num_classes"]
    return layers.model(
        inputs, values, classes, name=name, seed=seed, gamma=gamma
    )
