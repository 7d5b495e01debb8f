"""Evidence: a wrapped model turned into arrays, and masks put back.

Arrays leave Keras here and masks come back here; everything between is NumPy.
The functions know wrappers only by what both Keras families offer:
`masked_weights`, `set_mask` and `settings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tflottery.core.mask import Mask
from tflottery.layers import family, paths, prunable, slots
from tflottery.layers.settings import PruningSettings


def wrappers(model: Any) -> list[Any]:
    """Returns the mask wrappers of a model, layer or list, in order."""
    found: list[Any] = []
    seen: set[int] = set()

    def visit(layer):
        if id(layer) in seen:
            return
        seen.add(id(layer))
        if family.family_of(layer) is None:
            raise TypeError(
                "`model` must be a Keras model, a layer or a list of layers. "
                f"Received: {layer!r} (of type {type(layer).__name__})."
            )
        if paths.is_mask_wrapper(layer):
            found.append(layer)
        for child in paths.children(layer):
            visit(child)

    for item in model if isinstance(model, (list, tuple)) else [model]:
        visit(item)
    return found


def masked_weights(model: Any) -> Iterator[tuple[str, Any, str]]:
    """Yields `(path, wrapper, relative path)` of every masked weight once."""
    by_id = {}
    for wrapper in wrappers(model):
        for relative, (variable, _) in wrapper.masked_weights.items():
            by_id.setdefault(id(variable), (wrapper, relative))
    for path, variable in _variables(model).items():
        if id(variable) in by_id:
            yield (path, *by_id[id(variable)])


def current_mask(model: Any) -> Mask:
    """Returns the model's mask, by path.

    Raises:
        ValueError: the model holds no mask wrapper.
    """
    found = {
        path: wrapper.masked_weights[relative][1].numpy()
        for path, wrapper, relative in masked_weights(model)
    }
    if not found:
        raise ValueError(not_wrapped(model))
    return Mask(found)


def current_weights(model: Any) -> dict[str, np.ndarray]:
    """Returns the stored values of the masked weights, by path."""
    return {
        path: wrapper.masked_weights[relative][0].numpy()
        for path, wrapper, relative in masked_weights(model)
    }


def measured_weights(model: Any) -> dict[str, np.ndarray]:
    """Returns the arrays that sparsity is measured on, by path.

    The stored values; for supermasks, which leave the stored weights alone,
    those the network computes with.
    """
    return {
        path: wrapper.measured_value(relative)
        for path, wrapper, relative in masked_weights(model)
    }


def set_mask(model: Any, mask: Mapping[str, np.ndarray]) -> None:
    """Puts a mask on a wrapped model; pruned entries become exactly zero.

    The optimizer's slots of pruned entries are zeroed too, where the model is
    compiled and its optimizer built.

    Args:
        model: wrapped model, layer or list.
        mask: `{path: array}`, for every masked weight; by the keys of
            `masks`, or by the paths that tickets use, which do not change
            with Keras' counters.

    Raises:
        ValueError: a tensor is missing, in excess or of another shape.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
        >>> model = tflottery.prune_iteratively(model)
        >>> tflottery.set_mask(model, {"dense/kernel": [[1, 0], [0, 1]]})
        >>> tflottery.sparsity(model)
        0.5
    """
    places = list(masked_weights(model))
    if not places:
        raise ValueError(not_wrapped(model))
    if set(mask) != {path for path, _, _ in places}:
        mask = by_structure(model, mask)
    mask = mask if isinstance(mask, Mask) else Mask(mask)
    mask.check_fits(
        {
            path: tuple(wrapper.masked_weights[relative][0].shape)
            for path, wrapper, relative in places
        }
    )
    pruned = []
    for path, wrapper, relative in places:
        wrapper.set_mask(relative, mask[path])
        pruned.append((wrapper.masked_weights[relative][0], mask[path]))
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        slots.apply_masks(optimizer, pruned)


def settings_of(model: Any) -> PruningSettings:
    """Returns the settings that the wrappers of a model agree on.

    Fractions and skips may differ from wrapper to wrapper; what holds for the
    whole search may not.

    Raises:
        ValueError: no wrapper has settings, or they disagree.
    """
    found = [w.settings for w in wrappers(model) if w.settings is not None]
    if not found:
        raise ValueError(not_wrapped(model))
    for name in ("scope", "criterion", "structure", "rewind_to"):
        values = {repr(getattr(settings, name)) for settings in found}
        if len(values) > 1:
            raise ValueError(
                f"The layers of the model were wrapped with different `{name}`."
                f" Received: {sorted(values)}. Wrap them in one call, or with "
                "the same value."
            )
    return found[0]


def fractions(model: Any) -> dict[str, float]:
    """Returns `{path: prune fraction}` of the masked weights."""
    result = {}
    for path, wrapper, relative in masked_weights(model):
        variable, _ = wrapper.masked_weights[relative]
        owner = path.rsplit("/", 1)[0]
        names = (path, owner, wrapper.name, prunable.variable_path(variable))
        settings = wrapper.settings
        result[path] = 0.0 if settings is None else settings.fraction_of(*names)
    return result


def masks(model: Any) -> dict[str, np.ndarray]:
    """Returns the masks of a wrapped model.

    Args:
        model: a model, layer or list of layers wrapped by
            `tflottery.prune_iteratively`.

    Returns:
        `{variable.path: bool array}` of the weight's shape; `True` is kept.
        Two weights that share a path are told apart by `_1`, `_2`, ...

    Raises:
        ValueError: nothing in the model is wrapped.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> model = tflottery.prune_once(model, sparsity=0.5)
        >>> [int(mask.sum()) for mask in tflottery.masks(model).values()]
        [4]
    """
    found = {}
    places = {path: place for path, *place in masked_weights(model)}
    for name, path in _keras_paths(model).items():
        wrapper, relative = places[path]
        found[name] = wrapper.masked_weights[relative][1].numpy()
    if not found:
        raise ValueError(not_wrapped(model))
    return found


def by_structure(model: Any, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns values that go by the keys of `masks` by structural paths.

    Args:
        model: wrapped model.
        values: by either; what goes by structural paths is returned as it is.
    """
    names = _keras_paths(model)
    if set(values) == set(names.values()) or set(values) != set(names):
        return values
    return {path: values[name] for name, path in names.items()}


def _keras_paths(model: Any) -> dict[str, str]:
    """Returns `{Keras' path: structural path}` of the masked weights."""
    result: dict[str, str] = {}
    for path, wrapper, relative in masked_weights(model):
        variable, _ = wrapper.masked_weights[relative]
        name = keras_path = prunable.variable_path(variable)
        count = 0
        while name in result:
            count += 1
            name = f"{keras_path}_{count}"
        result[name] = path
    return result


def sparsity(model: Any) -> float:
    """Measures the share of zeros among the prunable weights as stored.

    What is counted is what the variables hold, never what a schedule aims at.
    Supermasks leave the variables alone: there the weights in use count.

    Args:
        model: any model, layer or list of layers, wrapped or not.

    Returns:
        Fraction in [0, 1]; over the masked weights of a wrapped model, over
        all prunable weights of another; 0.0 where there are none.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> tflottery.sparsity(tflottery.prune_once(model, sparsity=0.75))
        0.75
    """
    values = list(measured_weights(model).values())
    if not values:
        items = model if isinstance(model, (list, tuple)) else [model]
        values = [
            weight.variable.numpy()
            for item in items
            for weight in prunable.prunable_weights(item)
        ]
    size = sum(value.size for value in values)
    zeros = sum(value.size - int(np.count_nonzero(value)) for value in values)
    return zeros / size if size else 0.0


def not_wrapped(model: Any) -> str:
    """Says that a model is not wrapped, or not built, and what to do."""
    if wrappers(model):
        return _not_built(model)
    name = getattr(model, "name", type(model).__name__)
    return (
        f"`model` must be wrapped. Received: `{name}`, in which no layer is "
        "masked. Wrap it with `tflottery.prune_iteratively(model, ...)` first."
    )


def check_built(model: Any) -> None:
    """Refuses a model, layer or list that is not built.

    Raises:
        ValueError: its weights are not there yet.
    """
    for item in model if isinstance(model, (list, tuple)) else [model]:
        if not getattr(item, "built", True):
            raise ValueError(_not_built(item))


def _not_built(model):
    name = getattr(model, "name", type(model).__name__)
    return (
        "`model` must be built: its weights are not there yet. Received: "
        f"`{name}`, which is not. Call it on a batch, or give it an `Input` or "
        "`model.build(...)`, first."
    )


def _variables(model: Any) -> dict[str, Any]:
    if not isinstance(model, (list, tuple)):
        return paths.variables(model)
    result = {}
    for index, item in enumerate(model):
        for path, variable in paths.variables(item).items():
            result[f"{index}/{item.name}/{path}"] = variable
    return result
