"""Sparse tensors of TFLite files: checked, and made dense again.

A sparse tensor is stored level by level, as the branches of a tree. A dense
level has a branch for each of its places; a compressed one lists, for every
branch above, the places that lead to something stored. A dimension that is cut
in blocks has two levels: one for the blocks and one, further down, for the
places within a block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tflottery.core.files import DamagedFileError
from tflottery.tflite.tables import Sparsity

_MOST_ENTRIES = 2**31


def block_shape(sparsity: Sparsity, rank: int) -> tuple[int, ...]:
    """Returns the size of the blocks that are stored whole.

    Args:
        sparsity: The encoding.
        rank: The rank of the tensor.

    Returns:
        One size for each dimension; all 1 where entries are stored one by one.

    Raises:
        DamagedFileError: The encoding contradicts itself.
    """
    levels, orders = len(sparsity.levels), sorted(sparsity.order)
    whole = levels == rank + len(sparsity.block_map)
    if not whole or orders != list(range(levels)):
        raise _contradiction(
            f"{levels} levels in the order {sparsity.order} for {rank} "
            f"dimensions and blocks of {sparsity.block_map}"
        )
    blocks = [1] * rank
    for place, dimension in enumerate(sparsity.block_map):
        level = sparsity.levels[sparsity.order.index(rank + place)]
        known = 0 <= dimension < rank and blocks[dimension] == 1
        if not known or level.segments is not None or level.size < 1:
            raise _contradiction(f"blocks of {sparsity.block_map}")
        blocks[dimension] = level.size
    return tuple(blocks)


def left_out(sparsity: Sparsity, shape: Sequence[int]) -> int:
    """Returns how many entries lie in no block, and are lost.

    The converter cuts a dimension in whole blocks and leaves out what remains,
    whatever its value.

    Args:
        sparsity: The encoding.
        shape: The shape of the dense tensor.
    """
    blocks = block_shape(sparsity, len(shape))
    covered = math.prod(
        size // block * block for size, block in zip(shape, blocks, strict=True)
    )
    return math.prod(shape) - covered


def check(sparsity: Sparsity, shape: Sequence[int], stored: int) -> None:
    """Refuses an encoding that contradicts itself.

    Args:
        sparsity: The encoding.
        shape: The shape of the dense tensor.
        stored: How many values are stored.

    Raises:
        DamagedFileError: Levels do not fit together, places are not in order
            or lie outside of the shape.
    """
    sizes, _ = _sizes_and_strides(sparsity, shape)
    branches = 1
    for level, size in zip(sparsity.levels, sizes, strict=True):
        if level.segments is None:
            if level.size != size:
                raise _contradiction(f"a level of {level.size} for {size}")
            branches *= size
            continue
        _check_compressed(level.segments, level.indices, branches, size)
        branches = len(level.indices)
    if branches != stored:
        raise _contradiction(f"{stored} values for {branches} places")


def decode(
    sparsity: Sparsity, shape: Sequence[int], values: np.ndarray
) -> np.ndarray:
    """Returns the dense tensor.

    Args:
        sparsity: The encoding.
        shape: The shape of the dense tensor.
        values: The stored values, in their order.

    Returns:
        An array of `shape` and the dtype of `values`; 0 where nothing is
        stored.

    Raises:
        DamagedFileError: The encoding contradicts itself.

    Example:
        Two rows of three: the first holds a 5 in the middle.

        >>> import numpy as np
        >>> from tflottery.tflite.tables import Level
        >>> rows = Level(2)
        >>> columns = Level(0, np.array([0, 1, 1]), np.array([1]))
        >>> decode(Sparsity((0, 1), (), (rows, columns)), (2, 3), np.array([5]))
        array([[0, 5, 0],
               [0, 0, 0]])
    """
    check(sparsity, shape, len(values))
    count = math.prod(shape)
    if count > _MOST_ENTRIES:
        raise _contradiction(f"{count:,} entries, more than TFLite can take")
    kind = np.int32 if count < 2**31 else np.int64
    places = np.zeros(1, kind)
    sizes, strides = _sizes_and_strides(sparsity, shape)
    for level, size, stride in zip(
        sparsity.levels, sizes, strides, strict=True
    ):
        if level.segments is None:
            steps = np.arange(size, dtype=kind) * kind(stride)
            places = (places[:, None] + steps).reshape(-1)
            continue
        counts = np.diff(level.segments.astype(np.int64))
        places = np.repeat(places, counts)
        places += level.indices.astype(kind) * kind(stride)
    dense = np.zeros(count, values.dtype)
    dense[places] = values
    return dense.reshape(shape)


def _contradiction(what: str) -> DamagedFileError:
    return DamagedFileError(f"a sparse encoding contradicts itself: {what}")


def _sizes_and_strides(
    sparsity: Sparsity, shape: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Returns how many places each level has, and how far apart they are."""
    rank = len(shape)
    blocks = block_shape(sparsity, rank)
    strides = [math.prod(shape[axis + 1 :]) for axis in range(rank)]
    sizes_of_levels, strides_of_levels = [], []
    for dimension in sparsity.order:
        if dimension < rank:
            block = blocks[dimension]
            sizes_of_levels.append(shape[dimension] // block)
            strides_of_levels.append(strides[dimension] * block)
        else:
            axis = sparsity.block_map[dimension - rank]
            sizes_of_levels.append(blocks[axis])
            strides_of_levels.append(strides[axis])
    return sizes_of_levels, strides_of_levels


def _check_compressed(
    segments: np.ndarray, indices: np.ndarray, branches: int, size: int
) -> None:
    if len(segments) != branches + 1:
        raise _contradiction(f"{len(segments)} segments for {branches} rows")
    lengths = np.diff(segments.astype(np.int64))
    ends = int(segments[0]), int(segments[-1])
    if ends != (0, len(indices)) or lengths.min(initial=0) < 0:
        raise _contradiction(f"segments that run {ends} in {len(indices)}")
    if len(indices) and not 0 <= indices.min() <= indices.max() < size:
        raise _contradiction(f"places outside of {size}")
    # Within a row, places rise; only the first of a row may be lower.
    rises = np.empty(len(indices) + 1, bool)
    rises[[0, -1]] = True
    np.greater(indices[1:], indices[:-1], out=rises[1:-1])
    rises[segments] = True
    if not rises.all():
        raise _contradiction("places that are out of order")
