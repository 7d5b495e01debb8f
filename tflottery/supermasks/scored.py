"""`Scored`: what a mask wrapper needs for masks that are trained.

The weights are frozen and a trainable score stands beside each. Which weights
are used follows from the scores, in the forward pass; the gradient reaches the
scores straight through. The boolean masks of the wrapper are kept in step with
the scores whenever somebody asks for them, so that all that works with masks
works with these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.layers import family
from tflottery.layers.holding import HoldsMasks


class Scored(HoldsMasks):
    """A mix-in for the mask wrappers of both Keras families.

    A kind of supermask is a subclass with `class_name`, `_kept` and
    `_multiplier`; `scored_classes.make` turns it into wrapper classes, which
    bring `is_training`.

    Args:
        layer: the layer to run; it is frozen as soon as it is built.
        weights: as in `tflottery.Masked`.
        settings: the settings of the supermask, or their config.
        layer_trainable: whether the layer is to be trainable again once it
            is stripped; default: whether it is now.
        **kwargs: as in `tflottery.Masked`.
    """

    def __init__(
        self,
        layer,
        weights=None,
        settings=None,
        layer_trainable=None,
        **kwargs,
    ):
        if layer_trainable is None:
            layer_trainable = layer.trainable
        # Past `__setattr__`: Keras tracks nothing before its own `__init__`.
        vars(self).update(
            layer_trainable=bool(layer_trainable),
            _scores={},
        )
        super().__init__(layer, weights=weights, settings=settings, **kwargs)

    class_name: str

    def _kept(self, path: str) -> tf.Tensor:
        """Returns the boolean mask in use outside training."""
        raise NotImplementedError

    stores_zeros = False

    def _multiplier(self, path: str, training: Any) -> tf.Tensor:
        """Returns what the weight is multiplied by, with its gradient.

        Args:
            path: relative path of the weight.
            training: whether it is for training; a tensor where only the
                graph will know.
        """
        raise NotImplementedError

    @property
    def scores(self) -> dict[str, Any]:
        """`{relative path: float32 score variable}`, trainable."""
        return dict(self._scores)

    @property
    def trainable(self):
        """Whether the scores are trained; the layer's weights never are."""
        return super().trainable

    @trainable.setter
    def trainable(self, value):
        super(Scored, type(self)).trainable.fset(self, value)
        self._freeze()

    @property
    def masked_weights(self):
        """`{relative path: (weight variable, boolean mask variable)}`.

        The masks are what the scores say at the time of the question.
        """
        if _may_assign() and self._scores:
            for path, (_, mask) in self._masked.items():
                kept = self._kept(path).numpy()
                if not np.array_equal(mask.numpy(), kept):
                    mask.assign(kept)
        return super().masked_weights

    def _create_masks(self):
        super()._create_masks()
        of = family.of(self)
        casts = "autocast" if of.name == "keras" else "experimental_autocast"
        with of.unlocked(self), tf.init_scope():
            for path, (variable, _) in self._masked.items():
                name = path.replace("/", "_") + "_scores"
                scores = self.add_weight(
                    name=name,
                    shape=tuple(variable.shape),
                    dtype="float32",
                    initializer="zeros",
                    trainable=True,
                    **{casts: False},
                )
                # As an attribute it is found by `tf.train.Checkpoint`.
                setattr(self, "_" + name, scores)
                self._scores[path] = scores
            self._create_state()
        self._freeze()

    def _create_state(self):
        """Makes what a kind of supermask needs beside the scores."""

    def mask_state(self, path: str) -> dict[str, Any]:
        """Returns `{name: variable}` of what training changes about a mask."""
        return {"scores": self._scores[path]}

    def _note_that_weights_are_scaled(self):
        """Has the wrapper compute the same after its release."""

    def _freeze(self):
        layer = vars(self).get("layer")
        if layer is not None and self._scores:
            layer.trainable = False

    def weight_in_use(self, path, value):
        """Returns what the layer computes with for a weight's stored value."""
        return self._product(path, value, self.is_training())

    def _product(self, path, value, training):
        value = tf.convert_to_tensor(value)
        # The gradient of the score is a product of its own: not in 16 bits.
        dtype = tf.float32 if value.dtype.size < 4 else value.dtype
        multiplier = tf.cast(self._multiplier(path, training), dtype)
        return tf.cast(tf.cast(value, dtype) * multiplier, value.dtype)

    def value_in_use(self, path: str) -> np.ndarray:
        """Returns what the layer computes with outside training, an array."""
        used = self._product(path, self._masked[path][0], False).numpy()
        return np.where(used == 0, np.zeros((), used.dtype), used)  # no -0.0

    def measured_value(self, path: str) -> np.ndarray:
        """Returns the weight in use: what is stored has no zeros."""
        return self.value_in_use(path)

    def set_mask(self, path: str, mask) -> None:
        """Refuses any mask but the one that the scores make.

        Raises:
            ValueError: the mask differs from the one in use.
        """
        asked = np.asarray(mask, dtype=bool)
        now = self.masked_weights[path][1].numpy()
        if not np.array_equal(now, asked):
            raise ValueError(
                "The mask of a supermask follows from its scores and cannot "
                f"be set. Received: a mask of `{self.name}/{path}` that "
                f"differs in {int((now != asked).sum())} entries from the one "
                "in use. Take the supermask out with "
                "`tflottery.strip_pruning(model)`, then wrap and mask the "
                "plain model."
            )

    def release(self):
        """Puts the weights in use into the layer and returns it."""
        used = {path: self.value_in_use(path) for path in self.masked_weights}
        for path, value in used.items():
            self._masked[path][0].assign(value)
        self._note_that_weights_are_scaled()
        layer = super().release()
        layer.trainable = self.layer_trainable
        return layer

    def get_config(self):
        """Returns the wrapper's config, and whether its layer was trained."""
        return {**super().get_config(), "layer_trainable": self.layer_trainable}


def straight_through(value: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Returns a value whose gradient goes to another tensor, unchanged.

    Args:
        value: what comes out, to the bit where `like` is finite.
        like: float tensor of the same shape that gets the gradient.

    Reference: Bengio, Leonard and Courville, Estimating or Propagating
    Gradients Through Stochastic Neurons, 2013, section 3.
    """
    return tf.cast(value, like.dtype) + (like - tf.stop_gradient(like))


def _may_assign():
    """Tells whether variables can be read and assigned here and now."""
    return tf.executing_eagerly() and (
        not tf.distribute.has_strategy()
        or tf.distribute.in_cross_replica_context()
    )


def only_shapes_count() -> bool:
    """Tells whether a layer is called to learn the shape of its output.

    tf_keras does so in a graph of its own while a model is being put together,
    when not all of its layers are there.
    """
    if tf.executing_eagerly():
        return False
    name = getattr(tf.compat.v1.get_default_graph(), "name", "")
    return name.endswith("_scratch_graph")
