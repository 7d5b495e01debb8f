"""Residual blocks: what the networks for CIFAR and for ImageNet share.

The way around a block is free where it can be, and a 1x1 convolution named
`..._shortcut` where sizes change.
"""

from __future__ import annotations

from typing import Any

from tflottery.models.convolution import Layers


def basic(
    layers: Layers, values: Any, filters: int, name: str, strides: int
) -> Any:
    """Adds a block of two 3x3 convolutions.

    Args:
        layers: Makes the layers.
        values: A Keras tensor, `(batch, height, width, channels)`.
        filters: Output channels.
        name: Name of the block; its layers are `NAME_conv1` and so on.
        strides: Steps of the first window, 1 or 2.

    Returns:
        A Keras tensor.
    """
    inner = layers.normalized(
        values, filters, 3, f"{name}_conv1", strides=strides
    )
    inner = layers.normalized(inner, filters, 3, f"{name}_conv2", relu=False)
    return _joined(layers, values, inner, name, strides)


def bottleneck(
    layers: Layers, values: Any, filters: int, name: str, strides: int
) -> Any:
    """Adds a block of a 1x1, a 3x3 and a 1x1 convolution.

    Args:
        layers: Makes the layers.
        values: A Keras tensor, `(batch, height, width, channels)`.
        filters: Channels within the block, a quarter of those it returns.
        name: Name of the block; its layers are `NAME_conv1` and so on.
        strides: Steps of the 3x3 window, 1 or 2.

    Returns:
        A Keras tensor.
    """
    inner = layers.normalized(values, filters, 1, f"{name}_conv1")
    inner = layers.normalized(
        inner, filters, 3, f"{name}_conv2", strides=strides
    )
    inner = layers.normalized(
        inner, 4 * filters, 1, f"{name}_conv3", relu=False
    )
    return _joined(layers, values, inner, name, strides)


def _joined(layers, values, inner, name, strides):
    filters = inner.shape[-1]
    if strides != 1 or values.shape[-1] != filters:
        values = layers.normalized(
            values,
            filters,
            1,
            f"{name}_shortcut",
            strides=strides,
            relu=False,
        )
    return layers.add([inner, values], name)
