"""Builds a functional model from a list of layers, for either Keras.

The plain networks of the papers are chains of layers. They are functional
models rather than Sequential ones because the code that wraps and compacts
them then meets one kind of model only.
"""

from __future__ import annotations

from typing import Any

from tflottery.core import checks, seeds
from tflottery.models import glorot

# That of torch, which the papers' code uses; Keras' own is 0.99.
BATCH_NORM_MOMENTUM = 0.9


def check_keras(keras):
    """Returns `keras` if it looks like a Keras module, else raises.

    Args:
        keras: The module that `import keras` or `import tf_keras` gives.

    Returns:
        The same module.

    Raises:
        TypeError: If it has no `layers`, `Input` or `Model`.
    """
    missing = [n for n in ("layers", "Input", "Model") if not hasattr(keras, n)]
    if missing:
        raise TypeError(
            "`keras` must be the Keras module to build with. "
            f"Received: keras={keras!r}, which has no {', '.join(missing)}. "
            "Pass the module itself: `import keras` or `import tf_keras`."
        )
    return keras


def check_input_shape(input_shape, *, ranks, way_out):
    """Returns `input_shape` as a tuple of positive integers.

    Args:
        input_shape: Shape of one example, without the batch axis.
        ranks: The numbers of axes that are possible, a container of int.
        way_out: A sentence that ends the error message.

    Returns:
        The shape, a tuple of int.

    Raises:
        ValueError: If an axis is not a positive integer or the rank is wrong.
    """
    try:
        shape = tuple(input_shape)
        known = all(int(axis) == axis and axis > 0 for axis in shape)
    except (TypeError, ValueError):
        known = False
    if not known or len(shape) not in ranks:
        raise ValueError(
            "`input_shape` must hold the positive sizes of one example's "
            f"axes. Received: input_shape={input_shape!r}. {way_out}"
        )
    return tuple(int(axis) for axis in shape)


def dropout(keras: Any, rate: float, *, name: str, seed: int) -> Any:
    """Returns a dropout layer that draws from a state of its own.

    The state is a variable in either family, so a search can rewind it; what
    tf_keras does unless told otherwise cannot be rewound.

    Args:
        keras: The Keras module.
        rate: Share of the values set to zero in training, in [0, 1).
        name: Name of the layer.
        seed: Integer seed of the model.

    Returns:
        An unbuilt layer.

    Raises:
        ValueError: If `rate` is out of its range.

    Example:
        >>> import keras
        >>> dropout(keras, 0.5, name="dropout1", seed=0).rate
        0.5
    """
    checks.check_fraction(
        "dropout",
        rate,
        what="It is the share of values set to zero; use 0.5 for a half.",
    )
    arguments = {"name": name, "seed": seeds.child_seed(seed, "dropout", name)}
    if not hasattr(keras, "ops"):  # tf_keras
        arguments["rng_type"] = "stateful"
    return keras.layers.Dropout(rate, **arguments)


def head(
    keras,
    hidden,
    num_classes,
    initializer="glorot_normal",
    batch_norm=False,
):
    """Returns the dense layers `fc1`, `fc2`, ... and `output`.

    Args:
        keras: The Keras module.
        hidden: Units of the hidden layers, from the input on.
        num_classes: Units of the output layer, which has no activation: the
            models return logits.
        initializer: Distribution of the kernels, see `glorot.initialize`.
        batch_norm: Whether a layer `bn1`, `bn2`, ... stands between each
            hidden layer and its ReLU.

    Returns:
        A list of unbuilt layers.
    """
    shared = {"kernel_initializer": glorot.stock_name(initializer)}
    layers = []
    for number, units in enumerate(hidden, start=1):
        layers.append(
            keras.layers.Dense(
                checks.check_positive_int("hidden", units),
                activation=None if batch_norm else "relu",
                name=f"fc{number}",
                **shared,
            )
        )
        if batch_norm:
            layers += [
                keras.layers.BatchNormalization(
                    momentum=BATCH_NORM_MOMENTUM, name=f"bn{number}"
                ),
                keras.layers.ReLU(name=f"relu{number}"),
            ]
    layers.append(
        keras.layers.Dense(
            checks.check_positive_int("num_classes", num_classes),
            name="output",
            **shared,
        )
    )
    return layers


def connect(
    keras, layers, *, input_shape, name, seed, initializer="glorot_normal"
):
    """Connects layers one after another and draws their starting weights.

    Args:
        keras: The Keras module.
        layers: Unbuilt layers, in order, with names unique among them.
        input_shape: Shape of one example.
        name: Name of the model.
        seed: Integer seed of the starting weights.
        initializer: Distribution of the kernels, see `glorot.initialize`.

    Returns:
        A functional model of the given Keras family.
    """
    inputs = keras.Input(shape=input_shape, name="input")
    values = inputs
    for layer in layers:
        values = layer(values)
    model = keras.Model(inputs, values, name=name)
    return glorot.initialize(model, seed, initializer)
