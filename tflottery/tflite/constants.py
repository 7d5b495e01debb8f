"""`Constant`: one stored tensor of a file, its zeros and its encoding.

Where a tensor is not encoded sparse, it is said why. The reasons are the rules
of TensorFlow's converter, as measured on files that it made.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

from tflottery.tflite import sparse_encoding
from tflottery.tflite.tables import Subgraph, Tensor

_FEWEST_ENTRIES = 16
_LEAST_ZEROS = 0.3
_LOOKED_THROUGH = ("DENSIFY", "DEQUANTIZE")
# The place of the weight among the inputs of the operators that are encoded.
WEIGHT = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "FULLY_CONNECTED": 1,
    "TRANSPOSE_CONV": 1,
}
_BIAS = {
    "CONV_2D": 2,
    "CONV_3D": 2,
    "DEPTHWISE_CONV_2D": 2,
    "FULLY_CONNECTED": 2,
    "TRANSPOSE_CONV": 3,
}
_ENCODED_OF = "Conv, DepthwiseConv, TransposeConv and FullyConnected weights"


@dataclasses.dataclass(frozen=True)
class Constant:
    """One stored tensor.

    Args:
        name: As the converter named it.
        shape: Its dense shape, as the operators see it: the converter turns
            the kernels of Keras around.
        dtype: Such as `"float32"`, `"float16"`, `"int8"`, `"int4"`.
        bytes: What it takes in the file, the places of a sparse one included.
        zeros: How many of its entries mean 0.
        zeros_fraction: Their share of all entries, in [0, 1].
        encoded: `"dense"` or `"sparse"`.
        block: The block that is stored whole, one size for each dimension;
            `None` for a dense tensor.
        used_by: Names of the operators that use it.
        through: What stands between them and it, such as `"DENSIFY"`.
        reason: Why it is not sparse; empty if it is.
        warning: What is wrong with its encoding; empty if nothing is known.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    zeros: int
    zeros_fraction: float
    encoded: str
    block: tuple[int, ...] | None
    used_by: tuple[str, ...]
    through: tuple[str, ...]
    reason: str
    warning: str = ""


@dataclasses.dataclass(frozen=True)
class Use:
    """That an operator takes a tensor.

    Args:
        operator: The name of the operator.
        place: Which of its inputs the tensor is.
        through: What stands between.
    """

    operator: str
    place: int
    through: tuple[str, ...]


def uses(graph: Subgraph, tensor: int) -> list[Use]:
    """Returns who uses a tensor, through DENSIFY and DEQUANTIZE.

    Args:
        graph: A graph of a file.
        tensor: The index of a tensor of it.
    """
    found, open_, seen = [], [(tensor, ())], set()
    while open_:
        index, through = open_.pop(0)
        if index in seen:
            continue
        seen.add(index)
        for operator in graph.operators:
            for place, taken in enumerate(operator.inputs):
                if taken != index:
                    continue
                if operator.name in _LOOKED_THROUGH:
                    way = (*through, operator.name)
                    open_ += [(output, way) for output in operator.outputs]
                else:
                    found.append(Use(operator.name, place, through))
    return found


def source(graph: Subgraph, tensor: int) -> tuple[int, tuple[str, ...]]:
    """Returns the tensor that another is unpacked from, and by what.

    Args:
        graph: A graph of a file.
        tensor: The index of a tensor of it.

    Returns:
        The index of the tensor that no DENSIFY or DEQUANTIZE makes, and the
        names of those on the way, the first to run first.
    """
    way: list[str] = []
    makers = {
        output: operator
        for operator in graph.operators
        for output in operator.outputs
        if operator.name in _LOOKED_THROUGH
    }
    while tensor in makers and len(way) < len(makers):
        way.insert(0, makers[tensor].name)
        tensor = makers[tensor].inputs[0]
    return tensor, tuple(way)


def describe(
    graphs: Iterable[Subgraph], zeros: Callable[[Tensor], int]
) -> list[Constant]:
    """Returns the constants of a file that are worth a line.

    Args:
        graphs: The graphs of the file.
        zeros: Counts the entries of a tensor that mean 0.
    """
    found = []
    for graph in graphs:
        for index, tensor in enumerate(graph.tensors):
            large = math.prod(tensor.shape) >= _FEWEST_ENTRIES
            known = tensor.dtype not in ("string", "resource", "variant")
            if large and known and tensor.is_constant and not tensor.variable:
                users = uses(graph, index)
                found.append(_constant(tensor, users, zeros(tensor)))
    return _explained(found)


def _constant(tensor: Tensor, users: Sequence[Use], zeros: int) -> Constant:
    share = zeros / math.prod(tensor.shape)
    ways = sorted({use.through for use in users})
    block, size = None, tensor.data.nbytes
    if tensor.sparsity is not None:
        block = sparse_encoding.block_shape(tensor.sparsity, len(tensor.shape))
        size += sum(
            level.segments.nbytes + level.indices.nbytes
            for level in tensor.sparsity.levels
            if level.segments is not None
        )
    return Constant(
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype,
        bytes=size,
        zeros=zeros,
        zeros_fraction=share,
        encoded="dense" if block is None else "sparse",
        block=block,
        used_by=tuple(dict.fromkeys(use.operator for use in users)),
        through=tuple(dict.fromkeys(name for way in ways for name in way)),
        reason=_reason(tensor, users, share) if block is None else "",
        warning="" if block is None else _warning(tensor, users),
    )


def _reason(tensor: Tensor, users: Sequence[Use], share: float) -> str:
    """Says why a tensor is dense; empty if no rule stands against it."""
    names = " and ".join(dict.fromkeys(use.operator for use in users))
    weight = [use for use in users if WEIGHT.get(use.operator) == use.place]
    bias = [use for use in users if _BIAS.get(use.operator) == use.place]
    if not users:
        return "used by no operator"
    if bias and not weight:
        return "a bias: only weights are encoded"
    if tensor.dtype not in ("float32", "float16", "int8"):
        return f"{tensor.dtype}: only float32, float16 and int8 are encoded"
    rank = len(tensor.shape)
    if rank not in (2, 4):
        return f"rank {rank}: the converter encodes rank 2 and 4 only"
    if not weight:
        return f"used by {names}: only {_ENCODED_OF} are encoded"
    if share < _LEAST_ZEROS:
        return "fewer than 30 % of its entries are zero"
    return ""


def _explained(found: list[Constant]) -> list[Constant]:
    """Says of those that could have been encoded why they were not."""
    some = any(constant.encoded == "sparse" for constant in found)
    why = (
        "could be encoded, as others of this file are"
        if some
        else "zeros enough, but this is a dense form"
    )
    return [
        constant
        if constant.reason or constant.encoded == "sparse"
        else dataclasses.replace(constant, reason=why)
        for constant in found
    ]


def _warning(tensor: Tensor, users: Sequence[Use]) -> str:
    lost = sparse_encoding.left_out(tensor.sparsity, tensor.shape)
    if lost:
        block = sparse_encoding.block_shape(tensor.sparsity, len(tensor.shape))
        return (
            f"shape {tensor.shape} is not made of whole blocks {block}: the "
            f"converter left out {lost} entries"
        )
    if tensor.dtype == "float16" and any(
        use.through == ("DEQUANTIZE",) for use in users
    ):
        return "float16 in blocks: LiteRT reads it as if it were dense"
    return ""
