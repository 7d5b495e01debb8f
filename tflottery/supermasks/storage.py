"""How the two random layers that stand for one of the target's are held.

*Full*, here: stock layers of G's whole size, zeros where it is pruned. *Kept*,
in `kept_storage`: only units and edges that are kept. Both compute the same;
the first shows G, the second fits into memory.
"""

from __future__ import annotations

import abc
from typing import Any

import numpy as np

from tflottery.supermasks.kept_edges import KeptEdges
from tflottery.supermasks.random_network import RandomLayer
from tflottery.supermasks.weighted_layer import WeightedLayer

# Values of the weights of an expansion and of a contraction, in Keras' order.
Values = tuple[list[np.ndarray], list[np.ndarray]]


class Storage(abc.ABC):
    """One way to hold a layer pair.

    Args:
        drawn: the layer of G.
        kept: what of it is kept.
    """

    name: str

    def __init__(self, drawn: RandomLayer, kept: KeptEdges):
        self.drawn, self.kept, self.layer = drawn, kept, drawn.layer

    @property
    @abc.abstractmethod
    def units(self) -> int:
        """Units that the expansion holds."""

    @property
    @abc.abstractmethod
    def parameters(self) -> int:
        """Numbers stored in both layers."""

    @property
    def work(self) -> int:
        """Numbers that one example needs at the widest place."""
        # A dense layer acts at each place of a sequence.
        places = self.layer.input_shape[:-1]
        positions = int(np.prod(places))
        return 3 * positions * max(self.units, self.layer.inputs)

    @abc.abstractmethod
    def make(self, of: Any) -> tuple[Any, Any]:
        """Makes the two layers, not built.

        Args:
            of: the module `keras` or `tf_keras`.
        """

    @abc.abstractmethod
    def values(self) -> Values:
        """Returns the weights: kept ones as in G, others zero."""

    @abc.abstractmethod
    def masks(self) -> Values:
        """Returns boolean arrays for the random weights among `values`."""

    def stock_contraction(self, of, **kwargs):
        """The stock layer with the target's activation and no bias."""
        layer, name = self.layer, name_of(self.layer, "contraction")
        kwargs.update(
            use_bias=False,
            activation=layer.activation,
            name=name,
            trainable=False,
        )
        if layer.strides is None:
            return of.layers.Dense(layer.filters, **kwargs)
        return of.layers.Conv2D(
            layer.filters,
            layer.kernel.shape[:2],
            strides=layer.strides.steps,
            padding=layer.strides.padding,
            **kwargs,
        )

    def spread(self, places, units, values):
        """Puts values of edges into a kernel of the contraction.

        Args:
            places: for each kept unit, its place among the units.
            units: how many units there are.
            values: one for each edge.
        """
        taps = self.layer.outputs // self.layer.filters
        kernel = np.zeros((taps, units, self.layer.filters), values.dtype)
        tap, to = np.divmod(self.kept.edge_output, self.layer.filters)
        kernel[tap, places[self.kept.edge_unit], to] = values
        return kernel.reshape(*self.layer.kernel.shape[:-2], units, -1)


class Full(Storage):
    """Stock `Dense` or `Conv2D` layers of the size of G."""

    name = "full"

    @property
    def units(self):
        """All units of G."""
        return self.drawn.total_units

    @property
    def parameters(self):
        """All parameters of G."""
        return self.drawn.size

    def make(self, of):
        """See `Storage.make`."""
        kwargs = {
            "activation": "relu",
            "use_bias": self.layer.bias is not None,
            "name": name_of(self.layer, "expansion"),
            "trainable": False,
        }
        if self.layer.strides is None:
            expansion = of.layers.Dense(self.units, **kwargs)
        else:
            expansion = of.layers.Conv2D(self.units, 1, **kwargs)
        return expansion, self.stock_contraction(of)

    def values(self):
        """See `Storage.values`."""
        return self._at_kept(self.kept.weight_in, self.kept.weight_out)

    def masks(self):
        """See `Storage.masks`."""
        return self._at_kept(
            np.ones(self.kept.unit.size, bool),
            np.ones(self.kept.edge_unit.size, bool),
        )

    def random_values(self) -> Values:
        """Returns G's weights, none pruned."""
        (kernel, *bias), (contraction,) = self._at_kept(
            np.zeros(self.kept.unit.size, np.float32),
            np.zeros(self.kept.edge_unit.size, np.float32),
        )
        flat = kernel.reshape(self.layer.inputs, self.units)
        self.drawn.fill(flat, bias[0] if bias else None, contraction)
        return [kernel, *bias], [contraction]

    def _at_kept(self, of_units, of_edges):
        kept, inputs = self.kept, self.layer.inputs
        kernel = np.zeros((inputs, self.units), of_units.dtype)
        bias = np.zeros(self.units, of_units.dtype)
        of_bias = kept.block == inputs
        bias[kept.unit[of_bias]] = of_units[of_bias]
        kernel[kept.block[~of_bias], kept.unit[~of_bias]] = of_units[~of_bias]
        if self.layer.strides is not None:
            kernel = kernel[None, None]
        biases = [] if self.layer.bias is None else [bias]
        contraction = self.spread(kept.unit, self.units, of_edges)
        return [kernel, *biases], [contraction]


def name_of(layer: WeightedLayer, what: str) -> str:
    """Returns the name of a layer of the ticket."""
    return f"{layer.name}_{what}"
