"""What is kept of two layers of the random network: units and edges.

A hundred random weights are drawn for one that stays, so only what stays is
stored, as flat arrays that grow block by block.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tflottery.supermasks.error_bounds import Found
from tflottery.supermasks.weighted_layer import WeightedLayer


@dataclasses.dataclass(frozen=True, eq=False)
class KeptEdges:
    """Kept units of an expansion, kept edges of the contraction after it.

    Attributes:
        layer: The target's layer.
        unit: Int64 array (units,): place of each kept unit in the whole
            expansion, ascending.
        block: Int32 array (units,): the block it stands in.
        weight_in: Float32 array (units,): the one weight kept into it.
        edge_unit: Int32 array (edges,): which kept unit an edge leaves,
            ascending.
        edge_output: Int32 array (edges,): which of the block's outputs it
            leads to: (row * width + column) * filters + filter.
        weight_out: Float32 array (edges,): the weight of the edge.
        missing: Int32 array (blocks, outputs): unmet requirements.
    """

    layer: WeightedLayer
    unit: np.ndarray
    block: np.ndarray
    weight_in: np.ndarray
    edge_unit: np.ndarray
    edge_output: np.ndarray
    weight_out: np.ndarray
    missing: np.ndarray

    @property
    def size(self) -> int:
        """Kept parameters."""
        return self.weight_in.size + self.weight_out.size

    def products(self) -> np.ndarray:
        """Returns a·b of each edge, exact in float64."""
        return self.weight_in[self.edge_unit].astype(np.float64) * (
            self.weight_out
        )

    def weights(self, sign: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns the kernel and bias that the kept edges make up.

        Args:
            sign: 1 for what acts on positive inputs, -1 on negative ones.

        Returns:
            Float64 arrays shaped as the target's; the bias is None where the
            target's is. ReLU(a x) is a x where a has the sign of x, so a·b is
            what multiplies |x| times that sign.
        """
        layer = self.layer
        a = self.weight_in[self.edge_unit]
        is_bias = self.block[self.edge_unit] == layer.inputs
        wanted = (a * sign > 0) & ~is_bias
        kernel = _sums(
            self.block[self.edge_unit] * layer.outputs + self.edge_output,
            self.products(),
            wanted,
            layer.inputs * layer.outputs,
        )
        kernel = kernel.reshape(layer.inputs, -1, layer.filters)
        kernel = kernel.swapaxes(0, 1).reshape(layer.kernel.shape)
        if layer.bias is None:
            return kernel, None
        bias = _sums(
            self.edge_output % layer.filters,
            self.products(),
            is_bias,
            layer.filters,
        )
        return kernel, bias


def _sums(places, values, wanted, size):
    return np.bincount(places[wanted], values[wanted], minlength=size)


@dataclasses.dataclass(frozen=True, eq=False)
class WeightErrors:
    """How far the kept edges of a layer are from the target's weights.

    Attributes:
        largest: Largest |error| of a weight or bias, either sign of input.
        found: What the bound on the output's error asks for.
    """

    largest: float
    found: Found


def weight_errors(kept: KeptEdges, signs: int) -> WeightErrors:
    """Compares what the edges make up with the target's weights.

    Args:
        kept: The edges of a layer.
        signs: 1 where its input is never negative, else 2.

    Returns:
        Errors in float64, in which products of two float32 weights are exact.
    """
    layer, filters = kept.layer, kept.layer.filters
    worst = np.zeros(layer.kernel.shape)
    for sign in (1, -1)[:signs]:
        kernel, bias = kept.weights(sign)
        np.maximum(worst, np.abs(kernel - layer.kernel), out=worst)
    bias_error = np.zeros(filters)
    if layer.bias is not None:
        bias_error = np.abs(bias - layer.bias)
    to = kept.edge_output % filters
    absolute = np.bincount(to, np.abs(kept.products()), minlength=filters)
    terms = np.bincount(to, minlength=filters)
    return WeightErrors(
        float(max(worst.max(), bias_error.max())),
        Found(
            worst.reshape(-1, filters).sum(0),
            bias_error,
            float(absolute.max()),
            int(terms.max()),
        ),
    )
