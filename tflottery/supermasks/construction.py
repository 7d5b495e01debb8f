"""What a construction of strong tickets must answer.

Every such construction turns one weight of a target into products a·b of two
random weights: a leads from an input into a hidden ReLU unit, b from that unit
to an output. They differ in the law of the weights, in how many units they
sample, and in how they choose among the products. A `Construction` holds these
three and nothing else; it works on one *block* at a time, the units that serve
one input of one layer, so that a network far larger than memory can be searched
block by block (`strong_ticket.find`).
"""

from __future__ import annotations

import abc
import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Need:
    """What one layer of the target asks of the random network.

    Attributes:
        outputs: Target weights that one block serves: the outputs of a dense
            layer, height x width x filters of a convolution.
        blocks: Blocks of the layer: its inputs, and one more for the biases
            where there are biases.
        signs: 1 where the layer's input is never negative, so that only units
            with a > 0 are of use; 2 where the units with a < 0 carry the
            negative part.
        largest_weight: Largest |weight or bias| of the target's layer, > 0.
        weight_error: How far a weight may be from its target, > 0.
        failure: Probability, in (0, 1), with which the layer may miss
            something.
    """

    outputs: int
    blocks: int
    signs: int
    largest_weight: float
    weight_error: float
    failure: float

    @property
    def requirements(self) -> int:
        """Number of (weight, sign) pairs of the layer, each to be reached."""
        return self.outputs * self.blocks * self.signs


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which edges of a block are kept: those that make up its target weights.

    Attributes:
        units: Int array (edges,): the unit that an edge leaves.
        outputs: Int array (edges,): the output that it leads to. No pair of
            unit and output comes twice.
        missing: Int array (outputs,): requirements of each weight that no
            sample met; zero where the weight is within `error_bound`.
    """

    units: np.ndarray
    outputs: np.ndarray
    missing: np.ndarray

    @classmethod
    def from_kept(cls, kept: np.ndarray, missing: np.ndarray) -> Selection:
        """Reads the edges off a boolean table.

        Args:
            kept: Bool array (units, outputs).
            missing: Int array (outputs,).

        Returns:
            The same selection as lists of edges, ordered by unit.

        Example:
            >>> kept = np.array([[False, True], [True, True]])
            >>> edges = Selection.from_kept(kept, np.zeros(2, int))
            >>> edges.units.tolist(), edges.outputs.tolist()
            ([0, 1, 1], [1, 0, 1])
        """
        units, outputs = np.nonzero(kept)
        return cls(units, outputs, missing)


class Construction(abc.ABC):
    """A law of random weights, a number of units, and a way to choose.

    Implementations are stateless: all chance comes through the generators that
    they are given, so a block can be drawn again, alone, whenever it is wanted.

    Attributes:
        name: Short name for certificates, such as "logarithmic".
    """

    name: str

    @abc.abstractmethod
    def units(self, need: Need) -> int:
        """Returns how many units to sample for one block.

        Args:
            need: The layer.

        Returns:
            A count >= 1, units of both signs of a together.
        """

    @abc.abstractmethod
    def sample_in(
        self, rng: np.random.Generator, shape: tuple[int, ...], need: Need
    ) -> np.ndarray:
        """Draws weights that lead into units.

        Args:
            rng: Where the chance comes from.
            shape: Shape of the result; (units,) for a block.
            need: The layer.

        Returns:
            Float32 array of `shape`, independent draws of one symmetric law.
        """

    @abc.abstractmethod
    def sample_out(
        self, rng: np.random.Generator, shape: tuple[int, ...], need: Need
    ) -> np.ndarray:
        """Draws weights that lead out of units.

        Args:
            rng: Where the chance comes from.
            shape: Shape of the result; (units, outputs) for a block.
            need: The layer.

        Returns:
            Float32 array of `shape`, independent draws of one symmetric law.
        """

    @abc.abstractmethod
    def select(
        self, a: np.ndarray, b: np.ndarray, weights: np.ndarray, need: Need
    ) -> Selection:
        """Chooses, for every output, products a·b that sum to its weight.

        The engine calls it once for each sign of a, with the units of that
        sign, a and b turned so that a is positive: the code is the same for
        both.

        Args:
            a: Float32 array (m,), all positive.
            b: Float32 array (m, outputs).
            weights: Float64 array (outputs,): sum of a·b over the kept edges
                of an output shall come within `error_bound` of it. A weight
                that is exactly zero needs no edge and misses nothing.
            need: The layer. `outputs` of the block that holds the biases of a
                convolution may be smaller than `need.outputs`; trust the
                shapes of b and `weights`.

        Returns:
            The edges and what is missing. Products of two float32 numbers are
            exact in float64: compute sums and errors in float64.
        """

    @abc.abstractmethod
    def error_bound(self, need: Need) -> float:
        """Returns the largest |weight - its sum| where nothing is missing.

        Args:
            need: The layer.

        Returns:
            A number > 0, at most `need.weight_error`.
        """

    def details(self, need: Need) -> dict[str, float]:
        """Returns figures of the construction for the certificate.

        Args:
            need: The layer.

        Returns:
            Name to number, such as {"bins": 20}; empty by default.
        """
        del need
        return {}
