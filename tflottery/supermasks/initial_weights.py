"""The random weights that a supermask is searched over, and its first scores.

A supermask can only choose, so what it chooses from decides what it can reach:
the scale of the weights has to suit the part of them that will be used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tflottery.core import checks, seeds

_RELU_GAIN = math.sqrt(2.0)
_NAMES = ("keep", "kaiming_normal", "signed_constant", "signed_std")


def names() -> tuple[str, ...]:
    """Returns the names that `initial_weights` may have."""
    return _NAMES


def check(name: str) -> str:
    """Returns a name of `names()`, or refuses it."""
    return checks.check_choice("initial_weights", name, _NAMES)


def fan_in(shape: Sequence[int], is_depthwise: bool = False) -> int:
    """Returns how many inputs an output of a kernel adds up.

    Args:
        shape: shape of the kernel; the last axis is that of the outputs, the
            one before that of the inputs, all others are the window's.
        is_depthwise: each output sees one channel only.

    Example:
        >>> fan_in((784, 300)), fan_in((3, 3, 64, 128))
        (784, 576)
        >>> fan_in((3, 3, 64, 1), is_depthwise=True)
        9
    """
    window = shape[:-2] if is_depthwise else shape[:-1]
    return max(1, math.prod(window))


def draw(
    name: str,
    value: np.ndarray,
    *,
    density: float = 1.0,
    is_depthwise: bool = False,
    seed: int = 0,
    path: str = "",
) -> np.ndarray:
    """Returns the fixed weights of one kernel.

    With fan_in inputs, of which a share `density` will be used, the standard
    deviation that keeps the scale of ReLU units is sqrt(2 / (density *
    fan_in)).

    * `"kaiming_normal"`: normal with that deviation.
    * `"signed_constant"`: plus or minus that deviation, by coin flips.
    * `"signed_std"`: the sign of the weight that is there times the standard
      deviation of the tensor; `density` plays no part.
    * `"keep"`: the weight that is there.

    Args:
        name: one of `names()`.
        value: the weights that are there.
        density: share of the weights that will be used, in (0, 1].
        is_depthwise: whether the kernel filters each channel by itself.
        seed: seed of the draw.
        path: name of the kernel; every name has draws of its own.

    Returns:
        Array of the shape and dtype of `value`.

    Example:
        >>> weights = draw("signed_constant", np.zeros((8, 3)), density=0.25)
        >>> np.unique(weights)  # sqrt(2 / (0.25 * 8))
        array([-1.,  1.])

    Reference: Ramanujan et al., What's Hidden in a Randomly Weighted Neural
    Network?, 2020, section 5 (both laws, and "scaled" ones for the share that
    is kept); Zhou et al., Deconstructing Lottery Tickets, 2019, section 5
    (`"signed_std"`).
    """
    if name == "keep":
        return value
    if name == "signed_std":
        deviation = value.astype(np.float64).std()
        return (np.sign(value) * deviation).astype(value.dtype)
    inputs = fan_in(value.shape, is_depthwise)
    deviation = _RELU_GAIN / math.sqrt(density * inputs)
    drawn = seeds.rng(seed, "weights", path).standard_normal(value.shape)
    if name == "signed_constant":
        drawn = np.where(drawn < 0, -1.0, 1.0)
    return (deviation * drawn).astype(value.dtype)


def first_scores(
    shape: Sequence[int], is_depthwise: bool, seed: int, path: str
) -> np.ndarray:
    """Draws the scores that edge-popup starts from.

    They are uniform within plus and minus 1 / sqrt(fan_in), as in the code of
    the paper's authors.

    Returns:
        float32 array.

    Example:
        >>> scores = first_scores((4, 100), False, seed=0, path="a/kernel")
        >>> bool(abs(scores).max() <= 0.5), scores.dtype.name
        (True, 'float32')
    """
    bound = 1.0 / math.sqrt(fan_in(shape, is_depthwise))
    drawn = seeds.rng(seed, "scores", path).uniform(-bound, bound, shape)
    return drawn.astype(np.float32)
