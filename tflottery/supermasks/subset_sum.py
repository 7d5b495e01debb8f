"""The subset-sum construction: a target weight as a sum of random products.

A weight need not be written digit by digit. Of n random numbers nearly every
target is the sum of some, to within an error that falls exponentially in n; so
O(log 1/error) uniform samples for each weight suffice. Which of them to take is
a subset-sum problem, and `subset_solver` solves it exactly.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tflottery.core.checks import check_choice, check_positive_int
from tflottery.supermasks import strong_ticket
from tflottery.supermasks.construction import Construction, Need, Selection
from tflottery.supermasks.polynomial import Polynomial
from tflottery.supermasks.subset_solver import MAX_CANDIDATES, subsets_within
from tflottery.supermasks.uniform_weights import uniform_weights

# Largest product of two weights, in largest weights of the layer: 2e gives the
# quickest growth in the proof, and close to the fewest units when measured.
_REACH = 2 * math.e
_GROWTH = 1 - 1 / (8 * math.e)

# Finer than float32 by a factor of 16; the solver's time doubles with every two
# bits.
_FINEST = 2.0**-28

# Keeps rounding of float64 sums from carrying an error over its bound.
_SAFETY = 1 - 1e-9

_CELLS = 500
_MOST_UNITS = 400


@functools.cache
def _reach_failures() -> np.ndarray:
    """Returns P(the products of m units cannot sum up to 1), m = 0, 1, ....

    A unit helps with probability 1/4: both its weights must be positive. Its
    product is then at most y with probability (y/c) (1 + ln(c/y)), c being the
    largest product. The law of the sum is followed on cells of width 1/500,
    sums rounded down, so that the result is no less than the truth.
    """
    edges = np.arange(1, _CELLS + 1) / (_CELLS * _REACH)
    law = np.diff(edges * (1 - np.log(edges)), prepend=0.0) / 4
    law[0] += 3 / 4
    sums = np.zeros(_CELLS)
    sums[0] = 1.0
    failures = [1.0]
    for _ in range(_MOST_UNITS):
        sums = np.convolve(sums, law)[:_CELLS]
        failures.append(float(sums.sum()))
    return np.array(failures)


class SubsetSum(Construction):
    """Sums of products of uniform weights.

    All weights are uniform on [-s, s], with s * s = 2e times the layer's
    largest weight W. A weight w of the target and an input's sign have the
    units of that input with a of that sign as candidates, about half; w is
    made of those whose products sum up to it.

    How many units are sampled for an input, R being the layer's requirements
    and E the weight error:

    *proved* (bound ours): ln(8 R W**2 / (E**2 failure)) / ln(1 / (1 - 1/8e)).
    Let v be the share of [-W, W] that lies within E/2 of a subset sum. A unit
    with a positive and a largest product of at least 2W moves every uncovered
    point onto a covered one with probability at least v W / (largest product),
    on average over all units v / 4e, and v at most doubles, so that 1/v - 1,
    being convex, shrinks on average by the factor 1 - 1/8e or more; it starts
    below 2W/E. By Markov's inequality, after that many units less than a length
    of E/2 of [-W, W] is uncovered but with probability failure / R, and then no
    point is further than E/2 from a covered one.

    *measured* (the default): the least number M with
    P(M) + 4 W/E (3/4)**M <= failure / R, where P(M) is the probability that the
    positive products do not even sum up to W, which is computed. The second
    term is no theorem: it is what (3/4)**M, the average of 2**-candidates, is
    to be multiplied with to lie above failures counted in simulations with W/E
    from 10 to 10**4, M from 8 to 52, for weights of size W. Rarer failures than
    1 in 1000 were not counted: there the second term is extrapolated. It is
    about a seventh of the proved number.

    Lueker's theorem says that O(log 1/E) samples suffice, and Pensia et al.
    build on it; its constant is not used here.

    Args:
        samples: "measured", "proved", or an integer >= 1: the number of units
            to sample for each input. Defaults to "measured".

    Example:
        >>> need = Need(outputs=10, blocks=5, signs=1, largest_weight=1.0,
        ...             weight_error=0.01, failure=0.05)
        >>> SubsetSum().units(need), SubsetSum("proved").units(need)
        (46, 387)

    Reference:
        A. Pensia, S. Rajput, A. Nagle, H. Vishwakarma, D. Papailiopoulos:
        Optimal Lottery Tickets via SubsetSum: Logarithmic
        Over-Parameterization is Sufficient, 2020. G. Lueker: Exponentially
        Small Bounds on the Expected Optimum of the Partition and Subset Sum
        Problems, 1998.
    """

    name = "subset sum"

    def __init__(self, samples: str | int = "measured"):
        if isinstance(samples, str):
            check_choice("samples", samples, ("measured", "proved"))
        else:
            check_positive_int(
                "samples",
                samples,
                what="It is the number of units sampled for each input; about "
                "half of them are of use to a weight.",
            )
        self.samples = samples

    def units(self, need: Need) -> int:
        """See `Construction.units`; the rules are those of the class."""
        ratio = need.largest_weight / need.weight_error
        if 1 / ratio < _FINEST:
            raise ValueError(
                "`epsilon` or `weight_error` must leave an error of at least "
                "2**-28 of the largest weight. Received: an error of "
                f"{need.weight_error:.3g} for weights up to "
                f"{need.largest_weight:.3g}. float32 itself is coarser; use a "
                "larger one."
            )
        if self.samples == "proved":
            return self.proved_units(need)
        if self.samples != "measured":
            return int(self.samples)
        counts = np.arange(_MOST_UNITS + 1)
        failures = _reach_failures() + 4 * ratio * 0.75**counts
        few_enough = failures <= need.failure / need.requirements
        if not few_enough.any():  # A failure below 1e-30 is asked for.
            return self.proved_units(need)
        return max(1, int(few_enough.argmax()))

    def proved_units(self, need: Need) -> int:
        """Returns the number of units that is proved to suffice.

        Args:
            need: The layer.

        Returns:
            A count >= 1; see the class for formula and proof.
        """
        ratio = max(1.0, need.largest_weight / need.weight_error)
        inverse = need.requirements / need.failure
        wanted = math.log(8 * inverse) + 2 * math.log(ratio)
        return math.ceil(wanted / -math.log(_GROWTH))

    def sample_in(self, rng, shape, need: Need) -> np.ndarray:
        """See `Construction.sample_in`: uniform on [-s, s]."""
        return uniform_weights(rng, shape, _REACH * need.largest_weight)

    def sample_out(self, rng, shape, need: Need) -> np.ndarray:
        """See `Construction.sample_out`: uniform on [-s, s]."""
        return uniform_weights(rng, shape, _REACH * need.largest_weight)

    def select(self, a, b, weights, need: Need) -> Selection:
        """See `Construction.select`: a subset of products for each output.

        More than 40 candidates are looked at 40 at a time: forty that do not
        suffice are as rare as a broken promise of the whole construction, and
        the next are as random.
        """
        products = a[:, None].astype(np.float64) * b
        kept = np.zeros(products.shape, bool)
        still_open = np.flatnonzero(weights)
        tolerance = need.weight_error * _SAFETY
        for start in range(0, len(a), MAX_CANDIDATES):
            rows = slice(start, start + MAX_CANDIDATES)
            found = subsets_within(
                products[rows, still_open], weights[still_open], tolerance
            )
            met = np.abs(found.errors) <= tolerance
            is_first = start == 0
            # What nothing reaches keeps the best of the first candidates.
            done = met | is_first
            kept[:, still_open[done]] = False
            kept[rows, still_open[done]] = found.kept[:, done]
            still_open = still_open[~met]
            if not still_open.size:
                break
        missing = np.zeros(weights.size, np.int32)
        missing[still_open] = np.abs(weights[still_open]) > tolerance
        return Selection.from_kept(kept, missing)

    def error_bound(self, need: Need) -> float:
        """See `Construction.error_bound`: the weight error itself."""
        return need.weight_error

    def details(self, need: Need) -> dict[str, float]:
        """See `Construction.details`: units, and how many would be proved."""
        return {
            "units": self.units(need),
            "proved_units": self.proved_units(need),
        }


def subset_sum_ticket(
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
    samples: str | int = "measured",
) -> strong_ticket.StrongTicket:
    """Finds a subnetwork of a random network, each weight a sum of products.

    No weight is trained. The random network is twice as deep as the target and
    wider by a factor of O(log 1/error) hidden units for each input of a layer:
    fewer than `logarithmic_ticket` samples, at the price of a search for
    subsets. Where nothing is missing, the bound on the output's error is that
    of `logarithmic_ticket`, and as certain. That nothing is missing has
    probability at least 1 - delta by proof with samples="proved", and by a rule
    fitted to simulations with "measured" (`SubsetSum` has both).

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
        control: Whether to try one product for each weight besides, with as
            many units, for the certificate. Defaults to `True`.
        progress: Called with (blocks done, blocks in all). Defaults to none.
        samples: "measured" (the default), "proved", or the number of units to
            sample for each input, of which about half are of use to a weight.

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
        >>> ticket = subset_sum_ticket(target, x, epsilon=0.01)
        >>> ticket.certificate.holds
        True
        >>> bool(np.abs(ticket.model(x) - target(x)).max() < 0.01)
        True

    Reference:
        A. Pensia, S. Rajput, A. Nagle, H. Vishwakarma, D. Papailiopoulos:
        Optimal Lottery Tickets via SubsetSum: Logarithmic
        Over-Parameterization is Sufficient, 2020.
    """
    return strong_ticket.find(
        target,
        inputs,
        SubsetSum(samples),
        epsilon=epsilon,
        delta=delta,
        seed=seed,
        weight_error=weight_error,
        storage=storage,
        max_memory_gb=max_memory_gb,
        control=Polynomial() if control else None,
        progress=progress,
    )
