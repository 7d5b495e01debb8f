"""Cloning: a new layer like another, perhaps of other sizes.

Configs do not always make a layer again: functions and classes of the user's
own may not be registered, and initial values may have the old shape. Such
objects are taken over from the old layer; initial values are not needed.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

_OBJECTS = ("activation", "_regularizer", "_constraint")


def clone(layer: Any, config: dict[str, Any], resized: bool) -> Any:
    """Makes a layer from a config, with the objects of another if need be.

    Args:
        layer: the layer that the config is of.
        config: with new sizes.
        resized: whether weights may have other shapes.

    Returns:
        A new layer of the same class, not built.

    Example:
        >>> import keras
        >>> layer = keras.layers.Dense(3, activation=lambda x: x + 1)
        >>> config = {**config_of(layer), "units": 2}
        >>> new = clone(layer, config, resized=True)
        >>> new.units, new.activation is layer.activation
        (2, True)
    """
    if resized:
        config = {
            name: "zeros" if _is_array(name, value) else value
            for name, value in config.items()
        }
    try:
        return type(layer).from_config(dict(config))
    except Exception:
        taken = _named(config, _OBJECTS)
        values = _named(config, ("_initializer",))
        if not taken and not values:
            raise
        plain = dict.fromkeys(taken)
        try:
            new = type(layer).from_config({**config, **plain})
        except Exception:
            plain.update(dict.fromkeys(values, "zeros"))
            new = type(layer).from_config({**config, **plain})
    for name in taken:
        setattr(new, name, getattr(layer, name))
    return new


def config_of(layer: Any) -> dict[str, Any]:
    """Returns a config that may be changed, without a word on lambdas."""
    with warnings.catch_warnings():
        # What is not written to a file can do no harm when it is read.
        warnings.simplefilter("ignore")
        config = dict(layer.get_config())
    config.pop("batch_input_shape", None)
    return config


def without_calls(layer: Any) -> Any:
    """Returns a copy that has been called nowhere, with the same weights."""
    # `copy.copy` would save a layer of Keras 3 and load it again.
    new = object.__new__(type(layer))
    vars(new).update(vars(layer))
    for name in list(vars(layer)):
        if name.startswith(("_inbound_nodes", "_outbound_nodes")):
            vars(new)[name] = []
    return new


def _named(config, endings):
    return [
        name
        for name, value in config.items()
        if name.endswith(endings) and value is not None
    ]


def _is_array(name: str, value: Any) -> bool:
    """Tells whether an initializer sets values of one certain shape."""
    if not name.endswith("_initializer") or not isinstance(value, dict):
        return False
    inner = (value.get("config") or {}).get("value")
    return inner is not None and not np.isscalar(inner)
