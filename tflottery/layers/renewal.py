"""Renewal: layers that are wrapped already get other settings.

Their masks are kept. What the new settings leave dense is unwrapped, unless
something of it is pruned: its zeros would grow back without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tflottery.layers import prunable
from tflottery.layers.settings import DEFAULT_FRACTION, PruningSettings, matches


def renew(
    of: Any,
    wrapper: Any,
    settings: PruningSettings,
    predicate: Callable[[Any], bool] | None = None,
) -> Any:
    """Hands a wrapped layer over to other settings.

    Args:
        of: family of the layer.
        wrapper: the wrapped layer, built or not.
        settings: carried by the wrapper from now on.
        predicate: function of a layer, `True` leaves it dense.

    Returns:
        The wrapper; another, if fewer of the layer's weights are masked now;
        or the layer itself, if none is.

    Raises:
        ValueError: as `check` does.
    """
    kept = check(wrapper, settings, predicate)
    if kept is None:
        wrapper.settings = settings
        return wrapper
    masks = {path: wrapper.masked_weights[path][1].numpy() for path in kept}
    layer = wrapper.release()
    if not kept:
        return layer
    renewed = of.masked(layer, weights=kept, settings=settings)
    for path, mask in masks.items():
        renewed.set_mask(path, mask)
    return renewed


def check(
    wrapper: Any,
    settings: PruningSettings,
    predicate: Callable[[Any], bool] | None = None,
) -> list[str] | None:
    """Looks whether a wrapped layer can get other settings.

    Returns:
        Paths of the weights that stay masked; `None` if all do.

    Raises:
        ValueError: a pruned weight is to be left dense, or the wrapper is
            that of a supermask, which is not pruned in rounds.
    """
    if type(wrapper.settings) not in (type(settings), type(None)):
        raise ValueError(
            "`model` must be a plain model, or one that was wrapped to be "
            f"pruned. Received: layer `{wrapper.name}` with a supermask. Call "
            "`tflottery.strip_pruning(model)` first."
        )
    layer = wrapper.layer
    if matches(settings.skip, [layer.name]) or (
        predicate is not None and predicate(layer)
    ):
        kept = []
    elif not wrapper.masked_weights:  # not built
        return None
    else:
        kept = _still_masked(layer, wrapper, settings, predicate)
    for path, (_, mask) in wrapper.masked_weights.items():
        mask = mask.numpy()
        if path not in kept and not mask.all():
            fractions = settings.prune_fraction
            if not isinstance(fractions, Mapping):
                fractions = {DEFAULT_FRACTION: fractions}
            raise ValueError(
                "`skip` must not name what is pruned already. Received: "
                f"`{wrapper.name}/{path}`, of which {(~mask).sum()} of "
                f"{mask.size} weights are pruned. To keep its mask as it is "
                f"use prune_fraction={ {wrapper.name: 0.0, **fractions} }; to "
                "give it up, `tflottery.strip_pruning(model)` first."
            )
    everything = len(kept) == len(wrapper.masked_weights)
    return None if kept and everything else kept


def _still_masked(layer, wrapper, settings, predicate):
    """Returns those of the masked weights that the settings do not skip."""
    known = {
        weight.path: weight
        for weight in prunable.prunable_weights(layer, frozen=True)
    }

    def is_dense(path):
        weight = known.get(path)
        return weight is not None and (
            not settings.covers(weight, layer)
            or (predicate is not None and predicate(weight.owner))
        )

    return [path for path in wrapper.masked_weights if not is_dense(path)]
