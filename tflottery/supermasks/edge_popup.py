"""edge-popup: the subnetwork of a random network that its scores choose.

Every weight has a score. The forward pass uses the weights with the largest
scores, the backward pass moves all scores, and the weights stay what they were
drawn as. What training finds is a mask, and nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tflottery.core import checks
from tflottery.layers import evidence
from tflottery.layers.settings import (
    PruningSettings,
    register_kind,
    split_skip,
)
from tflottery.pruning import allocation
from tflottery.supermasks import (
    initial_weights as weight_laws,
)
from tflottery.supermasks import (
    score_groups,
    scored,
    scored_classes,
    top_scores,
    wrapping,
)

_RANKINGS = ("magnitude", "score")


def edge_popup(
    model: Any,
    density: float | dict[str, float] = 0.5,
    scope: str = "layerwise",
    initial_weights: str = "signed_constant",
    scale_weights: bool = True,
    rank_by: str = "magnitude",
    skip: str | Sequence[str] | Callable[[Any], bool] = (),
    seed: int = 0,
) -> Any:
    """Wraps a model so that `fit` searches a subnetwork of random weights.

    Compile and fit the result as any model, with any optimizer: what is
    trained are scores, one for each weight. Weights, biases and all other
    layers are frozen; kernels are bit for bit the same after training. The
    papers' networks have no biases: here those of layers with a mask are set
    to zero if weights are drawn, and never trained. Normalisations lose a
    trainable scale and shift.

    `tflottery.masks`, `tflottery.sparsity`, `tflottery.strip_pruning` and
    `tflottery.PruningSummaries` know the result as any masked model. Stripping
    is the end of the search: it writes the zeros into the layers.

    Args:
        model: a built model of Keras 3 or tf_keras without masks, or a layer
            or a list of layers. Its layers are used, not copied: their
            weights are drawn anew and frozen. A subclassed model is changed
            in place.
        density: share of the weights that is used, in (0, 1]; a float, or
            `{layer name, weight path or regex: float}` with `"default"` for
            the rest, which is used whole otherwise. Default 0.5.
        scope: `"layerwise"` (the default, as in the paper) keeps that share
            of each weight tensor; `"global"` ranks all scores together;
            `"erk"` gives small layers more. Counts are exact, and each tensor
            keeps at least one weight. But for `"layerwise"` and `"erk"` each
            layer ranks the scores of all layers, which takes its time.
        initial_weights: `"signed_constant"` (the default), `"kaiming_normal"`
            or `"signed_std"`, or `"keep"` for the weights that the model has;
            see `tflottery.supermasks.initial_weights.draw`.
        scale_weights: divide the deviation of drawn weights by
            sqrt(density), so that the subnetwork, not the whole network, has
            the scale that suits ReLU units. (The authors' code does so at
            density 0.5 only: elsewhere it divides by the square root of
            1 - density.) Default `True`.
        rank_by: `"magnitude"` (the default) ranks by |score|, as the authors'
            code does, `"score"` by the score, as the paper's text does.
        skip: names or regexes of layers to leave without a mask, or a
            function of a layer; they are frozen whole.
        seed: seed of weights and scores, an integer. Default 0.

    Returns:
        What was given, wrapped; compile it.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: a bad value; or the model is not built, has masks already,
            or has nothing to put a mask on.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([
        ...     keras.Input((8,)),
        ...     keras.layers.Dense(6, "relu", use_bias=False),
        ...     keras.layers.Dense(2, use_bias=False)])
        >>> model = edge_popup(model, density=0.25)
        >>> [int(mask.sum()) for mask in tflottery.masks(model).values()]
        [12, 3]
        >>> [variable.name for variable in model.trainable_variables]
        ['kernel_scores', 'kernel_scores']

    Reference: Ramanujan et al., What's Hidden in a Randomly Weighted Neural
    Network?, 2020, section 3 (the algorithm), section 5 (initialisation).
    """
    patterns, predicate = split_skip(skip)
    settings = EdgePopupSettings(
        scope=checks.check_choice("scope", scope, allocation.names()),
        skip=patterns,
        density=wrapping.check_density(density),
        rank_by=checks.check_choice("rank_by", rank_by, _RANKINGS),
    )
    law = weight_laws.check(initial_weights)
    checks.check_instance("scale_weights", scale_weights, bool)
    wrapped = wrapping.wrap(model, settings, predicate, seed, settings.density)
    for path, wrapper, relative, is_depthwise in wrapping.kernels(wrapped):
        names = wrapping.names_of(path, wrapper, relative)
        share = wrapping.density_of(settings.density, names)
        variable = wrapper.masked_weights[relative][0]
        shape = tuple(variable.shape)
        variable.assign(
            weight_laws.draw(
                law,
                variable.numpy(),
                density=share if scale_weights else 1.0,
                is_depthwise=is_depthwise,
                seed=seed,
                path=path,
            )
        )
        wrapper.scores[relative].assign(
            weight_laws.first_scores(shape, is_depthwise, seed, path)
        )
    if law != "keep":
        wrapping.zero_biases(wrapped)
    return wrapped


@register_kind
@dataclasses.dataclass(frozen=True)
class EdgePopupSettings(PruningSettings):
    """What `edge_popup` was asked to do.

    Args:
        density: share of the weights in use, or `{name: share}`.
        rank_by: `"magnitude"` or `"score"`.
    """

    density: float | dict[str, float] = 0.5
    rank_by: str = "magnitude"

    def wrapper_class(self, of):
        """Returns the wrapper of the family."""
        return scored_classes.make(_EdgePopup, of)

    def finish(self, wrapped):
        """Tells every wrapper how many of its weights, or of all, to use."""
        places = list(evidence.masked_weights(wrapped))
        shapes, densities = {}, {}
        for path, wrapper, relative in places:
            shapes[path] = tuple(wrapper.scores[relative].shape)
            names = wrapping.names_of(path, wrapper, relative)
            densities[path] = wrapping.density_of(self.density, names)
        budgets: dict[str, dict[str, Any]] = {}
        for pool in allocation.allocate(self.scope, shapes, densities):
            if len(pool.paths) == 1:
                budgets[pool.paths[0]] = {"count": pool.count}
                continue
            shared = {
                "count": pool.count,
                "group": score_groups.new_name(),
                "size": len(pool.paths),
            }
            for place, path in enumerate(pool.paths):
                budgets[path] = {**shared, "place": place}
        for path, wrapper, relative in places:
            wrapper.set_budget(relative, budgets[path])

    def get_config(self):
        """Returns the settings as plain JSON values."""
        return {**super().get_config(), "kind": type(self).__name__}


class _EdgePopup(scored.Scored):
    """Runs a layer with those of its weights that have the largest scores.

    Usually made by `tflottery.supermasks.edge_popup`.

    Args:
        layer: the layer to run; it is frozen as soon as it is built.
        weights: as in `tflottery.Masked`.
        settings: an `EdgePopupSettings` or its config.
        budgets: `{relative path: how many weights to use}`, as `get_config`
            gives it; default: all.
        **kwargs: as in `tflottery.Masked`.

    Reference: Ramanujan et al., What's Hidden in a Randomly Weighted Neural
    Network?, 2020, section 3.
    """

    class_name = "EdgePopup"

    def __init__(
        self, layer, weights=None, settings=None, budgets=None, **kwargs
    ):
        vars(self).update(_budgets=dict(budgets or {}), _groups={})
        super().__init__(layer, weights=weights, settings=settings, **kwargs)

    def _create_state(self):
        for path, budget in self._budgets.items():
            self.set_budget(path, budget)

    def set_budget(self, path: str, budget: dict[str, Any]) -> None:
        """Says how many weights are used.

        Args:
            path: relative path of the weight.
            budget: `{"count": int}`; with `"group"`, `"size"` and `"place"`
                where that is the count of several weights together.
        """
        self._budgets[path] = dict(budget)
        if "group" in budget:
            self._groups[path] = score_groups.join(
                budget["group"], budget["size"], budget["place"], self, path
            )

    def _kept(self, path):
        budget = self._budgets.get(path)
        if budget is None or scored.only_shapes_count():
            return tf.ones(self._scores[path].shape, tf.bool)
        if path not in self._groups:
            return top_scores.largest(self._ranked(path), budget["count"])
        ranked = [self._rank(scores) for scores in self._groups[path].scores()]
        return top_scores.largest_of_all(
            ranked, budget["count"], budget["place"]
        )

    def _multiplier(self, path, training):
        return scored.straight_through(self._kept(path), self._ranked(path))

    def _ranked(self, path):
        return self._rank(self._scores[path])

    def _rank(self, scores):
        scores = tf.convert_to_tensor(scores)
        return scores if self.settings.rank_by == "score" else tf.abs(scores)

    def get_config(self):
        """Returns the wrapper's config and how many weights are in use."""
        budgets = {path: dict(found) for path, found in self._budgets.items()}
        return {**super().get_config(), "budgets": budgets}


EdgePopup = scored_classes.make(_EdgePopup, "keras")
