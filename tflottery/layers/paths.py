"""Paths: one name for every variable, from the structure of the model.

Keras' own `variable.path` carries counters that differ between two builds of
the same network in one process (`dense_3/kernel`), and it changes when a model
is saved and loaded. What is stored on disk goes by the names made here, which
depend on the architecture and on names given by the user, and on nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

SEED_STATE = "seed_generator_state"


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
    """Returns `(name, variable)` of what a layer holds itself, in order.

    The states of its random generators come last; a layer of tf_keras has
    them only where tf_keras uses `tf.random.Generator`.
    """
    if _is_keras_3(layer):
        variables = [
            *layer._trainable_variables,
            *layer._non_trainable_variables,
            *(generator.state for generator in layer._seed_generators),
        ]
        names = [_last_name(variable) for variable in variables]
    else:
        variables = [
            variable
            for variable in (
                *layer._trainable_weights,
                *layer._non_trainable_weights,
            )
            # A vocabulary is listed there too, and is no variable.
            if hasattr(variable, "assign")
        ]
        names = [_last_name(variable) for variable in variables]
        if "DepthwiseConv" in (base.__name__ for base in type(layer).__mro__):
            # Keras 3 calls the only kernel of this layer `kernel`.
            names = [n if n != "depthwise_kernel" else "kernel" for n in names]
        states = _generator_states(layer)
        variables += states
        names += [SEED_STATE] * len(states)
    return list(zip(unique(names), variables, strict=True))


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
        names = unique(_plain_name(child, layer) for child in below)
        for name, child in zip(names, below, strict=True):
            yield from visit(child, f"{prefix}{name}/")

    yield from visit(layer, "")


def variables(layer: Any) -> dict[str, Any]:
    """Returns `{path: variable}` of a layer or model, in `walk`'s order."""
    return {path: variable for path, variable, _ in walk(layer)}


def _is_keras_3(layer: Any) -> bool:
    return hasattr(layer, "_trainable_variables")


def _last_name(variable: Any) -> str:
    return variable.name.split("/")[-1].split(":")[0]


def _generator_states(layer: Any) -> list[Any]:
    """Returns the states of the `tf.random.Generator`s of a tf_keras layer.

    They are in none of its lists of weights, and are found by what their
    classes offer. The objects are not asked: a variable with a copy for each
    replica answers any question with a sum over all workers.
    """
    found = []
    for value in list(vars(layer).values()):
        if hasattr(type(value), "make_seed_for_stateless_op"):
            value = getattr(value, "_generator", None)
        if hasattr(type(value), "make_seeds"):
            found.append(value.state)
    return found


def _plain_name(layer: Any, parent: Any) -> str:
    layer = unwrapped(layer)
    name, prefix = layer.name, ""
    if hasattr(parent, "forward_layer") and hasattr(parent, "backward_layer"):
        # `Bidirectional` puts the direction in front of a name with a counter.
        # tf_keras does so for a backward layer of the user too.
        if hasattr(parent, "_backward_layer_config"):
            name = name.removeprefix("backward_")
        prefix = re.match(r"((forward|backward)_)?", name).group()
        name = name.removeprefix(prefix)
    automatic = snake = _snake(type(layer).__name__)
    if not _is_keras_3(layer):
        if snake == "functional":
            automatic = "(functional|model)"
        elif snake.startswith("_"):
            automatic = "private" + snake
    if re.fullmatch(rf"{automatic}(_\d+)?", name):
        return prefix + snake
    return (prefix + name).replace("/", "_")


def _snake(name: str) -> str:
    """Returns the name that both families make of a class name."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique(names: Iterable[str]) -> list[str]:
    """Returns the names, the second `a` as `a_1`, the third as `a_2`."""
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
