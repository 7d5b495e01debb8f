"""Replacing layers where the attributes of a model hold them, in place.

A subclassed model cannot be cloned, since its structure is its Python code;
but its layers hang on its attributes, and there they can be exchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tflottery.layers import family

# What `compile` leaves on a model; a clone is compiled anew.
_COMPILED = ("_compile", "_loss", "loss", "optimizer", "metrics_names")


def replace_layers(model: Any, replace: Callable[[Any], Any]) -> None:
    """Replaces the layers that a model's attributes hold, in place.

    Args:
        model: a subclassed model or a layer of either family. Attributes may
            be layers or lists, tuples and dicts of them, nested.
        replace: called with each layer once; returns the layer to put there.
    """
    of = family.of(model)
    layer_class, metric_class = of.keras.layers.Layer, of.keras.metrics.Metric
    done: dict[int, Any] = {}

    def swapped(value):
        if isinstance(value, metric_class):
            return value
        if isinstance(value, layer_class):
            if id(value) not in done:
                done[id(value)] = replace(value)
            return done[id(value)]
        if isinstance(value, dict):
            changed = {k: swapped(v) for k, v in value.items()}
            if all(changed[k] is value[k] for k in value):
                return value
            return _plain(value, dict)(changed)
        if isinstance(value, (list, tuple)):
            changed = [swapped(v) for v in value]
            if all(a is b for a, b in zip(changed, value, strict=True)):
                return value
            if hasattr(value, "_fields"):
                return type(value)(*changed)
            return tuple(changed) if isinstance(value, tuple) else changed
        return value

    bookkeeping = of.own_attributes()
    with of.unlocked(model):
        before = of.tracked(model)
        replaced: dict[int, Any] = {}
        for name, value in list(vars(model).items()):
            if name in bookkeeping:
                continue
            new = swapped(value)
            if new is not value:
                setattr(model, name, new)
                replaced[id(value)] = getattr(model, name)
        of.restore_order(model, before, {**done, **replaced})
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
    if rebuilt.__class__ is not type(model):
        rebuilt.__class__ = type(model)
    with family.of(rebuilt).unlocked(rebuilt):
        for name, value in vars(model).items():
            if name not in own and not name.startswith(_COMPILED):
                setattr(rebuilt, name, value)
    replace_layers(rebuilt, replace)
    # What the user's constructor was given, which is what gets saved.
    if hasattr(model, "_auto_config"):
        rebuilt._auto_config = model._auto_config


def _plain(value: Any, kind: type) -> type:
    """Returns the class to copy a container as: its own, or a plain one.

    tf_keras keeps containers in proxies of its own, made anew by `setattr`.
    """
    own = type(value)
    return kind if own.__module__.startswith("tensorflow") else own
