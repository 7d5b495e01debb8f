"""The operators of a TFLite file as a graph, as XNNPACK sees it.

Weights are looked through to the constants that they are unpacked from, and an
explicit padding is taken into the convolution that follows it.
"""

from __future__ import annotations

import dataclasses
import math

from tflottery.tflite.constants import WEIGHT, source
from tflottery.tflite.file import TFLiteFile
from tflottery.tflite.tables import Operator, Tensor

_UNPACKING = ("DENSIFY", "DEQUANTIZE")
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


@dataclasses.dataclass(frozen=True)
class Node:
    """One operator that computes, with what it is fed.

    Args:
        index: Its place among the operators of the file.
        operator: The operator.
        fed: Indices of the tensors that it takes and that are computed.
        made: Indices of the tensors that it makes.
        tensors: Those tensors, `fed` first.
        weight: Its weight, or `None`.
        padding: Zeros at the top, bottom, left and right of a convolution, or
            `None` where TensorFlow's "same" decides when it runs.
    """

    index: int
    operator: Operator
    fed: tuple[int, ...]
    made: tuple[int, ...]
    tensors: tuple[Tensor, ...]
    weight: Tensor | None
    padding: tuple[int, int, int, int] | None

    @property
    def name(self) -> str:
        """The kind of operator, such as `"CONV_2D"`."""
        return self.operator.name

    @property
    def strides(self) -> tuple[int, int]:
        """The strides of a convolution."""
        options = self.operator.options
        return options["stride_h"], options["stride_w"]

    @property
    def dilation(self) -> tuple[int, int]:
        """The dilation of a convolution."""
        options = self.operator.options
        return options["dilation_h"], options["dilation_w"]

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the kernel of a convolution; else (0, 0)."""
        return (0, 0) if self.weight is None else self.weight.shape[1:3]

    @property
    def groups(self) -> int:
        """How many groups a convolution works in."""
        return self.tensors[0].shape[-1] // max(1, self.weight.shape[-1])

    @property
    def is_pointwise(self) -> bool:
        """Whether it is a convolution by a 1x1 kernel."""
        return self.name == "CONV_2D" and self.kernel == (1, 1)

    def __str__(self):
        if self.name not in _CONVOLUTIONS:
            return f"{self.name} (operator {self.index})"
        height, width = self.kernel
        return f"{height}x{width} {self.name} (operator {self.index})"


def nodes(file: TFLiteFile) -> list[Node]:
    """Returns the operators that compute, in the order in which they run.

    Args:
        file: The file; its main graph is looked at.
    """
    graph = file.main
    pads = _paddings(file)
    taken = {
        output
        for operator in graph.operators
        if operator.name in _CONVOLUTIONS
        for output in operator.inputs[:1]
        if output in pads
    }
    found = []
    for index, operator in enumerate(graph.operators):
        if operator.name in _UNPACKING and is_constant(
            file, operator.inputs[0]
        ):
            continue
        if operator.outputs and operator.outputs[0] in taken:
            continue
        found.append(_node(file, index, operator, pads))
    return found


def is_constant(file: TFLiteFile, tensor: int) -> bool:
    """Tells whether a tensor of the main graph is known beforehand.

    Args:
        file: The file.
        tensor: The index of the tensor.
    """
    origin, _ = source(file.main, tensor)
    return file.main.tensors[origin].is_constant


def _node(file: TFLiteFile, index: int, operator: Operator, pads) -> Node:
    tensors = file.main.tensors
    weight, padding, name = None, None, operator.name
    fed = [
        tensor
        for tensor in operator.inputs
        if tensor >= 0 and not is_constant(file, tensor)
    ]
    place = WEIGHT.get(name)
    if place is not None and place < len(operator.inputs):
        origin, _ = source(file.main, operator.inputs[place])
        weight = tensors[origin] if tensors[origin].is_constant else None
    if name in _CONVOLUTIONS and weight is not None:
        padding = _same_or_none(operator, weight.shape)
        before = pads.get(operator.inputs[0])
        if before is not None and operator.options["padding"] == "VALID":
            padding, fed[0] = before[1], before[0]
    made = tuple(operator.outputs)
    return Node(
        index,
        operator,
        tuple(fed),
        made,
        tuple(tensors[tensor] for tensor in (*fed, *made)),
        weight,
        padding,
    )


def _same_or_none(operator: Operator, shape: tuple[int, ...]):
    """Returns the padding of a convolution without a PAD before it."""
    options = operator.options
    if options["padding"] == "VALID":
        return 0, 0, 0, 0
    if (options["stride_h"], options["stride_w"]) != (1, 1):
        return None
    height = (shape[1] - 1) * options["dilation_h"]
    width = (shape[2] - 1) * options["dilation_w"]
    top, left = height // 2, width // 2
    return top, height - top, left, width - left


def _paddings(file: TFLiteFile) -> dict[int, tuple[int, tuple]]:
    """Returns {output of PAD: (its input, padding)} where XNNPACK fuses it."""
    graph, found = file.main, {}
    for operator in graph.operators:
        if operator.name != "PAD":
            continue
        users = [o for o in graph.operators if operator.outputs[0] in o.inputs]
        sides = graph.tensors[operator.inputs[1]]
        alone = (
            len(users) == 1
            and users[0].name in _CONVOLUTIONS
            and users[0].inputs[0] == operator.outputs[0]
            and users[0].options["padding"] == "VALID"
            and operator.outputs[0] not in graph.outputs
        )
        if not alone or not sides.is_constant or math.prod(sides.shape) != 8:
            continue
        (batch, rows, columns, channels) = file.values(sides).tolist()
        if not any([*batch, *channels]):
            padding = (*rows, *columns)
            found[operator.outputs[0]] = operator.inputs[0], padding
    return found
