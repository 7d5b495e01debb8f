"""The random network, drawn block by block.

For each layer of the target the random network G has two: an *expansion* of
many ReLU units, and a *contraction* to the target's outputs. The units stand
in blocks, one for each input channel of the target's layer and one for its
biases. Each block has random streams of its own, named by layer and block, so
it is the same whether G is held whole or passes by, and in whatever order.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tflottery.core import seeds
from tflottery.supermasks.construction import Construction, Need
from tflottery.supermasks.weighted_layer import WeightedLayer


@dataclasses.dataclass(frozen=True, eq=False)
class RandomLayer:
    """An expansion and a contraction of G.

    Attributes:
        index: Place of the target's layer among those with weights, from 0.
        layer: The target's layer.
        need: What it asks.
        construction: The law of the weights.
        seed: Seed of G.
        units: Units in one block.
    """

    index: int
    layer: WeightedLayer
    need: Need
    construction: Construction
    seed: int
    units: int

    @property
    def total_units(self) -> int:
        """Units in all blocks."""
        return self.units * self.need.blocks

    @property
    def size(self) -> int:
        """Parameters of both layers: kernels, and the expansion's biases."""
        biased = self.layer.inputs + (self.layer.bias is not None)
        return self.total_units * (biased + self.need.outputs)

    def block(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws the weights of block j that may be kept.

        Args:
            j: Block in [0, blocks).

        Returns:
            Float32 arrays: (units,), from the block's own input into its
            units, and (units, outputs), from there on.
        """
        return (
            self.construction.sample_in(
                self._rng(j, "in"), (self.units,), self.need
            ),
            self.construction.sample_out(
                self._rng(j, "out"), (self.units, self.need.outputs), self.need
            ),
        )

    def fill(
        self, expansion: np.ndarray, bias: np.ndarray, contraction: np.ndarray
    ) -> None:
        """Writes the whole of G's two layers into arrays.

        Args:
            expansion: Float32 array (inputs, total_units).
            bias: Float32 array (total_units,); left as it is where the target
                has no bias.
            contraction: Float32 array (height, width, total_units, filters),
                or (total_units, filters).
        """
        rows = contraction.reshape(-1, self.total_units, self.layer.filters)
        for j in range(self.need.blocks):
            own = slice(j * self.units, (j + 1) * self.units)
            a, b = self.block(j)
            rows[:, own] = b.reshape(
                self.units, -1, self.layer.filters
            ).swapaxes(0, 1)
            other = self.construction.sample_in(
                self._rng(j, "other"),
                (self.layer.inputs, self.units),
                self.need,
            )
            expansion[:, own] = other
            if self.layer.bias is not None:
                bias[own] = self.construction.sample_in(
                    self._rng(j, "bias"), (self.units,), self.need
                )
            if j == self.layer.inputs:
                bias[own] = a
            else:
                expansion[j, own] = a

    def _rng(self, j: int, what: str) -> np.random.Generator:
        return seeds.rng(self.seed, "layer", self.index, "block", j, what)
