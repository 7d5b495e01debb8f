"""Uniform random weights, scaled to the products that are wanted of them.

The constructions that go without the hyperbolic law draw all weights of the
random network from one uniform law, as a stock initializer would.
"""

from __future__ import annotations

import math

import numpy as np


def uniform_weights(
    rng: np.random.Generator, shape: tuple[int, ...], largest_product: float
) -> np.ndarray:
    """Draws weights whose products reach up to `largest_product`.

    Args:
        rng: Where the chance comes from.
        shape: Shape of the result.
        largest_product: s * s, > 0.

    Returns:
        Float32 array of `shape`, uniform on [-s, s).

    Example:
        >>> weights = uniform_weights(np.random.default_rng(0), (1000,), 4.0)
        >>> weights.dtype.name, bool(np.abs(weights).max() <= 2)
        ('float32', True)
    """
    draws = rng.random(shape, dtype=np.float32)
    draws -= np.float32(0.5)
    draws *= np.float32(2 * math.sqrt(largest_product))
    return draws
