"""Models of a class of their own remember that they are wrapped.

The class of such a model, once wrapped, is swapped for a subclass that saves
the wrapping with the model, so that `keras.models.load_model` gives back a
wrapped model of the user's class.
"""

from __future__ import annotations

import inspect
from typing import Any

import keras

from tflottery.layers import evidence, family, paths, surgery
from tflottery.layers.settings import PruningSettings

_PACKAGE, _NAME = "tflottery", "MaskedSubclassedModel"


def saves_as_its_class(model: Any) -> bool:
    """Tells whether Keras saves a model as its class and arguments.

    It saves the layers of a functional or Sequential model, wrappers and all;
    of a model whose class has a constructor of its own it saves what that was
    given, from which the wrappers cannot be made again.
    """
    of = family.of(model)
    if not isinstance(model, of.keras.Model):
        return False
    if not of.is_graph(model):
        return True
    parameters = inspect.signature(type(model).__init__).parameters
    generic = {"inputs", "outputs", "layers", "args"}
    return type(model) not in (of.keras.Sequential, of.keras.Model) and (
        generic.isdisjoint(parameters)
    )


def remember_wrapping(model: Any, settings: PruningSettings) -> None:
    """Makes a model of a user's class save how it was wrapped."""
    original = type(model)
    if hasattr(original, "_unwrapped_class"):
        return
    of = family.of(model)
    saving = of.keras.saving

    class Wrapped(original):
        """The user's class, which also saves the masks' layout."""

        _unwrapped_class = original

        def get_config(self):
            type_now = type(self)
            self.__class__ = original
            try:
                inner = saving.serialize_keras_object(self)
            finally:
                self.__class__ = type_now
            inner.pop("compile_config", None)
            return {
                "family": of.name,
                "model": inner,
                "settings": settings.get_config(),
                "masked": list(evidence.current_mask(self)),
            }

        @classmethod
        def from_config(cls, config, custom_objects=None):
            return MaskedSubclassedModel.from_config(config, custom_objects)

    Wrapped.__name__ = Wrapped.__qualname__ = original.__name__
    Wrapped.__module__ = original.__module__
    _register(Wrapped, saving)
    _register(MaskedSubclassedModel, saving)
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
        of = family.get(config.get("family", "keras"))
        model = of.keras.saving.deserialize_keras_object(
            config["model"], custom_objects=custom_objects
        )
        variables = paths.variables(model)
        masked = {id(variables[path]) for path in config["masked"]}

        def was_dense(layer):
            return not any(id(v) in masked for v in layer.variables)

        settings = PruningSettings.from_config(config["settings"])
        model = surgery.wrap(model, settings, was_dense)
        remember_wrapping(model, settings)
        return model

    def get_config(self):
        """Never called: instances are of the user's class."""
        raise TypeError("`MaskedSubclassedModel` has no instances.")


def _register(cls, saving):
    saving.register_keras_serializable(package=_PACKAGE, name=_NAME)(cls)


_register(MaskedSubclassedModel, keras.saving)
