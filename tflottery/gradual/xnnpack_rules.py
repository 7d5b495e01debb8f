"""What XNNPACK's sparse kernels can do, layer by layer.

`xnnpack` finds the cluster in a model and asks here about its layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tflottery.layers.nodes import Node, is_a

_PASSING = "Add Multiply ZeroPadding2D ReLU LeakyReLU ELU Dropout".split()
_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "elu", "sigmoid")
_OPERATIONS = ("identity", "add", "subtract", "multiply")


def is_conv(layer: Any) -> bool:
    """Tells whether a layer is a Conv2D; a Conv2DTranspose is not."""
    # In tf_keras it is a subclass.
    transposed = is_a(layer, "Conv2DTranspose")
    return is_a(layer, "Conv2D") and not transposed


def is_end(node: Node) -> bool:
    """Tells whether a node may end a cluster."""
    return is_a(node.layer, "GlobalAveragePooling2D")


def _zero_padding(node: Node) -> tuple | None:
    """Returns the padding of a ZeroPadding2D right before a node."""
    before = [producer.layer for producer in node.producers]
    if len(before) == 1 and is_a(before[0], "ZeroPadding2D"):
        return tuple(tuple(side) for side in before[0].padding)
    return None


def _shape(layer: Any) -> tuple[tuple[int, ...], ...]:
    names = ("kernel_size", "strides", "dilation_rate")
    return tuple(tuple(getattr(layer, name)) for name in names)


def _settings(node: Node) -> str:
    """Describes a convolution by what a rule may object to."""
    layer, padding = node.layer, _zero_padding(node)
    (height, width), strides, dilation = _shape(layer)
    texts = [f"{height}x{width}, strides={strides}, padding={layer.padding!r}"]
    texts += [f"dilation_rate={dilation}"] if dilation != (1, 1) else []
    for name in ("groups", "depth_multiplier"):
        if getattr(layer, name, 1) != 1:
            texts.append(f"{name}={getattr(layer, name)}")
    texts += [f"after ZeroPadding2D({padding})"] if padding else []
    return ", ".join(texts)


def is_start(node: Node) -> bool:
    """Tells whether a node may start a cluster."""
    return (
        is_conv(node.layer)
        and tuple(node.layer.kernel.shape[:3]) == (3, 3, 3)
        and tuple(node.layer.strides) == (2, 2)
        and node.layer.padding.lower() == "valid"
        and _zero_padding(node) == ((1, 1), (1, 1))
    )


def without_start(source: Node, passed: tuple[Node, ...]) -> str:
    """Says that no start follows an input, and what is there instead."""
    seen = "no Conv2D is there"
    for node in reversed(passed):
        if is_conv(node.layer):
            channels = f"on {node.layer.kernel.shape[2]} channels"
            if _zero_padding(node) is None:
                channels += " without ZeroPadding2D before it"
            seen = f"layer {node} is {_settings(node)}, {channels}"
    return (
        f"No start on a way from input `{source.name}`: {seen}. Begin with "
        "ZeroPadding2D(1) and Conv2D(filters, 3, strides=2, padding='valid') "
        "on 3 channels."
    )


def without_end(output: Node, passed: tuple[Node, ...]) -> str:
    """Says that no end stands before an output, and what does."""
    seen = "no pooling is there"
    for node in passed:
        if "Pooling" in node.class_name or "Flatten" in node.class_name:
            seen = f"layer {node} stands in its place"
    return (
        f"No end on a way to output {output}: {seen}. Close the convolutions "
        "with a GlobalAveragePooling2D."
    )


def obstacle(node: Node) -> str | None:
    """Says why a cluster must not hold a node, or `None` if it may."""
    layer = node.layer
    if node.operation is not None:
        fine = node.operation in _OPERATIONS
        wrong = f"function `{node.operation}`, not one of {_OPERATIONS}"
    elif is_a(layer, *_PASSING):
        return None
    elif is_a(layer, "DepthwiseConv2D"):
        rule = _broken_depthwise_rule(node)
        fine, wrong = rule is None, f"{_settings(node)}: {rule}"
    elif is_conv(layer):
        fine = _shape(layer) == ((1, 1),) * 3 and layer.groups == 1
        rule = (
            "only 1x1 without stride, dilation and groups has a sparse kernel"
        )
        wrong = f"{_settings(node)}: {rule}"
    elif is_end(node):
        fine, wrong = layer.keepdims, "keepdims=False, must be True"
    elif is_a(layer, "BatchNormalization"):
        axes = np.atleast_1d(layer.axis).tolist()
        fine = axes in ([3], [-1])
        wrong = f"normalizes over axis {axes}; the channels must be last"
    elif is_a(layer, "UpSampling2D"):
        fine = layer.interpolation == "bilinear"
        wrong = f"interpolation={layer.interpolation!r}, must be 'bilinear'"
    elif is_a(layer, "Activation"):
        function = layer.activation
        name = getattr(function, "__name__", type(function).__name__)
        fine = name in _ACTIVATIONS
        wrong = f"activation `{name}`, not one of {_ACTIVATIONS}"
    else:
        fine, wrong = False, f"XNNPACK's sparse part has no {node.class_name}"
    return None if fine else wrong


def _broken_depthwise_rule(node: Node) -> str | None:
    kernel, strides, dilation = _shape(node.layer)
    border = {(3, 3): 1, (5, 5): 2}.get(kernel)
    if border is None:
        return "a depthwise convolution must be 3x3 or 5x5"
    if dilation != (1, 1) or node.layer.depth_multiplier != 1:
        return "dilation_rate and depth_multiplier must be 1"
    if node.layer.padding.lower() == "same":
        fine = strides == (1, 1)
    else:
        padded = _zero_padding(node) == ((border, border), (border, border))
        fine = padded and strides in ((1, 1), (2, 2))
    rule = f"must be 'same' of stride 1 or follow ZeroPadding2D({border})"
    return None if fine else rule
