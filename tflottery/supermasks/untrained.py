"""Supermasks read off a trained network, on weights that never trained.

The mask of a lottery ticket, put over the very weights that training began
with, computes something useful before any training: the signs and the places
of the weights that grew carry what was learnt. Nothing is trained here; the
mask comes from the difference between a network before and after training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tflottery.core import checks
from tflottery.core.mask import Mask
from tflottery.layers import evidence, prunable, wrapping
from tflottery.layers.settings import PruningSettings, split_skip
from tflottery.pruning import allocation, criteria
from tflottery.pruning.criterion import Criterion, Evidence
from tflottery.pruning.pruner import Pruner
from tflottery.supermasks import initial_weights as weight_laws
from tflottery.supermasks import wrapping as scored_wrapping


class LargeFinalSameSign(Criterion):
    """Keeps large final weights whose sign training did not change.

    The score is the final weight, counted from zero in the direction in which
    it began: sign(initial) * final. Weights that changed their sign go first,
    those furthest from zero before the others.

    Example:
        >>> found = LargeFinalSameSign().scores(Evidence(
        ...     weights={"w": np.array([[3.0, -2.0]])},
        ...     initial={"w": np.array([[1.0, 1.0]])}))
        >>> found["w"].tolist()
        [[3.0, -2.0]]

    Reference: Zhou et al., Deconstructing Lottery Tickets, 2019, section 5.
    """

    name = "large_final_same_sign"
    requires = frozenset({"weights", "initial"})

    def scores(self, evidence):
        """Returns sign(initial) * final of every weight."""
        return {
            path: np.sign(initial) * final
            for path, final, initial in evidence.select(
                self.name, "weights", "initial"
            )
        }


def untrained_mask(
    initial: Any,
    trained: Any,
    density: float | dict[str, float],
    criterion: Any = "large_final_same_sign",
    scope: str = "layerwise",
) -> Mask:
    """Finds the supermask of a network before training, from one after it.

    Args:
        initial: the weights that training began with: a built model of either
            Keras family, or `{path: array}` of the weights to mask.
        trained: the same of the trained network, or more of its weights.
        density: share of the weights to keep, in (0, 1]; a float, or
            `{weight path or regex: float}` with `"default"` for the rest.
        criterion: `"large_final_same_sign"` (the default), or a criterion of
            `tflottery.pruning.criteria.names()`: `"large_final"`,
            `"magnitude_increase"`, ...
        scope: `"layerwise"` (the default, as in the paper), `"global"` or
            `"erk"`.

    Returns:
        The `Mask`, by structural path.

    Raises:
        TypeError: neither models nor mappings.
        ValueError: the networks do not match, or a bad value.

    Example:
        >>> initial = {"fc/kernel": np.array([[1.0, 1.0], [1.0, -1.0]])}
        >>> trained = {"fc/kernel": np.array([[0.1, 2.0], [-3.0, -1.0]])}
        >>> untrained_mask(initial, trained, 0.5)["fc/kernel"].tolist()
        [[False, True], [False, True]]

    Reference: Zhou et al., Deconstructing Lottery Tickets, 2019, section 5.
    """
    before, after = _weights("initial", initial), _weights("trained", trained)
    after = {path: after[path] for path in after if path in before}
    Mask.ones_like(before).check_fits(
        {path: array.shape for path, array in after.items()}, what="trained"
    )
    density = scored_wrapping.check_density(density)
    scored_wrapping.check_names(
        [(path, path.rsplit("/", 1)[0]) for path in before], density
    )
    checks.check_choice("scope", scope, allocation.names())
    densities = {
        path: scored_wrapping.density_of(
            density, (path, path.rsplit("/", 1)[0])
        )
        for path in before
    }
    if criterion == LargeFinalSameSign.name:
        criterion = LargeFinalSameSign()
    return Pruner(criterion=criteria.get(criterion), scope=scope).prune(
        Mask.ones_like(before),
        Evidence(weights=after, initial=before),
        densities,
    )


def untrained_ticket(
    model: Any,
    trained: Any,
    density: float | dict[str, float],
    criterion: Any = "large_final_same_sign",
    scope: str = "layerwise",
    initial_weights: str = "keep",
    skip: str | Sequence[str] | Callable[[Any], bool] = (),
    seed: int = 0,
) -> Any:
    """Puts the supermask of a trained network on the untrained one.

    Args:
        model: the network at its initial weights, built, of either Keras
            family. It is wrapped and masked, as by `tflottery.prune_once`.
        trained: the same network after training: a model, or its weights
            `{path: array}`.
        density: as in `untrained_mask`.
        criterion: as in `untrained_mask`.
        scope: as in `untrained_mask`.
        initial_weights: `"keep"` (the default) for the weights that the model
            has; `"signed_std"` sets them to a constant of the same sign, which
            does better in the paper; or another of
            `tflottery.supermasks.initial_weights.draw`, which is no ticket
            but its control.
        skip: names or regexes of layers to leave dense, or a function of a
            layer.
        seed: seed of drawn weights, an integer. Default 0.

    Returns:
        The model, wrapped and masked. Nothing is frozen; it is evaluated as
        it is, and can be trained as any ticket.

    Raises:
        TypeError: not a model.
        ValueError: the networks do not match, or a bad value.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
        >>> trained = keras.models.clone_model(model)
        >>> model = untrained_ticket(model, trained, density=0.2)
        >>> tflottery.sparsity(model)
        0.8

    Reference: Zhou et al., Deconstructing Lottery Tickets, 2019, section 5.
    """
    law = weight_laws.check(initial_weights)
    evidence.check_built(model)
    patterns, predicate = split_skip(skip)
    settings = PruningSettings.create(skip=patterns)
    wrapped = wrapping.wrap(model, settings, predicate, strict=True)
    initial = evidence.current_weights(wrapped)
    mask = untrained_mask(initial, trained, density, criterion, scope)
    for path, wrapper, relative, is_depthwise in scored_wrapping.kernels(
        wrapped
    ):
        variable = wrapper.masked_weights[relative][0]
        variable.assign(
            weight_laws.draw(
                law,
                initial[path],
                density=mask.densities()[path],
                is_depthwise=is_depthwise,
                seed=seed,
                path=path,
            )
        )
    evidence.set_mask(wrapped, mask)
    return wrapped


def _weights(argument, given):
    if isinstance(given, Mapping):
        return {str(path): np.asarray(array) for path, array in given.items()}
    if not hasattr(given, "layers"):
        raise TypeError(
            f"`{argument}` must be a model or a mapping {{path: array}}. "
            f"Received: {type(given).__name__}. Pass the model itself, or "
            "what `Snapshot.weights()` returns of it."
        )
    evidence.check_built(given)
    return {
        weight.path: weight.variable.numpy()
        for weight in prunable.prunable_weights(given, frozen=True)
    }
