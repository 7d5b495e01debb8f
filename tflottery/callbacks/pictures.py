"""The mask of a first layer as pictures.

The first layer is the one whose mask can be looked at: its rows are the
inputs, so it shows which pixels a ticket still reads, and which filters it
still has. White is kept and black is pruned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MAX_SIDE = 1024
MIN_SIDE = 512
_ROW_HEIGHT = 64
_SMALLEST_SQUARE = 8
_TAP = 4
_FRAME = np.array([40, 90, 160], np.uint8)


def of_mask(
    mask: np.ndarray, input_shape: Sequence[int] | None = None
) -> dict[str, np.ndarray]:
    """Draws a mask in the ways that fit its shape.

    * `inputs_by_units`: the mask itself; a row per input (for convolutions
      per tap and input), a column per unit.
    * `reads_per_input` (matrices): how many units read each input, white for
      the most, laid out like the input: as an image if it is one, or a square
      number of values (64, 784), else as one row.
    * `filters` (convolutions over images): a grid of the filters, framed in
      blue; three input channels are red, green and blue, any other number is
      averaged.

    Args:
        mask: bool array of rank 2 or more, (..., inputs, units).
        input_shape: shape of one example of the model, if known, such as
            `(28, 28, 1)`; used where its size is the number of inputs.

    Returns:
        `{name: (height, width, 3) uint8 array}`; small ones are magnified to
        at least 512 pixels where 1024 allow it, large ones averaged down to
        at most 1024.

    Example:
        >>> found = of_mask(np.ones((784, 300), bool))
        >>> {name: picture.shape for name, picture in found.items()}
        {'inputs_by_units': (784, 300, 3), 'reads_per_input': (532, 532, 3)}
    """
    found = {"inputs_by_units": _picture(mask.reshape(-1, mask.shape[-1]))}
    if mask.ndim == 2:
        found["reads_per_input"] = _picture(reads_per_input(mask, input_shape))
    if mask.ndim == 4:
        found["filters"] = _picture(filter_grid(mask))
    return found


def reads_per_input(
    mask: np.ndarray, input_shape: Sequence[int] | None = None
) -> np.ndarray:
    """Counts the survivors of each input, laid out like the input.

    Args:
        mask: (inputs, units) bool.
        input_shape: as in `of_mask`.

    Returns:
        (height, width) float array in [0, 1], or (height, width, 3) for
        images with three channels: counts divided by the largest.

    Example:
        >>> reads_per_input(np.array([[1, 0], [1, 1]]), (1, 2))
        array([[0.5, 1. ]])
    """
    reads = np.count_nonzero(mask, axis=1).astype(float)
    size = reads.size
    side = math.isqrt(size)
    shape = tuple(input_shape or ())
    if len(shape) in (2, 3) and math.prod(shape) == size:
        reads = reads.reshape(shape)
    elif side >= _SMALLEST_SQUARE and side * side == size:
        reads = reads.reshape(side, side)
    else:
        reads = reads.reshape(1, size)
    if reads.ndim == 3 and reads.shape[-1] != 3:
        reads = reads.sum(axis=-1)
    return reads / max(reads.max(initial=0.0), 1.0)


def filter_grid(mask: np.ndarray) -> np.ndarray:
    """Lays the filters of a convolution side by side, in rows.

    Args:
        mask: (height, width, inputs, filters) bool.

    Returns:
        (rows, columns, 3) uint8 array with 4 by 4 pixels for each tap, and a
        frame of one pixel around each filter; filters run along the rows.
    """
    mask = mask.repeat(_TAP, axis=0).repeat(_TAP, axis=1)
    height, width, inputs, num_filters = mask.shape
    columns = math.ceil(math.sqrt(num_filters))
    rows = math.ceil(num_filters / columns)
    grid = np.empty((rows * (height + 1) + 1, columns * (width + 1) + 1, 3))
    grid[:] = _FRAME
    for index in range(num_filters):
        one = mask[..., index].astype(float)
        if inputs != 3:
            one = one.mean(axis=-1, keepdims=True)
        row, column = divmod(index, columns)
        top, left = row * (height + 1) + 1, column * (width + 1) + 1
        grid[top : top + height, left : left + width] = np.rint(255 * one)
    return grid.astype(np.uint8)


def _picture(values: np.ndarray) -> np.ndarray:
    """Returns values, in [0, 1] or as bytes, as an RGB picture."""
    if values.dtype != np.uint8:
        values = np.asarray(values, float) * 255
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=-1)
    height, width = values.shape[:2]
    shrunk = _averaged(_averaged(values, 0), 1)
    side = max(shrunk.shape[:2])
    factor = max(1, min(math.ceil(MIN_SIDE / side), MAX_SIDE // side))
    tall = max(factor, _ROW_HEIGHT) if height == 1 and width > 1 else factor
    return np.repeat(
        np.repeat(np.rint(shrunk).astype(np.uint8), tall, axis=0),
        factor,
        axis=1,
    )


def _averaged(values: np.ndarray, axis: int) -> np.ndarray:
    length = values.shape[axis]
    step = math.ceil(length / MAX_SIDE)
    if step <= 1:
        return values
    starts = np.arange(0, length, step)
    counts = np.diff(np.append(starts, length))
    sums = np.add.reduceat(values.astype(float), starts, axis=axis)
    shape = [1] * values.ndim
    shape[axis] = -1
    return sums / counts.reshape(shape)
