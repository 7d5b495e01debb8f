"""The two random layers, held without what is pruned.

For a dense layer that takes layers of our own, which store edges; for a
convolution stock layers do, on the units that are kept.
"""

from __future__ import annotations

import numpy as np

from tflottery.supermasks import sparse_layers, storage


class KeptDense(storage.Storage):
    """`SingleInputUnits` and `SparseDense`: nothing but what is kept."""

    name = "kept"

    @property
    def units(self):
        """Kept units; one that does nothing where none is kept."""
        return max(1, self.kept.unit.size)

    @property
    def _edges(self):
        return max(1, self.kept.edge_unit.size)

    @property
    def parameters(self):
        """Weights of units and edges, and the tables of their ends."""
        return 3 * (self.units + self._edges)

    def make(self, of):
        """See `Storage.make`."""
        units, sparse = sparse_layers.classes_for(of)
        return units(
            self.units,
            use_bias=self.layer.bias is not None,
            name=storage.name_of(self.layer, "expansion"),
        ), sparse(
            self.layer.filters,
            self._edges,
            activation=self.layer.activation,
            name=storage.name_of(self.layer, "contraction"),
        )

    def values(self):
        """See `Storage.values`."""
        kept = self.kept
        of_bias = kept.block == self.layer.inputs
        kernel = np.where(of_bias, np.float32(0), kept.weight_in)
        bias = np.where(of_bias, kept.weight_in, np.float32(0))
        source = np.where(of_bias, 0, kept.block).astype(np.int32)
        units = [kernel, *([] if self.layer.bias is None else [bias]), source]
        edges = [kept.weight_out, kept.edge_unit, kept.edge_output]
        return (
            [_padded(values, self.units) for values in units],
            [_padded(values, self._edges) for values in edges],
        )

    def masks(self):
        """See `Storage.masks`."""
        of_bias = self.kept.block == self.layer.inputs
        units = [~of_bias] + ([] if self.layer.bias is None else [of_bias])
        edges = np.ones(self.kept.edge_unit.size, bool)
        return (
            [_padded(values, self.units) for values in units],
            [_padded(edges, self._edges)],
        )


class KeptConv(storage.Storage):
    """A depthwise 1x1 convolution for the units, a stock one for the edges.

    Every channel has as many units as the one that keeps most; spare ones are
    zero. The units of the biases see no channel, and take spare places.
    """

    name = "kept"

    def __init__(self, drawn, kept):
        super().__init__(drawn, kept)
        of_bias = kept.block == self.layer.inputs
        counts = np.bincount(kept.block, minlength=self.layer.blocks)
        channels = counts[: self.layer.inputs]
        self.multiplier = max(
            1, int(channels.max()), -(-kept.unit.size // self.layer.inputs)
        )
        starts = np.cumsum(counts) - counts
        rank = np.arange(kept.unit.size) - starts[kept.block]
        self.places = kept.block * self.multiplier + rank
        spare = np.ones(self.units, bool)
        spare[self.places[~of_bias]] = False
        self.places[of_bias] = np.flatnonzero(spare)[: of_bias.sum()]
        self._of_bias = of_bias

    @property
    def units(self):
        """Units of all channels, spare ones included."""
        return self.layer.inputs * self.multiplier

    @property
    def parameters(self):
        """Numbers in the depthwise layer and in the convolution."""
        return self.units * (2 + self.layer.outputs)

    def make(self, of):
        """See `Storage.make`."""
        units = of.layers.DepthwiseConv2D(
            1,
            depth_multiplier=self.multiplier,
            activation="relu",
            use_bias=self.layer.bias is not None,
            name=storage.name_of(self.layer, "expansion"),
            trainable=False,
        )
        return units, self.stock_contraction(of)

    def values(self):
        """See `Storage.values`."""
        return self._at_kept(self.kept.weight_in, self.kept.weight_out)

    def masks(self):
        """See `Storage.masks`."""
        return self._at_kept(
            np.ones(self.kept.unit.size, bool),
            np.ones(self.kept.edge_unit.size, bool),
        )

    def _at_kept(self, of_units, of_edges):
        kernel = np.zeros(self.units, of_units.dtype)
        bias = np.zeros(self.units, of_units.dtype)
        bias[self.places[self._of_bias]] = of_units[self._of_bias]
        kernel[self.places[~self._of_bias]] = of_units[~self._of_bias]
        kernel = kernel.reshape(1, 1, self.layer.inputs, self.multiplier)
        biases = [] if self.layer.bias is None else [bias]
        contraction = self.spread(self.places, self.units, of_edges)
        return [kernel, *biases], [contraction]


def of(drawn, kept) -> storage.Storage:
    """Returns how a layer pair is held when only what is kept is stored."""
    if drawn.layer.strides is None:
        return KeptDense(drawn, kept)
    return KeptConv(drawn, kept)


def _padded(values, size):
    return np.pad(values, (0, size - values.size))
