"""The logarithmic construction: one target weight from O(log 1/error) samples.

Random weights of a hyperbolic law (density 1/|w|, so that every order of
magnitude is as likely as every other) have products of every size. Each target
weight is written in the base 3/2 by such products, one for each digit; the
units of a block are shared by all weights of the block. The ingredients are
those of Orseau, Hutter and Rivasplata; the numbers and the proofs are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tflottery.supermasks import strong_ticket
from tflottery.supermasks.construction import Construction, Need, Selection

_BASE = 1.5
_LOG_BASE = math.log(_BASE)
# Share of a bin's width, at each end, in which no product is accepted, so that
# rounding of float32 logarithms puts none into a wrong bin.
_MARGIN = 1e-4
_MOST_BINS = 100


class Logarithmic(Construction):
    """Digits in base 3/2 from products of hyperbolic weights.

    With g = 2/3 and W the layer's largest weight, bin k = 1..K holds products
    of size W g**(k+1) to W g**k, K being the least with W g**K <= the weight
    error allowed. Three lemmas carry it. *Greedy*: go through the bins in
    order, and take the bin's product where it is no larger than what is left
    of the weight; then at most W g**k is left after bin k, for either the
    product was larger than the rest, and it is at most W g**k, or at most
    W (g**(k-1) - g**(k+1)) <= W g**k is left, as g + g**2 >= 1. *Bins*: ln|a|
    and ln|b| are uniform over a width D = K ln(3/2), so ln|ab| has a triangular
    density, at least 1/(2D) over the middle D, which is where the bins are;
    with both signs as wanted, a unit's product falls into a given bin with
    probability at least 1/(8K). *Coverage*: M units leave one of R
    requirements (weight, sign of input, bin) unmet with probability at most
    R exp(-M / 8K).

    Example:
        >>> need = Need(outputs=10, blocks=5, signs=1, largest_weight=1.0,
        ...             weight_error=0.01, failure=0.05)
        >>> Logarithmic().bins(need), Logarithmic().units(need)
        (12, 902)
    """

    name = "logarithmic"

    def bins(self, need: Need) -> int:
        """Returns K, the number of digits of a weight.

        Args:
            need: The layer.

        Returns:
            The least K >= 1 for which W (2/3)**K is within the weight error.
        """
        ratio = need.largest_weight / need.weight_error
        count = max(1, math.ceil(math.log(ratio) / _LOG_BASE))
        while need.largest_weight * _BASE**-count > need.weight_error:
            count += 1
        if count > _MOST_BINS:
            raise ValueError(
                "`epsilon` or `weight_error` must leave an error that "
                f"{_MOST_BINS} digits in base 3/2 can reach. Received: an "
                "error of "
                f"{need.weight_error:.3g} for weights up to "
                f"{need.largest_weight:.3g}, {count} digits. float32 itself "
                "has 41; use a larger one."
            )
        return count

    def units(self, need: Need) -> int:
        """See `Construction.units`: 8 K ln(R / failure), rounded up."""
        bins = self.bins(need)
        per_bin = (1 - 2 * _MARGIN) / (8 * bins)
        requirements = need.requirements * bins
        return math.ceil(math.log(requirements / need.failure) / per_bin)

    def sample_in(self, rng, shape, need: Need) -> np.ndarray:
        """See `Construction.sample_in`: hyperbolic, random sign."""
        return self._hyperbolic(rng, shape, need)

    def sample_out(self, rng, shape, need: Need) -> np.ndarray:
        """See `Construction.sample_out`: hyperbolic, random sign."""
        return self._hyperbolic(rng, shape, need)

    def _hyperbolic(self, rng, shape, need):
        """Signs times weights whose logarithm is uniform.

        One uniform number in [-1/2, 1/2) gives both: its sign is the sign, its
        size the logarithm. ln|ab| is then centred on the bins' middle.
        """
        bins = self.bins(need)
        width = bins * _LOG_BASE
        middle = math.log(need.largest_weight) - 0.5 * (bins + 2) * _LOG_BASE
        draws = rng.random(shape, dtype=np.float32)
        draws -= np.float32(0.5)
        sizes = np.abs(draws)
        sizes *= np.float32(2 * width)
        sizes += np.float32(0.5 * (middle - width))
        np.exp(sizes, out=sizes)
        return np.copysign(sizes, draws, out=sizes)

    def select(self, a, b, weights, need: Need) -> Selection:
        """See `Construction.select`: a product for each digit, greedily."""
        active = np.flatnonzero(weights)
        rest = np.abs(weights[active])
        signs = np.sign(weights[active]).astype(np.float32)
        columns = b if active.size == weights.size else b[:, active]
        units = self._first_units(a, columns * signs, need)
        found = units >= 0
        if not found.any():  # Then there may be no units at all to look up.
            missing = np.where(weights == 0, 0, len(units))
            none = np.zeros(0, np.intp)
            return Selection(none, none, missing)
        products = a[units].astype(np.float64) * np.abs(b[units, active])
        taken = np.zeros(units.shape, bool)
        for k in range(len(units)):
            taken[k] = found[k] & (rest >= products[k])
            rest -= products[k] * taken[k]
        missing = np.zeros(weights.size, np.int32)
        missing[active] = (~found).sum(0)
        digits, outputs = np.nonzero(taken)
        return Selection(units[digits, outputs], active[outputs], missing)

    def _first_units(self, a, b, need):
        """Returns the first unit whose product is in a bin, for each output.

        The first, so that the outputs share the block's early units and few
        units have to be kept.

        Args:
            a: Float32 array (units,), positive.
            b: Float32 array (units, outputs), turned so that products of the
                wanted sign are positive.
            need: The layer.

        Returns:
            Int array (bins, outputs), -1 where a bin has no product.
        """
        bins, outputs = self.bins(need), b.shape[1]
        first = np.full(bins * outputs, -1)
        # Bins from the largest product downwards: bin k at [k, k + 1].
        place_a = (math.log(need.largest_weight) - np.log(a)) / _LOG_BASE
        place_a = place_a.astype(np.float32)[:, None]
        least = np.finfo(np.float32).tiny
        rows = max(1, (1 << 17) // max(outputs, 1))
        for start in range(0, len(a), rows):
            place = np.log(np.maximum(b[start : start + rows], least))
            place *= np.float32(-1 / _LOG_BASE)
            place += place_a[start : start + rows]
            bin_of = np.floor(place)
            place -= bin_of
            inside = (bin_of >= 1) & (bin_of <= bins)
            inside &= (place > _MARGIN) & (place < 1 - _MARGIN)
            unit, output = np.nonzero(inside)
            slot = (bin_of[inside].astype(np.intp) - 1) * outputs + output
            fresh = first[slot] < 0
            # Of several writes to one place the last one stays.
            first[slot[fresh][::-1]] = unit[fresh][::-1] + start
            if (first >= 0).all():
                break
        return first.reshape(bins, outputs)

    def error_bound(self, need: Need) -> float:
        """See `Construction.error_bound`: W (2/3)**K, the greedy lemma."""
        return need.largest_weight * _BASE ** -self.bins(need)

    def details(self, need: Need) -> dict[str, float]:
        """See `Construction.details`: the number of bins, K."""
        return {"bins": self.bins(need)}


class UniformControl(Logarithmic):
    """The same with uniform weights: as many units, bins and digits.

    Small products are rare among products of uniform weights, so the bins of
    the late digits stay empty, and the weights' error stops where the bins do.
    Weights are uniform on [-s, s] with s * s the layer's largest weight, so
    that products reach just as far as they must.
    """

    name = "uniform control"

    def _hyperbolic(self, rng, shape, need):
        draws = rng.random(shape, dtype=np.float32)
        draws -= np.float32(0.5)
        draws *= np.float32(2 * math.sqrt(need.largest_weight))
        return draws


def logarithmic_ticket(
    target: Any,
    inputs: Any,
    epsilon: float | None = None,
    delta: float = 0.05,
    seed: int = 0,
    *,
    weight_error: float | None = None,
    storage: str = "auto",
    max_memory_gb: float = 4.0,
    control: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> strong_ticket.StrongTicket:
    """Finds a subnetwork of a random network that computes what a target does.

    No weight is trained. The random network is twice as deep as the target
    and wider by a factor of about 8 K ln(R K / delta) hidden units for each
    input of a layer, K = log(largest weight / weight error) to the base 3/2
    and R the layer's weights: logarithmic in everything but depth, up to a
    logarithm of a logarithm. All outputs of the layer share these units.

    Where nothing is missing, which has probability at least 1 - delta, no
    output differs from the target's by more than epsilon, on any input whose
    activations are within what was met on `inputs` (and without negative
    entries, if those have none). The bound, its constants and its proof
    (`Logarithmic`, `error_bounds`) are ours; the papers' theorem has the same
    form with constants of its own.

    Args:
        target: Trained Keras model of either family: a chain of `Dense` and
            `Conv2D` layers (with or without biases), activations, pooling,
            padding, reshaping and dropout.
        inputs: Array (examples, ...) of the inputs that the ticket is for.
        epsilon: Largest |error| of an output, > 0. The bound is worst-case:
            what is measured is often a hundred times smaller.
        delta: Probability in (0, 1), over the random network, that something
            may be missing. Defaults to 0.05.
        seed: Seed of the random network. Defaults to 0.
        weight_error: Instead of `epsilon`: how far a weight may be off, > 0.
        storage: "full" holds the random network whole, in stock layers with
            zeros where it is pruned; "kept" holds what is kept of it; "auto"
            (the default) takes full where that needs at most a quarter of
            `max_memory_gb`.
        max_memory_gb: GiB that may be taken; more is refused beforehand.
            Defaults to 4.
        control: Whether to try uniform weights besides, with as many units,
            for the certificate. Defaults to `True`; takes as long again.
        progress: Called with (blocks done, blocks in all). Defaults to none.

    Returns:
        A `StrongTicket`: `.model`, `.mask`, `.certificate`.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of range, or the proof does not cover a
            layer of the target, which is named.
        MemoryError: It would take more than `max_memory_gb`.

    Example:
        >>> import keras, numpy as np
        >>> target = keras.Sequential([
        ...     keras.Input((3,)),
        ...     keras.layers.Dense(4, activation="relu"),
        ...     keras.layers.Dense(2),
        ... ])
        >>> x = np.random.default_rng(0).uniform(size=(100, 3))
        >>> ticket = logarithmic_ticket(target, x, epsilon=0.01)
        >>> ticket.certificate.holds
        True
        >>> bool(np.abs(ticket.model(x) - target(x)).max() < 0.01)
        True

    Reference: Orseau, Hutter and Rivasplata, Logarithmic Pruning is All You
    Need, 2020, whose ingredients these are: product weights, the
    decomposition in base 3/2, hyperbolic weights, sampling for a whole layer
    at once.
    """
    return strong_ticket.find(
        target,
        inputs,
        Logarithmic(),
        epsilon=epsilon,
        delta=delta,
        seed=seed,
        weight_error=weight_error,
        storage=storage,
        max_memory_gb=max_memory_gb,
        control=UniformControl() if control else None,
        progress=progress,
    )
