"""The polynomial construction: one product of random weights per target weight.

The first proof that a random network holds every smaller one waits for a single
unit whose two weights happen to multiply to the wanted weight. That takes a
number of samples that grows as a power of 1/error. It is here to be compared
with the two constructions whose numbers grow as the logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tflottery.supermasks import strong_ticket
from tflottery.supermasks.both_weights import LARGEST_PRODUCT, BothWeights
from tflottery.supermasks.construction import Construction, Need, Selection
from tflottery.supermasks.uniform_weights import uniform_weights

# Products that are compared at a time, so that they stay in the cache.
_PRODUCTS_PER_CHUNK = 1 << 17


class Polynomial(Construction):
    """The nearest product of two uniform weights.

    All weights are uniform on [-s, s], with s * s = e times the layer's largest
    weight W. Of the units of an input with a of the wanted sign each weight
    keeps the one whose product is nearest.

    Units for each input, R being the layer's requirements and E the weight
    error: (2e W / E) ln(R / failure). The proof (ours): a product p of two
    such weights has the density ln(e W / |p|) / (2e W), which falls with |p|
    and is convex, so it lies within E of a target of size up to W with
    probability at least 2E ln(e) / (2e W) = E / (eW). Half of the units have a
    of the wanted sign, so one unit is of use with probability at least
    E / (2eW), and M units fail one of R requirements with probability at most
    R exp(-M E / 2eW).

    Malach et al. wait for a unit with both weights near given values
    (`BothWeights`), which takes a number of samples of order 1 / E**2; asking
    for the product alone makes it 1 / E, still a power.

    Example:
        >>> need = Need(outputs=10, blocks=5, signs=1, largest_weight=1.0,
        ...             weight_error=0.01, failure=0.05)
        >>> Polynomial().units(need)
        3756

    Reference:
        E. Malach, G. Yehudai, S. Shalev-Shwartz, O. Shamir: Proving the
        Lottery Ticket Hypothesis: Pruning is All You Need, 2020.
    """

    name = "polynomial"

    def units(self, need: Need) -> int:
        """See `Construction.units`: (2e W / E) ln(R / failure), rounded up."""
        # Beyond 1.7 W the interval around a weight would leave the products'
        # range; from W on nothing has to be kept at all.
        error = min(need.weight_error, need.largest_weight)
        per_unit = error / (2 * LARGEST_PRODUCT * need.largest_weight)
        wanted = math.log(need.requirements / need.failure)
        return math.ceil(wanted / per_unit)

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
        """See `Construction.select`: the nearest product, or none.

        None is kept where 0 is nearer to the weight than all products.
        """
        active = np.flatnonzero(weights)
        wanted = weights[active]
        units = nearest_products(a, b[:, active], wanted)
        gaps = np.abs(wanted)
        is_kept = np.zeros(active.size, bool)
        if len(a):
            products = a[units].astype(np.float64) * b[units, active]
            product_gaps = np.abs(products - wanted)
            is_kept = product_gaps < gaps
            gaps = np.minimum(gaps, product_gaps)
        missing = np.zeros(weights.size, np.int32)
        missing[active] = gaps > need.weight_error
        order = np.argsort(units[is_kept], kind="stable")
        return Selection(units[is_kept][order], active[is_kept][order], missing)

    def error_bound(self, need: Need) -> float:
        """See `Construction.error_bound`: the weight error itself."""
        return need.weight_error


def nearest_products(
    a: np.ndarray, b: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Finds, for each weight, the unit whose product is nearest to it.

    Products are compared in float32; of products that are equally near within
    its rounding, one is taken.

    Args:
        a: Float32 array (units,).
        b: Float32 array (units, outputs).
        weights: Array (outputs,).

    Returns:
        Int array (outputs,) of units; zeros where there are no units.

    Example:
        >>> a, b = np.array([1, 2], np.float32), np.ones((2, 2), np.float32)
        >>> nearest_products(a, b, np.array([0.9, 1.8])).tolist()
        [0, 1]
    """
    outputs = weights.size
    wanted = weights.astype(np.float32)
    least = np.full(outputs, np.inf, np.float32)
    chunk_of = np.zeros(outputs, np.intp)
    rows = max(1, _PRODUCTS_PER_CHUNK // max(outputs, 1))
    for start in range(0, len(a), rows):
        gaps = b[start : start + rows] * a[start : start + rows, None]
        gaps -= wanted
        np.abs(gaps, out=gaps)
        # A minimum along the first axis is much quicker than its place, so
        # places are looked up at the end, in one chunk for each output.
        smallest = gaps.min(axis=0)
        is_nearer = smallest < least
        least[is_nearer] = smallest[is_nearer]
        chunk_of[is_nearer] = start
    units = np.zeros(outputs, np.intp)
    for output in range(outputs if len(a) else 0):
        start = chunk_of[output]
        gaps = b[start : start + rows, output] * a[start : start + rows]
        units[output] = start + np.abs(gaps - wanted[output]).argmin()
    return units


def polynomial_ticket(
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
    """Finds a subnetwork of a random network, each weight a single product.

    No weight is trained. The random network is twice as deep as the target and
    wider by a factor of (2e W / E) ln(R / delta) hidden units for each input of
    a layer, W being its largest weight, E the weight error and R the layer's
    weights (`Polynomial` has the proof): a power of 1/error, where
    `logarithmic_ticket` and `subset_sum_ticket` take a logarithm. In return the
    ticket has one hidden edge for each weight and sign, and no more. Where
    nothing is missing, which has probability at least 1 - delta, the bound on
    the output's error is that of `logarithmic_ticket`.

    Args:
        target: Trained Keras model of either family: a chain of `Dense` and
            `Conv2D` layers (with or without biases), activations, pooling,
            padding, reshaping and dropout.
        inputs: Array (examples, ...) of the inputs that the ticket is for.
        epsilon: Largest |error| of an output, > 0.
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
        control: Whether to wait for both weights to be near given values
            besides, with as many units, for the certificate. Defaults to
            `True`.
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
        >>> ticket = polynomial_ticket(target, x, epsilon=0.1)
        >>> ticket.certificate.holds
        True
        >>> bool(np.abs(ticket.model(x) - target(x)).max() < 0.1)
        True

    Reference:
        E. Malach, G. Yehudai, S. Shalev-Shwartz, O. Shamir: Proving the
        Lottery Ticket Hypothesis: Pruning is All You Need, 2020. The count of
        units and its proof are ours.
    """
    return strong_ticket.find(
        target,
        inputs,
        Polynomial(),
        epsilon=epsilon,
        delta=delta,
        seed=seed,
        weight_error=weight_error,
        storage=storage,
        max_memory_gb=max_memory_gb,
        control=BothWeights() if control else None,
        progress=progress,
    )
