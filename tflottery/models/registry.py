"""Finds a network of the zoo by its name.

Flags and config files can only hold a name, so somebody has to turn the name
into a model; this table is the one place that does.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from tflottery.core import checks
from tflottery.models import conv, imagenet_resnet, lenet, mlp, resnet, vgg

_BUILDERS = {
    "conv2": conv.conv2,
    "conv4": conv.conv4,
    "conv6": conv.conv6,
    "lenet_300_100": lenet.lenet_300_100,
    "mlp": mlp.mlp,
    "resnet110": resnet.resnet110,
    "resnet18": imagenet_resnet.resnet18,
    "resnet20": resnet.resnet20,
    "resnet32": resnet.resnet32,
    "resnet44": resnet.resnet44,
    "resnet50": imagenet_resnet.resnet50,
    "resnet56": resnet.resnet56,
    "vgg16": vgg.vgg16,
    "vgg19": vgg.vgg19,
}


def names() -> tuple[str, ...]:
    """Returns the names that `build` knows.

    Returns:
        A sorted tuple of str.

    Example:
        >>> from tflottery import models
        >>> models.names()[:5]
        ('conv2', 'conv4', 'conv6', 'lenet_300_100', 'mlp')
    """
    return tuple(sorted(_BUILDERS))


def build(
    name: str,
    keras: ModuleType,
    *,
    input_shape: Sequence[int],
    num_classes: int,
    seed: int = 0,
    **options,
) -> Any:
    """Builds a network of the zoo.

    Args:
        name: One of `names()`.
        keras: The Keras module to build with, `keras` or `tf_keras`. The same
            seed gives the same weights, bit for bit, in both.
        input_shape: Shape of one example, without the batch axis.
        num_classes: Number of classes.
        seed: Integer seed of the starting weights. Defaults to 0.
        **options: Further arguments of the builder, such as `hidden` of
            `"mlp"`.

    Returns:
        A functional model of the given Keras family that returns logits.

    Raises:
        ValueError: If `name` is unknown or a size does not fit the network.
        TypeError: If the builder has no such option.

    Example:
        >>> import keras
        >>> from tflottery import models
        >>> model = models.build(
        ...     "lenet_300_100", keras, input_shape=(28, 28, 1), num_classes=10
        ... )
        >>> model.name, model.output_shape
        ('lenet_300_100', (None, 10))
    """
    checks.check_choice(
        "name", name, names(), way_out="A model of your own needs no name."
    )
    builder = _BUILDERS[name]
    given = ("keras", "input_shape", "num_classes", "seed")
    allowed = [
        n for n in inspect.signature(builder).parameters if n not in given
    ]
    for option in options:
        if option not in allowed:
            raise TypeError(
                f"`{option}` is not an option of the model {name!r}. "
                f"Received: {option}={options[option]!r}. "
                f"Its options: {', '.join(allowed) or 'none'}."
            )
    return builder(
        keras,
        input_shape=input_shape,
        num_classes=num_classes,
        seed=seed,
        **options,
    )
