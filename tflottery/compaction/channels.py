"""Channels: the last axis of every tensor, and which of them go together.

An element-wise layer gives out one channel for each it takes, so the two can
only be removed together; so can the channels that a residual sum adds up.
`Ties` keeps such groups. A pinned group cannot be removed at all.
"""

from __future__ import annotations

import numpy as np

from tflottery.layers.nodes import Tensor


def count(tensor: Tensor) -> int:
    """Returns the number of channels of a tensor; 0 where it has none.

    The last axis of a tensor of rank 1 is the batch, and an open size cannot
    be counted.
    """
    if len(tensor.shape) < 2 or tensor.shape[-1] is None:
        return 0
    return int(tensor.shape[-1])


class Ties:
    """Groups of channels, found by union; each channel has a number.

    Example:
        >>> ties = Ties()
        >>> one, other = ties.new(3), ties.new(3)
        >>> ties.join(one, other)
        >>> ties.pin(other[:1])
        >>> groups = ties.groups()
        >>> groups[one].tolist(), groups[other].tolist()
        ([0, 1, 2], [0, 1, 2])
        >>> ties.pinned()[groups[one]].tolist()
        [True, False, False]
    """

    def __init__(self):
        self._parents: list[int] = []
        self._pinned: list[np.ndarray] = []

    def new(self, number: int) -> np.ndarray:
        """Returns the numbers of so many new channels, tied to none."""
        start = len(self._parents)
        self._parents.extend(range(start, start + number))
        return np.arange(start, start + number)

    def join(self, one: np.ndarray, other: np.ndarray) -> None:
        """Ties the channels of two lists of one length, pair by pair."""
        if one is other:
            return
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            a, b = self._root(a), self._root(b)
            if a != b:
                self._parents[max(a, b)] = min(a, b)

    def pin(self, channels: np.ndarray) -> None:
        """Says that these channels, and all tied to them, have to stay."""
        self._pinned.append(channels)

    def groups(self) -> np.ndarray:
        """Returns the group of each channel, named by its first member."""
        # A parent is never larger than its child, so this ends soon.
        roots = np.asarray(self._parents, np.int64)
        while True:
            further = roots[roots]
            if np.array_equal(further, roots):
                return roots
            roots = further

    def pinned(self) -> np.ndarray:
        """Returns for each group, by its name, whether it has to stay."""
        groups = self.groups()
        found = np.zeros(len(groups), bool)
        for channels in self._pinned:
            found[groups[channels]] = True
        return found

    def _root(self, channel: int) -> int:
        parents = self._parents
        while parents[channel] != channel:
            parents[channel] = parents[parents[channel]]
            channel = parents[channel]
        return channel
