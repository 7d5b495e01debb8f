"""Keras 3 as a `Family`: what wrapping does differently there."""

from __future__ import annotations

import contextlib

import keras

from tflottery.layers import family
from tflottery.layers.masked import Masked
from tflottery.layers.settings import wrapper_class_for


class KerasFamily(family.Family):
    """Keras 3: models are cloned around layers, trackers can be locked."""

    name = "keras"

    @property
    def keras(self):
        """The module `keras`."""
        return keras

    @property
    def wrapper_class(self):
        """`Masked`."""
        return Masked

    def masked(self, layer, weights=None, settings=None):
        """Returns a `Masked`, or what the settings say, around the layer."""
        made_by = wrapper_class_for(settings, self)
        return made_by(layer, weights=weights, settings=settings)

    def is_graph(self, layer):
        """Tells whether a model can be rebuilt around other layers."""
        return isinstance(layer, keras.Sequential) or hasattr(
            layer, "_run_through_graph"
        )

    @contextlib.contextmanager
    def unlocked(self, model):
        """Unlocks the tracker of a built model for a while."""
        locked = model._tracker.locked
        model._tracker.unlock()
        try:
            yield
        finally:
            if locked:
                model._tracker.lock()

    def own_attributes(self):
        """The tracker and the list of layers it keeps."""
        return frozenset({"_layers", "_tracker"})

    def tracked(self, model):
        """Returns the layers that Keras tracks."""
        return list(model._layers)

    def restore_order(self, model, before, replaced):
        """Puts each new layer where the one it replaces was."""
        for old in before:
            new = replaced.get(id(old), old)
            if new is old:
                continue
            position = model._layers.index(old)
            model._tracker.untrack(old)
            if new in model._layers:  # setattr has put it at the end
                model._layers.remove(new)
                model._layers.insert(position, new)


_FAMILY = KerasFamily()


def register() -> None:
    """Makes Keras 3 known to `family`."""
    family.register("keras", lambda: _FAMILY)
