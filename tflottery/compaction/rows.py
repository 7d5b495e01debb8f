"""Rows: the zero rows of an embedding become one.

All indices whose row is zero may look up the same row. A small table in front
says where each old index is found now, which costs four bytes for each row, so
it is only done where it saves more.
"""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Rows:
    """An embedding table with one zero row.

    Args:
        lookup: (old rows,) int32, the new index of each old one.
        table: (new rows, columns), the new table.
    """

    lookup: np.ndarray
    table: np.ndarray


def merged(table: np.ndarray, mask_zero: bool = False) -> Rows | None:
    """Merges the zero rows of an embedding table.

    The zero row comes first, where an index out of range ends up on devices
    that do not refuse it. With `mask_zero`, index 0 means a masked step: it
    stays index 0, with its own row, and the zero row comes second.

    Args:
        table: (rows, columns).
        mask_zero: whether index 0 is that of masked steps.

    Returns:
        The new table, or `None` if it would save nothing.

    Example:
        >>> table = np.zeros((100, 8), "float32")
        >>> table[7] = 1
        >>> rows = merged(table)
        >>> rows.table.shape, rows.lookup[[6, 7, 8]].tolist()
        ((2, 8), [0, 1, 0])
    """
    is_zero = ~(table != 0).any(axis=1)
    if mask_zero:
        is_zero[0] = False
    num_zeros = int(is_zero.sum())
    saved = (num_zeros - 1) * table.shape[1] * table.dtype.itemsize
    if saved <= 4 * len(table):
        return None
    place = 1 if mask_zero else 0
    rest = np.flatnonzero(~is_zero)
    lookup = np.full(len(table), place, np.int32)
    lookup[rest] = np.where(
        np.arange(len(rest)) < place,
        np.arange(len(rest)),
        np.arange(len(rest)) + 1,
    )
    zero = np.zeros((1, table.shape[1]), table.dtype)
    rows = table[rest]
    return Rows(lookup, np.concatenate([rows[:place], zero, rows[place:]]))
