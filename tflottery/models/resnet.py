"""Residual networks for CIFAR: ResNet-20 and its deeper siblings.

The lottery-ticket papers call the one of depth 20 "Resnet-18". It is another
network than that of ImageNet, which is in `imagenet_resnet`. Where sizes
change, the shortcut is a 1x1 convolution, named `..._shortcut`: the paper
counts its weights and does not prune them.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from tflottery.core import checks
from tflottery.models import residual
from tflottery.models.convolution import Layers, check_image


def cifar_resnet(
    keras: ModuleType,
    *,
    input_shape: Sequence[int],
    num_classes: int,
    seed: int = 0,
    depth: int = 20,
    width: int = 16,
    weight_decay: float = 0.0,
    initializer: str = "glorot_normal",
    gamma: str = "ones",
) -> Any:
    """Builds a residual network for small images: three stages of blocks.

    The layers are `conv1`; in stage s and block b of it `stageS_blockB_conv1`
    and `..._conv2`, 3x3, and, where a stage halves the image,
    `stageS_block1_shortcut`, 1x1; and `output` on the mean over the image.

    Args:
        keras: The Keras module to build with, `keras` or `tf_keras`.
        input_shape: `(height, width, channels)` of one image, `(32, 32, 3)`
            for CIFAR-10; at least 4x4.
        num_classes: Number of classes.
        seed: Integer seed of the starting weights. Defaults to 0.
        depth: Layers with weights on the longest way, 6 n + 2 for stages of n
            blocks. Defaults to 20.
        width: Filters of the first stage; the others have twice and four
            times as many. Defaults to 16; a narrow network trains on a CPU.
        weight_decay: Coupled weight decay of the kernels: L2(weight_decay /
            2). Defaults to 0; the papers use 1e-4.
        initializer: Distribution of the kernels, `"glorot_normal"` as in the
            paper, or `"kaiming_normal"` as in open_lth. Defaults to
            `"glorot_normal"`.
        gamma: Scales of BatchNorm, `"ones"`, or `"uniform"` in [0, 1) as in
            open_lth. Defaults to `"ones"`.

    Returns:
        A functional model that returns logits. Of depth 20 on CIFAR-10 it has
        267,696 weights in 3x3 kernels, 2,560 in shortcuts, 640 in `output`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> import keras
        >>> from tflottery.models.resnet import cifar_resnet
        >>> model = cifar_resnet(
        ...     keras, input_shape=(8, 8, 1), num_classes=10, width=2)
        >>> tuple(model.get_layer("stage3_block1_shortcut").kernel.shape)
        (1, 1, 4, 8)

    Reference:
        He, Zhang, Ren and Sun, "Deep Residual Learning for Image
        Recognition", 2016, section 4.2; Frankle and Carbin, "The Lottery
        Ticket Hypothesis", 2019, figure 2 and appendix I.
    """
    if checks.check_positive_int("depth", depth) < 8 or depth % 6 != 2:
        raise ValueError(
            "`depth` must be 6 n + 2 for three stages of n blocks. Received: "
            f"depth={depth}. Use 20, 32, 44, 56 or 110."
        )
    checks.check_positive_int("width", width)
    name = f"resnet{depth}"
    shape = check_image(name, input_shape, 4)
    layers = Layers(keras, initializer, weight_decay)
    inputs = keras.Input(shape=shape, name="input")
    values = layers.normalized(inputs, width, 3, "conv1")
    for stage in range(3):
        for block in range((depth - 2) // 6):
            values = residual.basic(
                layers,
                values,
                width * 2**stage,
                f"stage{stage + 1}_block{block + 1}",
                strides=2 if stage and not block else 1,
            )
    return layers.model(
        inputs, values, num_classes, name=name, seed=seed, gamma=gamma
    )


def _of_depth(number):
    def build(
        keras: ModuleType,
        *,
        input_shape: Sequence[int],
        num_classes: int,
        seed: int = 0,
        width: int = 16,
        weight_decay: float = 0.0,
        initializer: str = "glorot_normal",
        gamma: str = "ones",
    ) -> Any:
        return cifar_resnet(
            keras,
            input_shape=input_shape,
            num_classes=num_classes,
            seed=seed,
            depth=number,
            width=width,
            weight_decay=weight_decay,
            initializer=initializer,
            gamma=gamma,
        )

    build.__name__ = build.__qualname__ = f"resnet{number}"
    build.__doc__ = f"Builds `cifar_resnet` of depth {number}."
    return build


resnet20 = _of_depth(20)
resnet32 = _of_depth(32)
resnet44 = _of_depth(44)
resnet56 = _of_depth(56)
resnet110 = _of_depth(110)
