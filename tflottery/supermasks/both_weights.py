"""The first argument for random networks: wait until both weights are right.

It asks for more than is needed, and takes 1/error squared samples for it. It is
here as a control and for comparison.
"""

from __future__ import annotations

import math

import numpy as np

from tflottery.supermasks.construction import Construction, Need, Selection
from tflottery.supermasks.uniform_weights import uniform_weights

LARGEST_PRODUCT = math.e
"""Largest product of two weights, in largest weights of the layer: e gives the
proof of `Polynomial` its fewest units."""


class BothWeights(Construction):
    """A unit whose weights are both near given values.

    The argument behind the count of 1 / E**2 that later papers quote for
    Malach et al.: of the units of an input, a weight w keeps the first with b
    near sqrt(W) and a near |w| / sqrt(W), each within t = E / (3 sqrt(W)),
    signs apart. Then a·b is within E of w, for
    a (b - sqrt(W)) is at most E/3 + E/9 and sqrt(W) (a - w / sqrt(W)) at most
    E/3 (where E <= W). Weights are those of `Polynomial`.

    Units for each input: 18e (W / E)**2 ln(R / failure). The proof (ours): b is
    near enough with probability t / s, and a, of the wanted sign, with at
    least t / 2s, where the interval may be cut at 0; s**2 = eW.

    It serves to compare, and as the control of `polynomial_ticket`.

    Example:
        >>> need = Need(outputs=10, blocks=5, signs=1, largest_weight=1.0,
        ...             weight_error=0.01, failure=0.05)
        >>> BothWeights().units(need)
        3379901

    Reference:
        As `Polynomial`; the numbers are ours.
    """

    name = "both weights"

    def units(self, need: Need) -> int:
        """See `Construction.units`: 18e (W / E)**2 ln(R / failure)."""
        error = min(need.weight_error, need.largest_weight)
        ratio = need.largest_weight / error
        wanted = math.log(need.requirements / need.failure)
        return math.ceil(18 * LARGEST_PRODUCT * ratio**2 * wanted)

    def sample_in(self, rng, shape, need: Need) -> np.ndarray:
        """See `Construction.sample_in`: uniform on [-s, s]."""
        return uniform_weights(
            rng, shape, LARGEST_PRODUCT * need.largest_weight
        )

    def sample_out(self, rng, shape, need: Need) -> np.ndarray:
        """See `Construction.sample_out`: uniform on [-s, s]."""
        return uniform_weights(
            rng, shape, LARGEST_PRODUCT * need.largest_weight
        )

    def select(self, a, b, weights, need: Need) -> Selection:
        """See `Construction.select`: the first unit that is near, or none."""
        middle = math.sqrt(need.largest_weight)
        near = min(need.weight_error, need.largest_weight) / (3 * middle)
        units, outputs = [], []
        missing = np.zeros(weights.size, np.int32)
        for output in np.flatnonzero(weights):
            size, sign = abs(weights[output]), math.copysign(1, weights[output])
            good = np.abs(b[:, output] * sign - middle) <= near
            good &= np.abs(a - size / middle) <= near
            if good.any():
                units.append(int(good.argmax()))
                outputs.append(output)
            else:
                missing[output] = size > need.weight_error
        order = np.argsort(np.array(units, np.intp), kind="stable")
        return Selection(
            np.array(units, np.intp)[order],
            np.array(outputs, np.intp)[order],
            missing,
        )

    def error_bound(self, need: Need) -> float:
        """See `Construction.error_bound`: the weight error itself."""
        return need.weight_error
