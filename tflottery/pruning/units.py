"""The arithmetic of units: arrays cut into rows, tiles and groups, and back.

Structures say what is cut how; here it is done, for sizes that do not divide as
well, and with dead entries left out of every mean and maximum.
"""

from __future__ import annotations

import math

import numpy as np


def least_rank(axis: int) -> int:
    """Returns how many axes a tensor needs to have this one.

    Example:
        >>> least_rank(-2), least_rank(0)
        (2, 1)
    """
    return -axis if axis < 0 else axis + 1


def rows(array: np.ndarray, axis: int) -> np.ndarray:
    """Returns the array as (length of the axis, all the rest).

    Example:
        >>> rows(np.array([[1, 2], [3, 4]]), -1)
        array([[1, 3],
               [2, 4]])
    """
    first = np.moveaxis(array, axis, 0)
    rest = math.prod(first.shape[1:])
    return np.ascontiguousarray(first).reshape(first.shape[0], rest)


def tiles(
    array: np.ndarray, height: int, width: int, fill: float
) -> np.ndarray:
    """Cuts the last two axes into tiles and returns a row for each.

    Args:
        array: An array of at least two axes.
        height: Rows of a tile.
        width: Columns of a tile.
        fill: What short tiles at the end are filled up with.

    Returns:
        Array of shape (tiles, height * width), the tiles in C order.

    Example:
        >>> tiles(np.array([[1, 2, 3], [4, 5, 6]]), 2, 2, 0)
        array([[1, 2, 4, 5],
               [3, 0, 6, 0]])
    """
    *leading, num_rows, num_columns = array.shape
    down, across = _tile_counts(num_rows, num_columns, height, width)
    padded = _filled(array, -2, down * height, fill)
    padded = _filled(padded, -1, across * width, fill)
    cut = padded.reshape(*leading, down, height, across, width)
    return np.swapaxes(cut, -3, -2).reshape(
        math.prod(leading) * down * across, height * width
    )


def untile(
    kept: np.ndarray, shape: tuple[int, ...], height: int, width: int
) -> np.ndarray:
    """Spreads one value a tile over the entries of the tile.

    Args:
        kept: Flat array, one value a tile, in C order.
        shape: The shape of the tensor that was cut.
        height: Rows of a tile.
        width: Columns of a tile.

    Returns:
        Array of that shape.

    Example:
        >>> untile(np.array([7, 8]), (2, 3), 2, 2)
        array([[7, 7, 8],
               [7, 7, 8]])
    """
    *leading, num_rows, num_columns = shape
    grid = _tile_counts(num_rows, num_columns, height, width)
    spread = kept.reshape(*leading, *grid)
    spread = spread.repeat(height, axis=-2)[..., :num_rows, :]
    return spread.repeat(width, axis=-1)[..., :num_columns]


def groups(array: np.ndarray, axis: int, size: int, fill: float) -> np.ndarray:
    """Cuts an axis into groups and returns a row for each.

    Args:
        array: An array.
        axis: The axis along which groups run.
        size: Entries of a group.
        fill: What a short group at the end is filled up with.

    Returns:
        Array of shape (groups, size).

    Example:
        >>> groups(np.array([[1, 2], [3, 4], [5, 6]]), 0, 2, 0)
        array([[1, 3],
               [5, 0],
               [2, 4],
               [6, 0]])
    """
    last = np.moveaxis(array, axis, -1)
    count = -(-last.shape[-1] // size)
    padded = _filled(last, -1, count * size, fill)
    return padded.reshape(math.prod(last.shape[:-1]) * count, size)


def ungroup(
    values: np.ndarray, shape: tuple[int, ...], axis: int
) -> np.ndarray:
    """Puts the rows of `groups` back in place.

    Args:
        values: Array of shape (groups, size).
        shape: The shape of the tensor that was cut.
        axis: The axis along which groups run.

    Returns:
        Array of that shape.

    Example:
        >>> ungroup(np.array([[1, 3], [5, 0], [2, 4], [6, 0]]), (3, 2), 0)
        array([[1, 2],
               [3, 4],
               [5, 6]])
    """
    length = shape[axis]
    others = list(shape)
    del others[axis]
    count = -(-length // values.shape[-1])
    last = values.reshape(*others, count * values.shape[-1])[..., :length]
    return np.moveaxis(last, -1, axis)


def mean(
    scores: np.ndarray, alive: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean of the living entries of each row, in float64.

    Args:
        scores: Float array of shape (units, entries).
        alive: Bool array of the same shape.

    Returns:
        `(scores, alive)` of shape (units,). A dead unit scores 0.

    Example:
        >>> mean(np.array([[1.0, 9.0]]), np.array([[True, False]]))
        (array([1.]), array([ True]))
    """
    count = np.count_nonzero(alive, axis=-1)
    living = np.where(alive, scores, scores.dtype.type(0))
    with np.errstate(invalid="ignore"):
        total = living.sum(axis=-1, dtype=np.float64)
    return total / np.maximum(count, 1), count > 0


def largest(
    scores: np.ndarray, alive: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the largest living entry of each row.

    Args:
        scores: Float array of shape (units, entries).
        alive: Bool array of the same shape.

    Returns:
        `(scores, alive)` of shape (units,). A dead unit scores -inf.

    Example:
        >>> largest(np.array([[1.0, 9.0]]), np.array([[True, False]]))
        (array([1.]), array([ True]))
    """
    low = scores.dtype.type(-np.inf)
    living = np.where(alive, scores, low)
    with np.errstate(invalid="ignore"):
        return living.max(axis=-1, initial=low), alive.any(axis=-1)


def best_of_rows(
    scores: np.ndarray, alive: np.ndarray, keep: int
) -> np.ndarray:
    """Marks the `keep` largest living entries of each row.

    Args:
        scores: Float array of shape (rows, entries).
        alive: Bool array of the same shape.
        keep: How many, from 1 to the number of entries.

    Returns:
        Bool array of the same shape, within `alive`: `keep` in each row, or
        all living ones where there are fewer. Of equal scores the first stays.

    Example:
        >>> best_of_rows(np.array([[1.0, 2.0, 2.0]]), np.ones((1, 3), bool), 1)
        array([[False,  True, False]])
    """
    if keep == scores.shape[-1]:
        return alive.copy()
    living = np.where(alive, scores, scores.dtype.type(-np.inf))
    at = scores.shape[-1] - keep
    border = np.partition(living, at, axis=-1)[:, at, None]
    better = living > border
    equal = (living == border) & alive
    open_places = keep - np.count_nonzero(better, axis=-1)[:, None]
    order = np.cumsum(equal, axis=-1, dtype=np.int32)
    return better | (equal & (order <= open_places))


def _tile_counts(
    num_rows: int, num_columns: int, height: int, width: int
) -> tuple[int, int]:
    return -(-num_rows // height), -(-num_columns // width)


def _filled(
    array: np.ndarray, axis: int, length: int, fill: float
) -> np.ndarray:
    """Returns the array with the axis filled up to `length`."""
    if array.shape[axis] == length:
        return array
    missing = [(0, 0)] * array.ndim
    missing[axis] = (0, length - array.shape[axis])
    return np.pad(array, missing, constant_values=fill)
