"""Everything but the scores held still: the other layers of a network.

A supermask shows what a choice among random weights can do, so nothing else may
learn. Layers without a mask are frozen. A frozen normalisation would not look
at its batch any more, so these lose their trainable scale and shift instead,
which start as one and zero, and go on normalising.
"""

from __future__ import annotations

import logging
from typing import Any

from tflottery.layers import (
    attributes,
    evidence,
    family,
    paths,
    placement,
    surgery,
)

_logger = logging.getLogger("tflottery")


def without_affine(model: Any) -> Any:
    """Replaces normalisations with a trainable scale or shift by plain ones.

    Args:
        model: built model of either family.

    Returns:
        The model, rebuilt around the same other layers where it had any; a
        subclassed model is changed in place.
    """
    of = family.of(model)
    done: dict[int, Any] = {}
    replaced: list[str] = []

    def visit(layer):
        if id(layer) not in done:
            if _has_affine(layer):
                done[id(layer)] = _plain(layer)
                replaced.append(layer.name)
            elif isinstance(layer, of.keras.Model) and of.is_graph(layer):
                done[id(layer)] = surgery.rebuild(of, layer, visit)
            else:
                done[id(layer)] = layer
        return done[id(layer)]

    with placement.scope_of(model):
        if isinstance(model, (list, tuple)):
            found = type(model)(visit(layer) for layer in model)
        elif isinstance(model, of.keras.Model) and not of.is_graph(model):
            attributes.replace_layers(model, visit)
            found = model
        else:
            found = visit(model)
    if replaced:
        _logger.warning(
            "%d normalisations lose their trainable scale and shift, as in "
            "the paper's networks: %s.",
            len(replaced),
            ", ".join([f"`{name}`" for name in replaced[:5]])
            + (", ..." if len(replaced) > 5 else ""),
        )
    return found


def freeze_the_rest(model: Any) -> list[str]:
    """Freezes the layers of a wrapped model that have no mask.

    Returns:
        Names of the layers that were trainable.
    """
    frozen = []
    seen: set[int] = set()

    def visit(layer):
        if id(layer) in seen or paths.is_mask_wrapper(layer):
            return
        seen.add(id(layer))
        below = paths.children(layer)
        if any(True for child in below if _holds_wrapper(child)):
            for child in below:
                visit(child)
        elif layer.trainable_weights:
            layer.trainable = False
            frozen.append(layer.name)

    for item in model if isinstance(model, (list, tuple)) else [model]:
        visit(item)
    return frozen


def _holds_wrapper(layer):
    return bool(evidence.wrappers(layer))


def _has_affine(layer):
    config_keys = ("center", "scale")
    return (
        type(layer).__name__.endswith("Normalization")
        and any(getattr(layer, key, None) is True for key in config_keys)
        and bool(layer.trainable_weights)
    )


def _plain(layer):
    config = {**layer.get_config(), "center": False, "scale": False}
    plain = type(layer).from_config(config)
    plain.build_from_config(layer.get_build_config())
    before = dict(paths.own_variables(layer))
    for name, variable in paths.own_variables(plain):
        variable.assign(before[name])
    return plain
