"""Replacing layers where the attributes of a model hold them, in place.

A subclassed model cannot be cloned, since its structure is its Python code;
but its layers hang on its attributes, and there they can be exchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

# The list of layers that Keras tracks; `replace_layers` keeps it in step.
_KERAS_ATTRIBUTES = frozenset({"_layers", "_tracker"})
# What `compile` leaves on a model; a clone is compiled anew.
_COMPILED = ("_compile", "_loss", "loss", "optimizer", "metrics_names")


def replace_layers(model: Any, replace: Callable[[Any], Any]) -> None:
    """Replaces the layers that a model's attributes hold, in place.

    Args:
        model: a subclassed Keras 3 model or a layer. Attributes may be layers
            or lists, tuples and dicts of them, nested.
        replace: called with each layer once; returns the layer to put there.
    """
    done: dict[int, Any] = {}

    def swapped(value):
        if isinstance(value, keras.layers.Layer):
            if isinstance(value, keras.metrics.Metric):
                return value
            if id(value) not in done:
                done[id(value)] = replace(value)
            return done[id(value)]
        if isinstance(value, dict):
            changed = {k: swapped(v) for k, v in value.items()}
            same = all(changed[k] is value[k] for k in value)
            return value if same else type(value)(changed)
        if isinstance(value, (list, tuple)):
            changed = [swapped(v) for v in value]
            if all(a is b for a, b in zip(changed, value, strict=True)):
                return value
            if hasattr(value, "_fields"):
                return type(value)(*changed)
            return tuple(changed) if isinstance(value, tuple) else changed
        return value

    locked = model._tracker.locked
    model._tracker.unlock()
    try:
        for name, value in list(vars(model).items()):
            if name in _KERAS_ATTRIBUTES:
                continue
            new = swapped(value)
            if new is not value:
                setattr(model, name, new)
        for old_id, new in done.items():
            old = next((x for x in model._layers if id(x) == old_id), None)
            if old is not None and old is not new:
                position = model._layers.index(old)
                model._tracker.untrack(old)
                if new in model._layers:  # setattr has put it at the end
                    model._layers.remove(new)
                    model._layers.insert(position, new)
    finally:
        if locked:
            model._tracker.lock()
    # Functions traced with the old layers must not be used again.
    for function in ("train_function", "test_function", "predict_function"):
        if getattr(model, function, None) is not None:
            setattr(model, function, None)


def keep_class(rebuilt: Any, model: Any, replace: Callable[[Any], Any]) -> None:
    """Gives a rebuilt functional model the class and attributes it had.

    Args:
        rebuilt: plain functional model, made around replaced layers.
        model: model of a user's class that it was rebuilt from.
        replace: as in `replace_layers`.
    """
    own = vars(rebuilt).keys()
    rebuilt.__class__ = type(model)
    locked = rebuilt._tracker.locked
    rebuilt._tracker.unlock()
    try:
        for name, value in vars(model).items():
            if name not in own and not name.startswith(_COMPILED):
                setattr(rebuilt, name, value)
    finally:
        if locked:
            rebuilt._tracker.lock()
    replace_layers(rebuilt, replace)
    # What the user's constructor was given, which is what gets saved.
    rebuilt._auto_config = model._auto_config
