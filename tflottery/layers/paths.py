"""Paths: one name for every variable, from the structure of the model.

Keras' own `variable.path` carries counters that differ between two builds of
the same network in one process (`dense_3/kernel`), and it changes when a model
is saved and loaded. What is stored on disk goes by the names made here, which
depend on the architecture and on names given by the user, and on nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any


def is_mask_wrapper(layer: Any) -> bool:
    """Tells whether a layer is one of our wrappers, of either Keras family."""
    return hasattr(type(layer), "masked_weights")


def unwrapped(layer: Any) -> Any:
    """Returns the layer inside a mask wrapper, or the layer itself."""
    return layer.layer if is_mask_wrapper(layer) else layer


def children(layer: Any) -> list[Any]:
    """Returns the layers that a layer or model holds directly, in order."""
    if hasattr(layer, "fit"):
        return list(layer.layers)
    return list(layer._flatten_layers(include_self=False, recursive=False))


def own_variables(layer: Any) -> list[tuple[str, Any]]:
    """Returns `(name, variable)` of what a layer holds itself, in order."""
    if hasattr(layer, "_trainable_variables"):
        variables = [
            *layer._trainable_variables,
            *layer._non_trainable_variables,
            *(generator.state for generator in layer._seed_generators),
        ]
    else:
        variables = [*layer._trainable_weights, *layer._non_trainable_weights]
    names = _unique(
        variable.name.split("/")[-1].split(":")[0] for variable in variables
    )
    return list(zip(names, variables, strict=True))


def walk(layer: Any) -> Iterator[tuple[str, Any, Any]]:
    """Goes through a layer or model depth first, each variable once.

    Mask wrappers are transparent: wrapping and stripping change no path.
    A layer that its user did not name goes by its class and its place among
    its siblings (`dense`, `dense_1`), whatever counter Keras gave it.

    Args:
        layer: a layer or model of either Keras family, built.

    Yields:
        `(path, variable, owner)`; the owner is the layer that holds the
        variable, the path is relative to `layer`.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> [path for path, _, _ in walk(model)]
        ['dense/kernel', 'dense/bias']
    """
    seen: set[int] = set()

    def visit(layer, prefix):
        if id(layer) in seen:
            return
        seen.add(id(layer))
        layer = unwrapped(layer)
        seen.add(id(layer))
        for name, variable in own_variables(layer):
            if id(variable) not in seen:
                seen.add(id(variable))
                yield prefix + name, variable, layer
        below = children(layer)
        names = _unique(_plain_name(child) for child in below)
        for name, child in zip(names, below, strict=True):
            yield from visit(child, f"{prefix}{name}/")

    yield from visit(layer, "")


def variables(layer: Any) -> dict[str, Any]:
    """Returns `{path: variable}` of a layer or model, in `walk`'s order."""
    return {path: variable for path, variable, _ in walk(layer)}


def _plain_name(layer: Any) -> str:
    layer = unwrapped(layer)
    snake = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", type(layer).__name__)
    snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", snake).lower()
    if re.fullmatch(re.escape(snake) + r"(_\d+)?", layer.name):
        return snake
    return layer.name.replace("/", "_")


def _unique(names) -> list[str]:
    result: list[str] = []
    taken: set[str] = set()
    for name in names:
        candidate, count = name, 0
        while candidate in taken:
            count += 1
            candidate = f"{name}_{count}"
        taken.add(candidate)
        result.append(candidate)
    return result
