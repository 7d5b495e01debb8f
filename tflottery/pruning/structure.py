"""What a structure is: the pattern in which weights may go.

A structure turns the entries of a tensor into *units* that are kept or pruned
as one, and says which of them must stay. Selection then needs to know nothing
of patterns: it ranks units and counts units.
"""

from __future__ import annotations

import abc
import operator
from typing import Any

import numpy as np

from tflottery.pruning import registry


class Structure(registry.Configurable, abc.ABC):
    """The units of a tensor: how they are scored, and what they stand for.

    A unit is alive while one of its entries is. Counts, densities and
    `keep_at_least` are in units. Subclass it, as a frozen dataclass where it
    takes arguments, and decorate it with
    `tflottery.pruning.structures.register` if it is to be saved and loaded.
    """

    name: str

    @abc.abstractmethod
    def check_shape(self, path: str, shape: tuple[int, ...]) -> None:
        """Refuses a tensor that the structure cannot divide.

        Args:
            path: The tensor's path, for the message.
            shape: Its shape.

        Raises:
            ValueError: If the tensor has too few axes.
        """

    @abc.abstractmethod
    def pool(
        self, scores: np.ndarray, alive: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gathers entries into units.

        Args:
            scores: Float array of the tensor's shape.
            alive: Bool array of the same shape. What a dead entry scores does
                not matter.

        Returns:
            `(unit_scores, unit_alive)`, flat arrays of one length. The score
            of a unit is NaN if that of a living entry is.
        """

    @abc.abstractmethod
    def expand(self, kept: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Turns units back into entries.

        Args:
            kept: Flat bool array over the units.
            shape: The tensor's shape.

        Returns:
            Bool array of that shape, `True` for each entry of a kept unit.
        """

    def protected(
        self, scores: np.ndarray, alive: np.ndarray, shape: tuple[int, ...]
    ) -> np.ndarray | None:
        """Names the units that must stay, whatever density is asked.

        Args:
            scores: Flat unit scores, as from `pool`.
            alive: Flat bool array over the units.
            shape: The tensor's shape.

        Returns:
            Flat bool array over the units, within `alive`; `None` for none.
        """
        return None


def check_rank(
    structure: Structure, path: str, shape: tuple[int, ...], least: int
) -> None:
    """Refuses a tensor of fewer than `least` axes.

    Raises:
        ValueError: The message names the tensor, its shape and the structure.
    """
    if len(shape) < least:
        raise ValueError(
            f"`{path}` must have at least {least} "
            f"{'axis' if least == 1 else 'axes'} for {structure!r}. Received: "
            f"shape {shape}. Leave the tensor dense, or use structure=None."
        )


def check_axis(axis: Any) -> int:
    """Returns `axis` as a Python int; negative ones count from the end.

    Raises:
        TypeError: If it is not an integer.
    """
    if isinstance(axis, (bool, np.bool_)) or not hasattr(axis, "__index__"):
        raise TypeError(
            f"`axis` must be an integer. Received: axis={axis!r}. Use -1 for "
            "the last axis of a weight, -2 for the one before."
        )
    return operator.index(axis)


structure_registry: registry.Registry[Structure] = registry.Registry(
    "structure", Structure
)
