"""Activations: which act on each entry alone, and what they make of constants.

No formula is written down here twice: a constant goes through the model's own
function. It must be one that is known to look at single entries; softmax is
not, and a function of the user's own may do anything.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tflottery.layers.nodes import is_a

# Names of functions in Keras, tf_keras and `tf.nn`.
_FUNCTIONS = frozenset(
    "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_swish "
    "hard_tanh leaky_relu linear log_sigmoid mish relu relu6 selu sigmoid silu "
    "soft_shrink softplus softsign sparse_plus sparse_sigmoid squareplus swish "
    "tanh tanh_shrink threshold".split()
)
# Layers without weights that act on each entry alone.
LAYERS = ("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU")
_HOMES = ("keras", "tf_keras", "tensorflow")


def is_elementwise(activation: Any) -> bool:
    """Tells whether an activation is known to act on each entry alone.

    Args:
        activation: a function, a layer, or `None` for none.

    Example:
        >>> import keras
        >>> is_elementwise(keras.activations.relu)
        True
        >>> is_elementwise(keras.activations.softmax)
        False
    """
    if activation is None:
        return True
    if isinstance(activation, functools.partial):
        return False
    if type(activation).__name__ in LAYERS and is_a(activation, *LAYERS):
        return True
    home = (getattr(activation, "__module__", None) or "").split(".")[0]
    name = getattr(activation, "__name__", "")
    return home in _HOMES and name in _FUNCTIONS


def name_of(activation: Any) -> str:
    """Returns what to call an activation in a report."""
    return getattr(activation, "__name__", type(activation).__name__)


def apply(
    activation: Any, constants: np.ndarray, num_axes: int = 2
) -> np.ndarray:
    """Puts constants through an activation that acts on each entry alone.

    Args:
        activation: as in `is_elementwise`.
        constants: float64; NaN stands for what varies.
        num_axes: rank of the tensors that the activation is used on.

    Returns:
        An array like `constants`; NaN where it varies or is not finite.

    Example:
        >>> import keras
        >>> apply(keras.activations.softplus, np.array([0.0, np.nan])).round(3)
        array([0.693,   nan])
    """
    if activation is None:
        return constants
    function = getattr(activation, "call", activation)
    return through(function, constants, num_axes)


def through(
    function: Callable[[Any], Any], constants: np.ndarray, num_axes: int = 2
) -> np.ndarray:
    """As `apply`, for any function on tensors that looks at single entries."""
    import tensorflow as tf

    result = np.full(constants.shape, np.nan)
    known = ~np.isnan(constants)
    if known.any():
        values = constants[known].astype(np.float32)
        # Each by itself: none of them can have an influence on another.
        found = np.asarray(
            function(tf.reshape(values, (-1,) + (1,) * (num_axes - 1)))
        )
        found = found.astype(np.float64).reshape(-1)
        found[~np.isfinite(found)] = np.nan
        result[known] = found
    return result
