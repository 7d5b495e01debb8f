"""From errors of weights to the error of the network's output, and back.

All distances are sup norms. Let f be the target, g the ticket, F(i) the
largest |entry| of the input of layer i over the inputs, e(i) the distance of
the two networks' outputs of layer i. The activations move no two points
further apart, and W f - V g = W (f - g) + (W - V) g, so where no weight is off
by more than w,

    e(i) <= |W| e(i-1) + fan_in w (F(i) + e(i-1)) + w [for the bias],  e(0) = 0,

|W| being the largest sum of |weights| that enter one output. Convolutions are
the same with the sums over a kernel window; pooling, padding and reshaping
enlarge nothing. This bound is ours: the papers state theirs in 2-norms and
with constants of their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from tflottery.supermasks.weighted_layer import WeightedLayer

# Unit roundoff of float32.
_ROUNDOFF = 2.0**-24


@dataclasses.dataclass(frozen=True)
class LayerSize:
    """What of a layer the bound on the error asks for.

    Attributes:
        norm: Largest sum of |weights| that enter one output, bias left out.
        fan_in: Weights that enter one output, bias left out.
        has_bias: Whether there is a bias.
        largest_input: Largest |entry| of its input over the inputs, F(i).
    """

    norm: float
    fan_in: int
    has_bias: bool
    largest_input: float

    @classmethod
    def of(cls, layer: WeightedLayer, largest_input: float) -> LayerSize:
        """Reads the sizes of a layer."""
        return cls(
            layer.norm, layer.fan_in, layer.bias is not None, largest_input
        )


def output_errors(
    layers: Sequence[LayerSize], weight_errors: Sequence[float]
) -> list[float]:
    """Returns e(1), ..., e(l), a bound for the output of each layer.

    Args:
        layers: The layers, in order.
        weight_errors: For each, how far a weight or bias may be off.

    Returns:
        One number for each layer; the last bounds the network's error.

    Example:
        >>> layer = LayerSize(norm=2.0, fan_in=3, has_bias=False,
        ...                   largest_input=1.0)
        >>> found = output_errors([layer, layer], [0.1, 0.1])
        >>> [round(error, 6) for error in found]  # .3 and 2 * .3 + .3 * 1.3
        [0.3, 0.99]
    """
    errors, error = [], 0.0
    for layer, w in zip(layers, weight_errors, strict=True):
        error = (
            layer.norm * error
            + layer.fan_in * w * (layer.largest_input + error)
            + w * layer.has_bias
        )
        errors.append(error)
    return errors


def weight_error_for(layers: Sequence[LayerSize], epsilon: float) -> float:
    """Returns the largest weight error that keeps the output within epsilon.

    Args:
        layers: The layers, in order.
        epsilon: The output's largest error, > 0.

    Returns:
        The w for which `output_errors` ends at epsilon (a hair below), the
        same for all layers; the bound grows with w, so halving intervals finds
        it.

    Raises:
        ValueError: No weight error matters, since all inputs are zero and
            there is no bias.

    Example:
        >>> layer = LayerSize(norm=2.0, fan_in=3, has_bias=False,
        ...                   largest_input=1.0)
        >>> round(weight_error_for([layer, layer], 0.99), 6)
        0.1
    """

    def error(log_w):
        return output_errors(layers, [float(np.exp(log_w))] * len(layers))[-1]

    epsilon = float(epsilon)
    low, high = -200.0, 50.0
    if error(high) <= epsilon:
        raise ValueError(
            "`inputs` must not all be zero. Received: inputs under which no "
            "weight of the target matters. Pass inputs of the kind that the "
            "ticket is to serve."
        )
    for _ in range(100):
        middle = 0.5 * (low + high)
        if error(middle) <= epsilon:
            low = middle
        else:
            high = middle
    return float(np.exp(low))


@dataclasses.dataclass(frozen=True)
class Found:
    """What a layer of the ticket turned out to be.

    Attributes:
        kernel_error: For each output, the sum of |weight errors|.
        bias_error: For each output, the |error| of the bias.
        absolute: Largest sum of |a·b| over the kept edges of one output.
        terms: Largest number of kept edges of one output.
    """

    kernel_error: np.ndarray
    bias_error: np.ndarray
    absolute: float
    terms: int


def found_errors(
    layers: Sequence[LayerSize], found: Sequence[Found]
) -> list[float]:
    """Returns the same bounds from the weight errors that were found.

    They hold whatever is missing, and are never above `output_errors` for the
    largest weight errors found.

    Args:
        layers: The layers, in order.
        found: What each became.

    Returns:
        One number for each layer.
    """
    errors, error = [], 0.0
    for layer, was in zip(layers, found, strict=True):
        rows = was.kernel_error * (layer.largest_input + error)
        error = layer.norm * error + float((rows + was.bias_error).max())
        errors.append(error)
    return errors


def rounding_errors(
    layers: Sequence[LayerSize],
    found: Sequence[Found],
    errors: Sequence[float],
) -> list[float]:
    """Returns how far float32 may move target and ticket apart.

    To first order in the unit roundoff 2**-24: a sum of n products is off by
    at most n roundoffs of the sum of their absolute values, in whatever order
    it is taken. The worst case, which is far above what is met.

    Args:
        layers: The layers, in order.
        found: What each became.
        errors: e(i) of each layer.

    Returns:
        One number for each layer, both networks' rounding together.
    """
    total, rounding, error = [], 0.0, 0.0
    for layer, was, after in zip(layers, found, errors, strict=True):
        size = layer.largest_input + error + rounding
        size = max(size, 1.0) if layer.has_bias else size
        ticket = (was.terms + 3) * was.absolute * size
        own = (layer.fan_in + 2) * (layer.norm + layer.has_bias) * size
        # What comes in is passed on through the weights that the products
        # make up, of which each is a slope on its side of zero.
        norm = layer.norm + float(was.kernel_error.max())
        rounding = norm * rounding + _ROUNDOFF * (ticket + own)
        error = after
        total.append(rounding)
    return total
