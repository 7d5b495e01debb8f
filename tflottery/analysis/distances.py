"""How far apart two trained networks are: L2 distance and angle.

Both are taken over the weights that survive a mask, over all layers together
and layer by layer. Sums are in float64, and the angle comes from the lengths
of a sum and a difference: an arc cosine could not tell small angles from zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from tflottery.core.mask import Mask

ALL = "all"

Weights = Mapping[str, np.ndarray]


def distance(
    first: Weights, second: Weights, mask: Mask | None = None
) -> float:
    """Returns the L2 distance between the weights that survive a mask.

    Args:
        first: `{path: array}` of a trained network.
        second: those of another one, of the same shapes.
        mask: which weights count; it may name fewer tensors than there are.
            Default: all weights of all tensors.

    Returns:
        A length, at least 0.

    Raises:
        ValueError: a tensor is missing, or of another shape.

    Example:
        >>> a, b = {"w": np.array([3.0, 1.0])}, {"w": np.array([0.0, 5.0])}
        >>> distance(a, b), distance(a, b, Mask({"w": [1, 0]}))
        (5.0, 3.0)

    Reference: Frankle et al., Stabilizing the Lottery Ticket Hypothesis,
    2019, section 2.
    """
    return _distance(list(_survivors(first, second, mask)))


def angle(first: Weights, second: Weights, mask: Mask | None = None) -> float:
    """Returns the angle between the weights that survive a mask.

    Args:
        first: `{path: array}` of a trained network.
        second: those of another one, of the same shapes.
        mask: which weights count. Default: all.

    Returns:
        Degrees in [0, 180]; NaN if all weights of one network are zero.

    Raises:
        ValueError: a tensor is missing, or of another shape.

    Example:
        >>> a, b = {"w": np.array([1.0, 0.0])}, {"w": np.array([2.0, 2.0])}
        >>> round(angle(a, b), 6)
        45.0

    Reference: Frankle et al., Stabilizing the Lottery Ticket Hypothesis,
    2019, appendix B.
    """
    return _angle(list(_survivors(first, second, mask)))


def by_layer(
    first: Weights, second: Weights, mask: Mask | None = None
) -> dict[str, tuple[float, float]]:
    """Returns distance and angle of all weights, and of each tensor.

    Args:
        first: `{path: array}` of a trained network.
        second: those of another one, of the same shapes.
        mask: which weights count. Default: all.

    Returns:
        `{path: (distance, degrees)}`, `"all"` first.

    Example:
        >>> a = {"v": np.array([1.0]), "w": np.array([2.0])}
        >>> b = {"v": np.array([1.0]), "w": np.array([-2.0])}
        >>> found = by_layer(a, b)
        >>> found["all"][0], found["v"], found["w"]
        (4.0, (0.0, 0.0), (4.0, 180.0))
    """
    pairs = list(_survivors(first, second, mask))
    found = {ALL: (_distance(pairs), _angle(pairs))}
    for path, *pair in pairs:
        one = [(path, *pair)]
        found[path] = _distance(one), _angle(one)
    return found


def _survivors(
    first: Weights, second: Weights, mask: Mask | None
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields path and survivors of both networks, as float64 vectors."""
    if mask is None:
        mask = Mask.ones_like(first)
    for what, weights in (("first", first), ("second", second)):
        known = {path: weights[path] for path in mask if path in weights}
        mask.check_fits(known, what=f"`{what}` network")
    for path, alive in mask.items():
        yield (
            path,
            first[path][alive].astype(np.float64),
            second[path][alive].astype(np.float64),
        )


def _distance(pairs):
    return math.sqrt(sum(float(np.sum((a - b) ** 2)) for _, a, b in pairs))


def _angle(pairs):
    # Kahan's form: 2 atan2(|u - v|, |u + v|) for unit vectors u and v.
    lengths = [
        math.sqrt(sum(float(np.sum(pair[which] ** 2)) for pair in pairs))
        for which in (1, 2)
    ]
    if not all(lengths):
        return math.nan
    minus = plus = 0.0
    for _, a, b in pairs:
        u, v = a / lengths[0], b / lengths[1]
        minus += float(np.sum((u - v) ** 2))
        plus += float(np.sum((u + v) ** 2))
    return math.degrees(2 * math.atan2(math.sqrt(minus), math.sqrt(plus)))
