"""XNNPACK: which 1x1 convolutions can run on its sparse kernels, and why not.

XNNPACK runs a part of a network sparse only as a whole: a cluster, from a
certain first convolution to a pooling, with nothing in between that it does
not know. One layer too many and the pruned model is as slow as the dense one,
so the policy looks before anything is pruned; `explain` says what it saw.
"""

from __future__ import annotations

import fractions
import operator
from typing import Any

import numpy as np

from tflottery.layers import graph
from tflottery.layers.graph import Graph, Node
from tflottery.layers.policy import PolicyReport, PruningPolicy, verdicts

_PASSING = "Add Multiply ZeroPadding2D ReLU LeakyReLU ELU Dropout".split()
_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "elu", "sigmoid")
_CONSUMERS = operator.attrgetter("consumers")
_PRODUCERS = operator.attrgetter("producers")
_OPERATIONS = ("identity", "add", "subtract", "multiply")


class PruneForLatencyOnXNNPack(PruningPolicy):
    """Prunes 1x1 convolutions only, in models that XNNPACK can run sparse.

    A model is accepted if every way from an input leads to a start (Conv2D
    3x3, stride 2, `"valid"`, on 3 channels, after ZeroPadding2D of 1), every
    way back from an output to an end (GlobalAveragePooling2D), and XNNPACK
    knows all that lies between. As in TF-MOT, `activation=` is not looked at,
    and 1x1 convolutions outside the cluster are pruned too. Unlike TF-MOT it
    follows the uses of layers in the given model: nested models and layers
    shared with others are judged right. A Conv2DTranspose is not a Conv2D.

    Example:
        >>> import keras
        >>> policy = PruneForLatencyOnXNNPack()
        >>> [policy.allow_pruning(keras.layers.Conv2D(8, k)) for k in (1, 3)]
        [True, False]
        >>> policy.ensure_model_supports_pruning(keras.Sequential(name="net"))
        Traceback (most recent call last):
        ...
        ValueError: `model` must be a network that XNNPACK can run sparse.\
 Received: `net`. It is not built; give it an Input first.

    Reference: Elsen et al., Fast Sparse ConvNets, 2020, section 3.
    """

    def allow_pruning(self, layer: Any) -> bool:
        """Allows 1x1 Conv2D layers, in a mask wrapper or not."""
        layer = graph.inner_layer(layer)
        return _is_conv(layer) and tuple(layer.kernel_size) == (1, 1)

    def ensure_model_supports_pruning(self, model: Any) -> None:
        """Refuses a model that XNNPACK would run dense.

        Raises:
            ValueError: names every layer that is in the way, and the way out.
        """
        report = explain(model)
        if not report.supported:
            raise ValueError(
                "`model` must be a network that XNNPACK can run sparse. "
                f"Received: `{report.model}`. {' '.join(report.problems)}"
            )


class XNNPACKReport(PolicyReport):
    """What XNNPACK makes of a model: a `PolicyReport`, made by `explain`."""

    machine = "XNNPACK"
    bound = fractions.Fraction(2, 3)
    facts = (
        "To run sparse, more than two thirds of the weights must be zero, "
        "counted over all\n1x1 convolutions of a cluster; they must be float32 "
        "or float16; and the processor\nmust be an ARM: on x86 with AVX, "
        "XNNPACK's sparse kernels never run."
    )


def explain(model: Any) -> XNNPACKReport:
    """Says for each layer whether XNNPACK can run it sparse, and why not.

    Nothing is changed; the model may be wrapped already. A layer used several
    times gets the worst verdict of its uses.

    Args:
        model: a model of either Keras family. A subclassed or unbuilt one
            gives a report of that one problem.

    Returns:
        The report.

    Raises:
        TypeError: not a model.

    Example:
        >>> import keras
        >>> L = keras.layers
        >>> report = explain(keras.Sequential([
        ...     keras.Input((8, 8, 3)), L.ZeroPadding2D(1),
        ...     L.Conv2D(4, 3, strides=2, name="stem"),
        ...     L.Conv2D(8, 1, name="conv"),
        ...     L.GlobalAveragePooling2D(name="pool")]))
        >>> for row in report.rows[1:]:
        ...     print(row.name, row.verdict, row.reason, sep=" | ")
        stem | passes | starts the cluster
        conv | sparse | 1x1 convolution inside the cluster
        pool | passes | ends the cluster
    """
    if not hasattr(model, "fit"):
        problem = f"`model` must be a Keras model. Received: model={model!r}."
        raise TypeError(problem)
    if graph.has_graph(model):
        network = graph.flatten(model)
        cluster = _Cluster(network)
        rows = verdicts(network, PruneForLatencyOnXNNPack(), cluster.judge)
        return XNNPACKReport(model.name, rows, cluster.problems)
    problem = (
        "It is not built; give it an Input first."
        if graph.is_a(model, "Sequential")
        else "It is a subclassed model; write it as a functional one."
    )
    return XNNPACKReport(model.name, (), [problem])


class _Cluster:
    """What lies between the starts and the ends, and what is wrong there."""

    def __init__(self, network: Graph):
        self.problems, self.starts, self.ends = [], set(), set()
        for node in network.inputs:
            way = graph.walk([node], _CONSUMERS, _is_start)
            self.starts.update(way.stops)
            if way.dead_ends:
                self.problems.append(_without_start(node, way.passed))
        for node in network.outputs:
            way = graph.walk([node], _PRODUCERS, _is_end)
            self.ends.update(way.stops)
            if way.dead_ends:
                self.problems.append(_without_end(node, way.passed))
        first = [n for start in self.starts for n in start.consumers]
        way = graph.walk(first, _CONSUMERS, self.ends.__contains__)
        self.inside = {*way.passed, *way.stops}
        self.before = set(graph.walk(self.starts, _PRODUCERS).passed)
        self.behind = set(graph.walk(self.ends, _CONSUMERS).passed) - self.ends
        ahead = set(graph.walk(self.ends, _PRODUCERS).passed)
        self.problems += [
            f"Layer {node} inside the cluster is not supported: "
            f"{_obstacle(node)}. Replace it or move it behind the end."
            for node in way.passed
            if node in ahead and _obstacle(node)
        ]

    def judge(self, node: Node) -> tuple[str, str]:
        """Returns the verdict on a node and the reason."""
        if node in self.starts:
            return "passes", "starts the cluster"
        if node in self.inside and node in self.ends:
            return "passes", "ends the cluster"
        if node in self.inside and not _obstacle(node):
            if not _is_conv(node.layer):
                return "passes", "allowed inside the cluster"
            if self.problems:
                return "dense", "1x1 convolution in a cluster that is not whole"
            return "sparse", "1x1 convolution inside the cluster"
        if node in self.behind:
            return "dense", "outside the cluster: behind its end"
        if node in self.before:
            return "dense", "outside the cluster: before its start"
        outside = "outside the cluster: no start layer before it"
        return "dense", (node not in self.ends and _obstacle(node)) or outside


def _is_conv(layer: Any) -> bool:
    # In tf_keras, Conv2DTranspose is a subclass.
    transposed = graph.is_a(layer, "Conv2DTranspose")
    return graph.is_a(layer, "Conv2D") and not transposed


def _is_end(node: Node) -> bool:
    return graph.is_a(node.layer, "GlobalAveragePooling2D")


def _zero_padding(node: Node) -> tuple | None:
    """Returns the padding of a ZeroPadding2D right before a node."""
    before = [producer.layer for producer in node.producers]
    if len(before) == 1 and graph.is_a(before[0], "ZeroPadding2D"):
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


def _is_start(node: Node) -> bool:
    return (
        _is_conv(node.layer)
        and tuple(node.layer.kernel.shape[:3]) == (3, 3, 3)
        and tuple(node.layer.strides) == (2, 2)
        and node.layer.padding.lower() == "valid"
        and _zero_padding(node) == ((1, 1), (1, 1))
    )


def _without_start(source: Node, passed: tuple[Node, ...]) -> str:
    seen = "no Conv2D is there"
    for node in reversed(passed):
        if _is_conv(node.layer):
            channels = f"on {node.layer.kernel.shape[2]} channels"
            if _zero_padding(node) is None:
                channels += " without ZeroPadding2D before it"
            seen = f"layer {node} is {_settings(node)}, {channels}"
    return (
        f"No start on a way from input `{source.name}`: {seen}. Begin with "
        "ZeroPadding2D(1) and Conv2D(filters, 3, strides=2, padding='valid') "
        "on 3 channels."
    )


def _without_end(output: Node, passed: tuple[Node, ...]) -> str:
    seen = "no pooling is there"
    for node in passed:
        if "Pooling" in node.class_name or "Flatten" in node.class_name:
            seen = f"layer {node} stands in its place"
    return (
        f"No end on a way to output {output}: {seen}. Close the convolutions "
        "with a GlobalAveragePooling2D."
    )


def _obstacle(node: Node) -> str | None:
    """Says why a cluster must not hold a node, or `None` if it may."""
    layer = node.layer
    if node.operation is not None:
        fine = node.operation in _OPERATIONS
        wrong = f"function `{node.operation}`, not one of {_OPERATIONS}"
    elif graph.is_a(layer, *_PASSING):
        return None
    elif graph.is_a(layer, "DepthwiseConv2D"):
        rule = _broken_depthwise_rule(node)
        fine, wrong = rule is None, f"{_settings(node)}: {rule}"
    elif _is_conv(layer):
        fine = _shape(layer) == ((1, 1),) * 3 and layer.groups == 1
        rule = (
            "only 1x1 without stride, dilation and groups has a sparse kernel"
        )
        wrong = f"{_settings(node)}: {rule}"
    elif _is_end(node):
        fine, wrong = layer.keepdims, "keepdims=False, must be True"
    elif graph.is_a(layer, "BatchNormalization"):
        axes = np.atleast_1d(layer.axis).tolist()
        fine = axes in ([3], [-1])
        wrong = f"normalizes over axis {axes}; the channels must be last"
    elif graph.is_a(layer, "UpSampling2D"):
        fine = layer.interpolation == "bilinear"
        wrong = f"interpolation={layer.interpolation!r}, must be 'bilinear'"
    elif graph.is_a(layer, "Activation"):
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
