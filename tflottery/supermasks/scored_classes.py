"""The wrapper classes of supermasks, one for each kind and Keras family.

A kind of supermask is a mix-in (`Scored`); a wrapper class is that over the
family's own mask wrapper. The classes of Keras 3 are made when their kind is
imported, those of tf_keras when first needed, since tf_keras is not loaded
before.
"""

from __future__ import annotations

import functools
from typing import Any

import keras

from tflottery.layers import family
from tflottery.layers.masked import Masked


def make(kind: type, of: Any) -> type:
    """Returns the wrapper class of a kind of supermask, registered.

    Args:
        kind: a subclass of `Scored`; its `class_name` is the name.
        of: the `Family`, or its name.
    """
    name = of if isinstance(of, str) else of.name
    return _for_keras(kind) if name == "keras" else _for_tf_keras(kind)


@functools.cache
def _for_keras(kind):
    bases = (kind, _SavesScores, Masked)
    made = type(kind.class_name, bases, _described_as(kind))
    register = keras.saving.register_keras_serializable(package="tflottery")
    return register(made)


@functools.cache
def _for_tf_keras(kind):
    of = family.get("tf_keras")
    bases = (kind, _TrainsScoresOnly, of.wrapper_class)
    made = type(kind.class_name, bases, _described_as(kind))
    register = of.keras.saving.register_keras_serializable("tflottery")
    return register(made)


def _described_as(kind):
    return {"__doc__": kind.__doc__, "__module__": kind.__module__}


class _SavesScores:
    """Keras 3 asks a layer to store its variables itself."""

    def is_training(self):
        """Returns whether the call that is being made is for training."""
        return bool(self._get_call_context().training)

    def save_own_variables(self, store):
        """Saves the masks, the scores and the state beside them."""
        super().save_own_variables(store)
        for key, variable in self._stored().items():
            store[key] = variable.numpy()

    def load_own_variables(self, store):
        """Loads what `save_own_variables` saved."""
        super().load_own_variables(store)
        for key, variable in self._stored().items():
            if key not in store:
                raise ValueError(
                    f"The file has no `{key}` for layer `{self.name}`. "
                    f"Received: a file with {sorted(store)} there. Was it "
                    "saved from a model with the same supermask?"
                )
            variable.assign(store[key])

    def _stored(self):
        return {
            f"{path.replace('/', '_')}_{name}": variable
            for path in self.scores
            for name, variable in self.mask_state(path).items()
        }


class _TrainsScoresOnly:
    """Tells the scores from the weights, which TF-MOT's wrapper does not.

    There, what is trainable is the layer's. Nor can the layer be trusted:
    tf_keras sets `trainable` of inner layers without asking the outer.
    """

    @property
    def trainable(self):
        """Whether the scores are trained."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        layers = family.get("tf_keras").keras.layers
        layers.Layer.trainable.fset(self, value)

    @property
    def trainable_weights(self):
        """The scores, where the wrapper is trainable."""
        return list(self._trainable_weights) if self.trainable else []

    @property
    def non_trainable_weights(self):
        """All else: the weights of the layer, masks and other state."""
        trained = {id(weight) for weight in self.trainable_weights}
        found = [
            *self._trainable_weights,
            *self._non_trainable_weights,
            *self.layer.weights,
        ]
        return self._dedup_weights(
            [weight for weight in found if id(weight) not in trained]
        )
