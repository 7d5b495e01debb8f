"""Which 1x1 convolutions of a file XNNPACK could run by its sparse kernels.

XNNPACK turns a whole cluster of operators to the layout of its sparse kernels
or leaves it alone. A cluster begins with a 3x3 convolution of stride 2 on three
channels, ends with the mean over the image or with depth-to-space, holds
nothing that has no form in that layout, and more than two thirds of the weights
of its 1x1 convolutions are zero.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable

from tflottery.tflite import operator_graph
from tflottery.tflite.file import TFLiteFile
from tflottery.tflite.operator_graph import Node

_UNARY = """ABS CEIL ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC NEG
RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 ROUND RSQRT SQRT SQUARE TANH""".split()
_ENDS = ("MEAN", "DEPTH_TO_SPACE")
_FLOATS = ("float32", "float16")


def obstacles(file: TFLiteFile) -> dict[int, str]:
    """Says of each 1x1 convolution why it has no sparse kernel on ARM.

    Args:
        file: The file; its main graph is looked at.

    Returns:
        `{index of the operator: reason}`, the reason empty where the sparse
        kernel can be used.

    Reference:
        XNNPACK, `src/subgraph.c`, the rewriting for NCHW.
    """
    nodes = operator_graph.nodes(file)
    own = {node.index: _own_obstacle(file, node) for node in nodes}
    broken = {}
    for members in _clusters(nodes, own):
        reason = _broken(file, members, nodes, own)
        broken.update({node.index: reason for node in members})
    return {
        node.index: own[node.index] or broken[node.index]
        for node in nodes
        if node.weight is not None and node.is_pointwise
    }


def _is_start(node: Node) -> bool:
    return node.name == "CONV_2D" and node.kernel == (3, 3)


def _own_obstacle(file: TFLiteFile, node: Node) -> str:
    """Says why no cluster may hold a node; empty if one may."""
    kinds = {tensor.dtype for tensor in node.tensors}
    if node.weight is not None:
        kinds.add(node.weight.dtype)
    if not kinds <= set(_FLOATS):
        other = ", ".join(sorted(kinds - set(_FLOATS)))
        return f"{node} is on {other}; only float32 and float16 can be sparse"
    if node.name in operator_graph.WEIGHT:
        return _convolution_obstacle(node)
    ranks = {len(tensor.shape) for tensor in node.tensors}
    wrong = ""
    if node.name in _UNARY or node.name == "DEPTH_TO_SPACE":
        wrong = "" if ranks == {4} else "is not on images"
    elif node.name in ("ADD", "MUL"):
        constants = [
            file.main.tensors[index]
            for index in node.operator.inputs
            if operator_graph.is_constant(file, index)
        ]
        vectors = all(
            len(tensor.shape) == 4 and sum(n > 1 for n in tensor.shape) < 2
            for tensor in constants
        )
        wrong = "" if ranks == {4} and vectors else "is not on images"
    elif node.name == "RESIZE_BILINEAR":
        large = ranks == {4} and min(node.tensors[0].shape[1:3]) > 1
        wrong = "" if large else "is on a single row or column"
    elif node.name == "MEAN":
        axes = file.main.tensors[node.operator.inputs[1]]
        spatial = axes.is_constant and (
            sorted(file.values(axes).reshape(-1).tolist()) == [1, 2]
        )
        images = len(node.tensors[0].shape) == 4
        wrong = "" if spatial and images else "is not over height and width"
    else:
        wrong = "has no form in XNNPACK's sparse layout"
    return f"{node} {wrong}" if wrong else ""


def _convolution_obstacle(node: Node) -> str:
    if node.weight is None:
        return f"{node} has a weight that is not stored in the file"
    if node.name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return f"{node} has no form in XNNPACK's sparse layout"
    if node.dilation != (1, 1):
        return f"{node} has dilation {node.dilation}"
    if node.name == "DEPTHWISE_CONV_2D":
        return _depthwise_obstacle(node)
    if node.groups != 1:
        return f"{node} has {node.groups} groups"
    if node.is_pointwise:
        if node.strides != (1, 1):
            return f"{node} has strides {node.strides}"
        return "" if node.padding == (0,) * 4 else f"{node} is padded"
    if node.kernel != (3, 3):
        return f"{node} is not 1x1, nor the 3x3 that a cluster begins with"
    if node.strides == (2, 2) and node.weight.shape[3] == 3:
        if node.padding == (1,) * 4:
            return ""
        return f"{node} has no explicit padding of 1 on all sides"
    return (
        f"{node} has strides {node.strides} on {node.weight.shape[3]} channels;"
        " a cluster begins with 2 on 3 channels"
    )


def _depthwise_obstacle(node: Node) -> str:
    border = {(3, 3): 1, (5, 5): 2}.get(node.kernel)
    if border is None:
        return f"{node} is neither 3x3 nor 5x5"
    if node.weight.shape[3] != node.tensors[0].shape[3]:
        return f"{node} has more than one output for each channel"
    if node.strides not in ((1, 1), (2, 2)):
        return f"{node} has strides {node.strides}"
    if node.padding != (border,) * 4:
        return f"{node} has no explicit padding of {border} on all sides"
    return ""


def _clusters(nodes: Iterable[Node], own: dict[int, str]) -> list[list[Node]]:
    """Returns the groups of nodes that hang together and may be sparse."""
    leader: dict[int, int] = {}
    makers: dict[int, Node] = {}

    def top(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    fitting = [node for node in nodes if not own[node.index]]
    for node in fitting:
        leader[node.index] = node.index
        if not _is_start(node):
            for tensor in node.fed:
                if tensor in makers:
                    leader[top(makers[tensor].index)] = top(node.index)
        makers.update(dict.fromkeys(node.made, node))
    groups = collections.defaultdict(list)
    for node in fitting:
        groups[top(node.index)].append(node)
    return list(groups.values())


def _broken(
    file: TFLiteFile,
    members: list[Node],
    nodes: list[Node],
    own: dict[int, str],
) -> str:
    """Says why a group is no cluster for sparse kernels; empty if it is."""
    inside = {node.index for node in members}
    makers = {tensor: node for node in nodes for tensor in node.made}
    users = collections.defaultdict(list)
    for node in nodes:
        for tensor in node.fed:
            users[tensor].append(node)
    for node in members:
        for tensor in () if _is_start(node) else node.fed:
            maker = makers.get(tensor)
            if maker is None:
                return (
                    f"{node} follows the input: a cluster begins with a 3x3 "
                    "convolution of stride 2 on 3 channels"
                )
            if maker.index not in inside:
                return own[maker.index]
    for node in members:
        for tensor in node.made:
            reason = _bad_way_out(file, node, tensor, users[tensor], inside)
            if reason:
                return reason
    if not any(node.name in _ENDS for node in members):
        return "no mean over the image and no depth-to-space ends the cluster"
    return _too_few_zeros(file, members)


def _bad_way_out(
    file: TFLiteFile,
    node: Node,
    tensor: int,
    users: list[Node],
    inside: set[int],
) -> str:
    leaving = [
        user for user in users if user.index not in inside or _is_start(user)
    ]
    out = tensor in file.main.outputs
    stays = len(leaving) < len(users)
    if stays and (leaving or out):
        whom = leaving[0] if leaving else "an output of the file"
        return f"what {node} makes is used in the cluster and by {whom}"
    shape = file.main.tensors[tensor].shape
    flat = len(shape) < 3 or shape[1:3] == (1, 1)
    if (leaving or out) and not (node.name in _ENDS or flat):
        whom = leaving[0] if leaving else "an output of the file"
        return (
            f"{whom} follows {node}: a cluster ends with the mean over the "
            "image or depth-to-space"
        )
    return ""


def _too_few_zeros(file: TFLiteFile, members: list[Node]) -> str:
    weights = [
        node.weight
        for node in members
        if node.weight is not None and node.is_pointwise
    ]
    count = sum(weight.shape[0] * weight.shape[3] for weight in weights)
    zeros = sum(file.zeros(weight) for weight in weights)
    if count == 0 or 3 * zeros > 2 * count:
        return ""
    return (
        f"{zeros:,} of {count:,} weights of the 1x1 convolutions are zero, not "
        "more than two thirds"
    )
