"""The patterns in which weights may go: singly, in blocks, N of M, in channels.

Single zeros make a model small; zeros in a pattern are what hardware and
compaction can use. The criterion says what is weak, the structure says what
goes together.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tflottery.core import checks
from tflottery.pruning import units
from tflottery.pruning.structure import (
    Structure,
    check_axis,
    check_rank,
    structure_registry,
)

__all__ = [
    "Block",
    "Channel",
    "NOfM",
    "Structure",
    "Unstructured",
    "get",
    "names",
    "register",
    "serialize",
]


def register(cls: type[Structure]) -> type[Structure]:
    """Makes a structure of your own known by its `name`; a decorator.

    Args:
        cls: A subclass of `Structure`.

    Returns:
        The class itself.

    Raises:
        ValueError: If the name is taken.
    """
    return structure_registry.register(cls)


def names() -> tuple[str, ...]:
    """Returns the valid names.

    Example:
        >>> names()
        ('unstructured', 'block', 'n_of_m', 'channel')
    """
    return structure_registry.names()


def get(identifier: Any) -> Structure:
    """Returns a structure from a name, a config or a structure.

    Args:
        identifier: One of `names()`, what `serialize` returned, an instance,
            or `None` for `Unstructured()`.

    Returns:
        A `Structure`.

    Raises:
        TypeError: If `identifier` is none of these.
        ValueError: If the name is unknown, or needs arguments.

    Example:
        >>> get(None), get({"name": "channel", "config": {"axis": -1}})
        (Unstructured(), Channel(axis=-1))
    """
    if identifier is None:
        return Unstructured()
    return structure_registry.get(identifier)


def serialize(structure: Structure) -> str | dict[str, Any]:
    """Returns plain JSON values from which `get` makes an equal structure.

    Args:
        structure: An instance of a registered class.

    Returns:
        A name, or `{"name": name, "config": arguments}`.

    Example:
        >>> serialize(NOfM(keep=2, group=4))
        {'name': 'n_of_m', 'config': {'keep': 2, 'group': 4, 'axis': -2}}
    """
    return structure_registry.serialize(structure)


@structure_registry.register
@dataclasses.dataclass(frozen=True)
class Unstructured(Structure):
    """Every entry may go by itself. The usual one.

    Example:
        >>> Unstructured().expand(np.array([True, False]), (1, 2))
        array([[ True, False]])
    """

    name = "unstructured"

    def check_shape(self, path, shape):
        """Accepts every tensor."""

    def pool(self, scores, alive):
        """Returns the entries themselves, in C order."""
        return scores.reshape(-1), alive.reshape(-1)

    def expand(self, kept, shape):
        """Returns the units in the shape of the tensor."""
        return kept.reshape(shape)


@structure_registry.register
@dataclasses.dataclass(frozen=True)
class Block(Structure):
    """Blocks of `height` x `width` entries, over the last two axes, go as one.

    Axes before the last two are apart: a block of a convolution kernel lies in
    the plane of input and output channels at one position. Where the sizes do
    not divide, the last blocks of a row or column are smaller; each still
    counts as one unit and is scored over the entries that it has.

    Args:
        height: Rows of a block, at least 1.
        width: Columns of a block, at least 1.
        pooling: `"average"` (default) scores a block by the mean score of its
            living entries, in float64; `"max"` by the largest.

    Example:
        >>> block = Block(1, 2)
        >>> scores = np.array([[1.0, 5.0, 4.0, 4.0]])
        >>> block.pool(scores, scores > 0)
        (array([3., 4.]), array([ True,  True]))
        >>> block.expand(np.array([False, True]), (1, 4))
        array([[False, False,  True,  True]])
    """

    height: int
    width: int
    pooling: str = "average"
    name = "block"

    def __post_init__(self):
        for argument in ("height", "width"):
            value = checks.check_positive_int(
                argument,
                getattr(self, argument),
                what="Use Block(1, 4) for blocks of one row and four columns.",
            )
            object.__setattr__(self, argument, value)
        checks.check_choice("pooling", self.pooling, ("average", "max"))

    def check_shape(self, path, shape):
        """Refuses tensors of fewer than two axes."""
        check_rank(self, path, shape, 2)

    def pool(self, scores, alive):
        """Returns a score for each block, in C order."""
        size = (self.height, self.width)
        rank = units.largest if self.pooling == "max" else units.mean
        return rank(
            units.tiles(scores, *size, 0), units.tiles(alive, *size, False)
        )

    def expand(self, kept, shape):
        """Repeats each block over its entries."""
        return units.untile(kept, shape, self.height, self.width)


@structure_registry.register
@dataclasses.dataclass(frozen=True)
class NOfM(Structure):
    """In each group of `group` entries in a line, the best `keep` must stay.

    The other entries may go, singly and weakest first, until the density asked
    is reached; below `keep / group` it is not, and the mask has reached the
    pattern. N:M is written here as N *kept* of M, as in the literature (the
    sparse tensor cores' 2:4 is `NOfM(2, 4)`); TF-MOT's `(m, n)` counts zeros.

    Groups start at index 0 of the axis. Where the size does not divide, the
    last group is shorter and keeps min(keep, its length). Among equal scores
    the lower index stays.

    Args:
        keep: Entries of a group that must stay, from 1 to `group`.
        group: Entries of a group, at least 1.
        axis: The axis along which groups run. Defaults to -2, the input axis
            of dense and convolution kernels.

    Example:
        >>> scores = np.array([4.0, 1.0, 2.0, 3.0])
        >>> NOfM(2, 4, axis=-1).protected(scores, scores > 0, (4,))
        array([ True, False, False,  True])
    """

    keep: int
    group: int
    axis: int = -2
    name = "n_of_m"

    def __post_init__(self):
        what = "Use NOfM(keep=2, group=4) to keep two of four."
        for argument in ("keep", "group"):
            value = checks.check_positive_int(
                argument, getattr(self, argument), what=what
            )
            object.__setattr__(self, argument, value)
        if self.keep > self.group:
            raise ValueError(
                "`keep` must not exceed `group`. Received: "
                f"keep={self.keep}, group={self.group}. It is the number of "
                f"entries that stay in a group, not of zeros. {what}"
            )
        object.__setattr__(self, "axis", check_axis(self.axis))

    def check_shape(self, path, shape):
        """Refuses tensors without the axis."""
        check_rank(self, path, shape, units.least_rank(self.axis))

    def pool(self, scores, alive):
        """Returns the entries themselves, in C order."""
        return scores.reshape(-1), alive.reshape(-1)

    def expand(self, kept, shape):
        """Returns the units in the shape of the tensor."""
        return kept.reshape(shape)

    def protected(self, scores, alive, shape):
        """Returns the best `keep` living entries of each group."""
        lines = units.groups(
            scores.reshape(shape), self.axis, self.group, -np.inf
        )
        living = units.groups(
            alive.reshape(shape), self.axis, self.group, False
        )
        best = units.best_of_rows(lines, living, self.keep)
        return units.ungroup(best, shape, self.axis).reshape(-1)


@structure_registry.register
@dataclasses.dataclass(frozen=True)
class Channel(Structure):
    """Everything at one index of an axis goes as one: whole output channels.

    A channel is scored by the mean score of its living entries, in float64.
    For magnitudes that is its L1 norm by its size: L1, since the norm of the
    criterion is that of single entries; the mean, so that channels of large
    and of small kernels can be ranked together; of the scores as they are, so
    that criteria whose scores have a sign keep their meaning.

    Args:
        axis: The axis whose indices are the channels. Defaults to -1, the
            output axis of dense and convolution kernels.

    Example:
        >>> scores = np.array([[1.0, 2.0], [3.0, 6.0]])
        >>> Channel().pool(scores, scores > 0)
        (array([2., 4.]), array([ True,  True]))

    Reference: Li et al., Pruning Filters for Efficient ConvNets, 2017,
    section 3.1 (the L1 norm).
    """

    axis: int = -1
    name = "channel"

    def __post_init__(self):
        object.__setattr__(self, "axis", check_axis(self.axis))

    def check_shape(self, path, shape):
        """Refuses tensors without the axis."""
        check_rank(self, path, shape, units.least_rank(self.axis))

    def pool(self, scores, alive):
        """Returns a score for each index of the axis."""
        return units.mean(
            units.rows(scores, self.axis), units.rows(alive, self.axis)
        )

    def expand(self, kept, shape):
        """Repeats each index over the other axes."""
        line = [1] * len(shape)
        line[self.axis] = shape[self.axis]
        return np.broadcast_to(kept.reshape(line), shape)
