"""Bernoulli supermasks: each weight is in or out with a learnt probability.

Where edge-popup fixes how many weights are used and ranks them, here every
weight has a probability of its own, and training draws a new mask at every
step. How sparse the network becomes is up to the training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.core import checks, seeds
from tflottery.layers import family
from tflottery.layers.settings import (
    PruningSettings,
    register_kind,
    split_skip,
)
from tflottery.supermasks import (
    initial_weights as weight_laws,
)
from tflottery.supermasks import scored, scored_classes, wrapping

_EVALUATIONS = ("sample", "likely")
# Training counts its masks from 0; this is the one that is not trained on.
_OF_EVALUATION = -1


def bernoulli_supermask(
    model: Any,
    initial_score: float = 0.0,
    rescale: bool = True,
    evaluation: str = "sample",
    initial_weights: str = "signed_std",
    skip: str | Sequence[str] | Callable[[Any], bool] = (),
    seed: int = 0,
) -> Any:
    """Wraps a model so that `fit` learns which of its random weights to use.

    Weight i is used with probability sigmoid(s_i). At each training step a
    mask is drawn; the gradient of the loss reaches s_i through the
    probability, as if the mask were it. Only the scores are trained: weights,
    biases and all other layers are frozen, and kernels are bit for bit the
    same afterwards. Biases of layers with a mask are set to zero unless
    `initial_weights="keep"`; normalisations lose a trainable scale and shift.

    Gradients of scores are small (they have the factor p (1 - p) <= 1/4): the
    authors train with SGD, momentum 0.9, at a learning rate of 100.

    Args:
        model: a built model of Keras 3 or tf_keras without masks, or a layer
            or a list of layers. Its layers are used, not copied. A subclassed
            model is changed in place.
        initial_score: score that all weights start from; 0.0 (the default) is
            the probability 1/2.
        rescale: multiply the weights of each tensor by the number of its
            weights over the number of those in the mask ("dynamic weight
            rescaling"), in training and after. Default `True`.
        evaluation: the mask in use outside training. `"sample"` (the
            default) is one draw with the learnt probabilities, always the
            same; it is as sparse as the masks of training. `"likely"` uses
            the weights of probability 1/2 or more.
        initial_weights: `"signed_std"` (the default), the paper's signed
            constant; `"keep"`, `"signed_constant"` or `"kaiming_normal"`; see
            `tflottery.supermasks.initial_weights.draw`.
        skip: names or regexes of layers to leave without a mask, or a
            function of a layer; they are frozen whole.
        seed: seed of drawn weights and masks, an integer. Default 0.

    Returns:
        What was given, wrapped; compile it.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: a bad value; or the model is not built, has masks already,
            or has nothing to put a mask on.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([
        ...     keras.Input((50,)), keras.layers.Dense(40, use_bias=False)])
        >>> model = bernoulli_supermask(model)
        >>> 0.45 < tflottery.sparsity(model) < 0.55
        True

    Reference: Zhou et al., Deconstructing Lottery Tickets: Zeros, Signs, and
    the Supermask, 2019, section 5.
    """
    patterns, predicate = split_skip(skip)
    settings = BernoulliSettings(
        skip=patterns,
        rescale=checks.check_instance("rescale", rescale, bool),
        evaluation=checks.check_choice("evaluation", evaluation, _EVALUATIONS),
    )
    start = checks.check_finite("initial_score", initial_score)
    law = weight_laws.check(initial_weights)
    wrapped = wrapping.wrap(model, settings, predicate, seed)
    for path, wrapper, relative, is_depthwise in wrapping.kernels(wrapped):
        variable = wrapper.masked_weights[relative][0]
        variable.assign(
            weight_laws.draw(
                law,
                variable.numpy(),
                is_depthwise=is_depthwise,
                seed=seed,
                path=path,
            )
        )
        scores = wrapper.scores[relative]
        scores.assign(np.full(tuple(scores.shape), start, np.float32))
        wrapper.set_seed(relative, seeds.child_seed(seed, "masks", path))
    if law != "keep":
        wrapping.zero_biases(wrapped)
    return wrapped


@register_kind
@dataclasses.dataclass(frozen=True)
class BernoulliSettings(PruningSettings):
    """What `bernoulli_supermask` was asked to do.

    Args:
        rescale: whether weights are divided by the share of them in use.
        evaluation: `"sample"` or `"likely"`.
    """

    rescale: bool = True
    evaluation: str = "sample"

    def wrapper_class(self, of):
        """Returns the wrapper of the family."""
        return scored_classes.make(_BernoulliMasked, of)

    def get_config(self):
        """Returns the settings as plain JSON values."""
        return {**super().get_config(), "kind": type(self).__name__}


class _BernoulliMasked(scored.Scored):
    """Runs a layer with weights drawn by learnt probabilities.

    Usually made by `tflottery.supermasks.bernoulli_supermask`.

    Args:
        layer: the layer to run; it is frozen as soon as it is built.
        weights: as in `tflottery.Masked`.
        settings: a `BernoulliSettings` or its config.
        **kwargs: as in `tflottery.Masked`.

    Reference: Zhou et al., Deconstructing Lottery Tickets, 2019, section 5.
    """

    class_name = "BernoulliMasked"

    def _create_state(self):
        vars(self)["_draws"] = {}
        of = family.of(self)
        for path in self._masked:
            # Seed and number of the next mask, and whether the weights are
            # stored as rescaled; saved with the scores. The replicas of a
            # strategy draw the same masks.
            self._draws[path] = self.add_weight(
                name=path.replace("/", "_") + "_draws",
                shape=(3,),
                dtype="int32",
                initializer="zeros",
                trainable=False,
                aggregation="only_first_replica"
                if of.name == "keras"
                else tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )

    def mask_state(self, path):
        """Returns the scores, and which mask is drawn next."""
        return {**super().mask_state(path), "draws": self._draws[path]}

    def set_seed(self, path: str, seed: int) -> None:
        """Starts the masks of a weight anew.

        Args:
            path: relative path of the weight.
            seed: in [0, 2**31).
        """
        self._draws[path].assign(np.array([seed, 0, 0], np.int32))

    def _note_that_weights_are_scaled(self):
        for draws in self._draws.values():
            draws.assign([*draws.numpy()[:2], 1])

    def call(self, *args, **kwargs):
        """Runs the layer; each call in training has masks of its own."""
        outputs = super().call(*args, **kwargs)
        training = self.is_training()
        if not _is_known(training) or training:
            step = tf.stack([0, tf.cast(training, tf.int32), 0])
            for draws in self._draws.values():
                draws.assign_add(step)
        return outputs

    def _probability(self, path):
        return tf.sigmoid(tf.convert_to_tensor(self._scores[path]))

    def _drawn(self, path, number):
        probability = self._probability(path)
        draws = tf.convert_to_tensor(self._draws[path])
        # As integers, since XLA makes other floats of the same bits.
        bits = tf.random.stateless_uniform(
            probability.shape,
            tf.stack([draws[0], number]),
            minval=None,
            maxval=None,
            dtype=tf.uint32,
            alg="philox",
        )
        chance = tf.cast(tf.bitwise.right_shift(bits, 8), tf.float32) * 2**-24
        return chance < probability

    def _kept(self, path):
        if self.settings.evaluation == "likely":
            return tf.convert_to_tensor(self._scores[path]) >= 0.0
        return self._drawn(path, tf.constant(_OF_EVALUATION))

    def _multiplier(self, path, training):
        if _is_known(training):
            kept = self._next(path) if training else self._kept(path)
        else:
            kept = tf.where(training, self._next(path), self._kept(path))
        mask = scored.straight_through(kept, self._probability(path))
        if not self.settings.rescale:
            return mask
        used = tf.maximum(tf.reduce_sum(mask), 1.0)
        factor = float(np.prod(kept.shape)) / used
        is_scaled = tf.convert_to_tensor(self._draws[path])[2] == 1
        return mask * tf.where(is_scaled, 1.0, factor)

    def _next(self, path):
        return self._drawn(path, tf.convert_to_tensor(self._draws[path])[1])


def _is_known(training):
    return training is None or isinstance(training, (bool, int))


BernoulliMasked = scored_classes.make(_BernoulliMasked, "keras")
