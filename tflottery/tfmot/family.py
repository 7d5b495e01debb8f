"""tf_keras as a `Family`: what wrapping does differently there.

Importing this module loads nothing of tf_keras; the methods do, when the
first tf_keras model asks for them.
"""

from __future__ import annotations

import contextlib
import functools

from tflottery.layers import family, paths
from tflottery.layers.settings import wrapper_class_for
from tflottery.tfmot import guard


class TFKerasFamily(family.Family):
    """tf_keras: TF-MOT's wrapper, extended."""

    name = "tf_keras"

    @property
    def keras(self):
        """The module `tf_keras`."""
        return guard.tf_keras()

    @property
    def wrapper_class(self):
        """`tflottery.tfmot.wrapper.PruneLowMagnitude`."""
        from tflottery.tfmot.wrapper import PruneLowMagnitude

        return PruneLowMagnitude

    def masked(self, layer, weights=None, settings=None):
        """Returns its wrapper, or what the settings say, around the layer."""
        made_by = wrapper_class_for(settings, self)
        return made_by(layer, weights=weights, settings=settings)

    def is_graph(self, layer):
        """Tells whether a model can be rebuilt around other layers."""
        return isinstance(layer, self.keras.Sequential) or getattr(
            layer, "_is_graph_network", False
        )

    def unlocked(self, model):
        """Attributes of tf_keras models are never locked."""
        return contextlib.nullcontext()

    def own_attributes(self):
        """What every tf_keras model carries."""
        return _attributes_of_every_model(self.keras)

    def tracked(self, model):
        """Returns the layers and containers that tf_keras tracks."""
        return list(model._self_tracked_trackables)

    def restore_order(self, model, before, replaced):
        """Puts what replaced a layer or container where that was."""
        wanted = [replaced.get(id(item), item) for item in before]
        now = model._self_tracked_trackables
        known = {id(item) for item in wanted}
        rest = [item for item in now if id(item) not in known]
        present = {id(item) for item in now}
        now[:] = [item for item in wanted if id(item) in present] + rest

    def adopted(self, layer):
        """Opens a wrapper made by `tfmot.sparsity.keras`."""
        if not isinstance(layer, guard.wrapper_class()):
            return None
        found = paths.variables(layer.layer)
        names = {id(variable): path for path, variable in found.items()}
        masks = {
            names[id(weight)]: mask.numpy() != 0
            for weight, mask, _ in layer.pruning_vars
        }
        weights = list(masks) if layer.built else None
        return layer.layer, weights, masks


@functools.cache
def _attributes_of_every_model(keras):
    return frozenset(vars(keras.Model()))


_FAMILY = TFKerasFamily()


def register() -> None:
    """Makes tf_keras known to `layers.family`."""
    family.register("tf_keras", lambda: _FAMILY)
