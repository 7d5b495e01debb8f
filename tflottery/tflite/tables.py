"""What a .tflite file holds, as plain values: tensors, operators, graphs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Level:
    """One level of a sparse encoding; see `sparse_encoding`.

    Args:
        size: the size of a dense level; 0 for a compressed one.
        segments: where the indices of each row begin; `None` if dense.
        indices: the places that are stored; `None` if dense.
    """

    size: int
    segments: np.ndarray | None = None
    indices: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Sparsity:
    """How a sparse tensor is stored.

    Args:
        order: the dimensions, as the levels go through them; those of blocks
            count from the rank on.
        block_map: the dimensions that are cut in blocks.
        levels: one for each entry of `order`.
    """

    order: tuple[int, ...]
    block_map: tuple[int, ...]
    levels: tuple[Level, ...]


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One tensor of a file.

    Args:
        name: as the converter named it.
        shape: sizes, 1 where the size is open.
        dtype: such as `"float32"`, `"float16"`, `"int8"`, `"int4"`.
        data: the bytes of a constant; empty for one that is computed.
        sparsity: the encoding of a sparse constant, or `None`.
        scales: of a quantised tensor: one, or one for each channel.
        zero_points: likewise; the stored numbers that stand for 0.
        axis: the axis of the channels that `scales` are of.
        variable: whether it is a state that starts at zero.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    data: np.ndarray
    sparsity: Sparsity | None
    scales: np.ndarray
    zero_points: np.ndarray
    axis: int
    variable: bool

    @property
    def is_constant(self) -> bool:
        """Whether it is stored. A sparse one may have no value stored."""
        return bool(self.data.size) or self.sparsity is not None


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator of a file.

    Args:
        name: such as `"FULLY_CONNECTED"`.
        inputs: indices of tensors of its subgraph; -1 for one left out.
        outputs: likewise.
        options: what the schema says of it, as far as weights and delegates
            ask for it: `stride_h`, `padding`, `activation`, ...
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Subgraph:
    """A graph of operators; the first of a file is its main one."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Signature:
    """A way to call a file.

    Args:
        key: such as `"serving_default"`.
        inputs: `{name: index of a tensor of the subgraph}`.
        outputs: likewise.
        subgraph: the index of its subgraph.
    """

    key: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    subgraph: int
