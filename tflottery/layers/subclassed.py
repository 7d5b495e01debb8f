"""Subclassed models: layers are replaced where the model's attributes hold them.

A subclassed model cannot be cloned, since its structure is its Python code.
Its class is swapped for a subclass that saves the wrapping with the model, so
that `keras.models.load_model` gives back a wrapped model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from tflottery.layers import evidence, paths

_REGISTERED_NAME = "MaskedSubclassedModel"
# The list of layers that Keras tracks; `replace_layers` keeps it in step.
_KERAS_ATTRIBUTES = frozenset({"_layers", "_tracker"})


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



def remember_wrapping(model: Any, settings: Any) -> None:
    """Makes a subclassed model save how it was wrapped."""
    original = type(model)

    class Wrapped(original):
        """The user's class, which also saves the masks' layout."""

        _unwrapped_class = original

        def get_config(self):
            type_now = type(self)
            self.__class__ = original
            try:
                inner = keras.saving.serialize_keras_object(self)
            finally:
                self.__class__ = type_now
            inner.pop("compile_config", None)
            return {
                "model": inner,
                "settings": settings.get_config(),
                "masked": list(evidence.current_mask(self)),
            }

        @classmethod
        def from_config(cls, config, custom_objects=None):
            return MaskedSubclassedModel.from_config(config, custom_objects)

    Wrapped.__name__ = Wrapped.__qualname__ = original.__name__
    Wrapped.__module__ = original.__module__
    _register(Wrapped)
    _register(MaskedSubclassedModel)
    model.__class__ = Wrapped


def forget_wrapping(model: Any) -> None:
    """Gives a model its own class back."""
    original = getattr(type(model), "_unwrapped_class", None)
    if original is not None:
        model.__class__ = original


class MaskedSubclassedModel:
    """The name under which wrapped subclassed models are saved and loaded."""

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Makes the user's model and wraps it as it was wrapped."""
        from tflottery.layers import surgery
        from tflottery.layers.settings import PruningSettings

        model = keras.saving.deserialize_keras_object(
            config["model"], custom_objects=custom_objects
        )
        variables = paths.variables(model)
        masked = {id(variables[path]) for path in config["masked"]}

        def was_dense(layer):
            return not any(id(v) in masked for v in layer.variables)

        settings = PruningSettings.from_config(config["settings"])
        return surgery.wrap(model, settings, was_dense)

    def get_config(self):
        """Never called: instances are of the user's class."""
        raise TypeError("`MaskedSubclassedModel` has no instances.")


def _register(cls):
    keras.saving.register_keras_serializable(
        package="tflottery", name=_REGISTERED_NAME
    )(cls)


_register(MaskedSubclassedModel)
