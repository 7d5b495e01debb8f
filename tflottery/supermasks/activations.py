"""Which activations a strong ticket's target may have, and what they do.

The proof needs one thing of an activation: in the sup norm it moves no two
points further apart than they were (Lipschitz constant 1). And it saves half
of the random network to know where an activation is never negative.
"""

from __future__ import annotations

from typing import Any

from tflottery.layers.nodes import is_a

# Lipschitz constant 1 in the sup norm. The softmax: |dp_i| is at most
# p_i (1 - p_i) + p_i (sum of the others) = 2 p_i (1 - p_i) <= 1/2.
_FUNCTIONS = (
    "elu",
    "linear",
    "relu",
    "relu6",
    "sigmoid",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
)
_NEVER_NEGATIVE = {"relu", "relu6", "sigmoid", "softmax", "softplus"}
LAYERS = ("Activation", "ELU", "LeakyReLU", "ReLU", "Softmax")


def of_function(function: Any, where: str) -> str:
    """Returns the name of an activation function that the proof covers.

    Args:
        function: what a layer holds as its `activation`.
        where: name of the layer, for the message.

    Returns:
        A name that both Keras families know.

    Raises:
        ValueError: it is another function.

    Example:
        >>> import keras
        >>> of_function(keras.activations.relu, "fc1")
        'relu'
    """
    name = getattr(function, "__name__", type(function).__name__)
    home = getattr(function, "__module__", "").split(".")[0]
    # tf_keras has its relu6 from TensorFlow.
    homes = ("keras", "tf_keras", "tensorflow")
    if name not in _FUNCTIONS or home not in homes:
        raise ValueError(
            f"`target` must have activations that move no two points apart. "
            f"Received: layer `{where}` with activation `{name}`. Use one of "
            f"{', '.join(_FUNCTIONS)}; the bound on the error is proved for "
            "these."
        )
    return name


def is_never_negative(name: str) -> bool:
    """Tells whether a function has no negative values.

    Example:
        >>> is_never_negative("relu"), is_never_negative("tanh")
        (True, False)
    """
    return name in _NEVER_NEGATIVE


def of_layer(layer: Any, where: str) -> bool:
    """Checks an activation that is a layer of its own.

    Args:
        layer: a layer of a class in `LAYERS`.
        where: its name, for the message.

    Returns:
        Whether its output is never negative, whatever its input.

    Raises:
        ValueError: it may enlarge distances.
    """
    if is_a(layer, "Activation"):
        return is_never_negative(of_function(layer.activation, where))
    if is_a(layer, "Softmax"):
        return True
    slope = getattr(layer, "negative_slope", getattr(layer, "alpha", 0.0))
    threshold = getattr(layer, "threshold", 0.0) or 0.0
    slope = 0.0 if slope is None else float(slope)
    if not 0.0 <= slope <= 1.0 or float(threshold) != 0.0:
        raise ValueError(
            "`target` must have activations that move no two points apart. "
            f"Received: layer `{where}`, a {type(layer).__name__} of slope "
            f"{slope:g} below zero and threshold {float(threshold):g}. Use a "
            "slope in [0, 1] and no threshold."
        )
    return is_a(layer, "ReLU") and slope == 0.0
