"""Values: the weights of a model as they act, masks and all.

What counts is what a layer computes with: the stored weight times the mask of
its wrapper, of either Keras family or of TF-MOT, times the mask that the user
hands over.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tflottery.core.mask import Mask
from tflottery.layers import evidence, graph, paths, prunable


class Values:
    """Reads weights under their masks.

    Args:
        model: a built model, wrapped or not.
        masks: `{path: array}`, by the keys of `tflottery.masks` or by
            structural paths; weights that are not named have no mask more.

    Raises:
        ValueError: a mask fits no weight, or a weight is not finite.
    """

    def __init__(self, model: Any, masks: Mapping[str, Any] | None = None):
        self._masks: dict[int, np.ndarray] = {}
        self._read: dict[int, np.ndarray] = {}
        self._in_use = {
            id(variable): wrapper.value_in_use(path)
            for wrapper in evidence.wrappers(model)
            for path, (variable, _) in wrapper.masked_weights.items()
        }
        for variable, mask in _masks_within(model):
            self._add(variable, np.asarray(mask.numpy()) != 0)
        if masks is not None:
            for variable, mask in _given_masks(model, masks):
                self._add(variable, mask)
        self._check_finite(model)

    def own(self, layer: Any) -> dict[str, np.ndarray]:
        """Returns `{name: value}` of what a layer itself holds."""
        return {
            name: self.of(variable)
            for name, variable in paths.own_variables(layer)
        }

    def all(self, layer: Any) -> dict[str, np.ndarray]:
        """Returns `{relative path: value}` of a layer, at any depth."""
        return {
            path: self.of(variable)
            for path, variable in paths.variables(layer).items()
        }

    def of(self, variable: Any) -> np.ndarray:
        """Returns the value of a variable; not to be written to."""
        if id(variable) not in self._read:
            value = self._in_use.get(id(variable))
            if value is None:
                value = np.asarray(variable.numpy())
            mask = self._masks.get(id(variable))
            if mask is not None:
                value = np.where(mask, value, np.zeros((), value.dtype))
            self._read[id(variable)] = value
        return self._read[id(variable)]

    def changes(self, layer: Any) -> bool:
        """Tells whether a mask changes what a layer has stored."""
        return any(
            id(variable) in self._masks
            and not np.array_equal(self.of(variable), variable.numpy())
            for variable in paths.variables(layer).values()
        )

    def _add(self, variable, mask):
        before = self._masks.get(id(variable))
        self._masks[id(variable)] = mask if before is None else mask & before

    def _check_finite(self, model):
        for path, variable in paths.variables(model).items():
            value = self.of(variable)
            if (
                value.dtype.kind not in "biu"
                and not np.isfinite(value.astype(np.float32)).all()
            ):
                bad = int((~np.isfinite(value.astype(np.float32))).sum())
                raise ValueError(
                    "`model` must have finite weights. Received: "
                    f"`{path}` with {bad} values of {value.size} that are NaN "
                    "or infinite. Training has diverged: load an earlier "
                    "checkpoint, or train again with a smaller learning rate."
                )


def _wrappers(model: Any) -> Iterator[Any]:
    """Yields the mask wrappers within a model, ours and TF-MOT's."""
    seen: set[int] = set()
    waiting = [model]
    while waiting:
        layer = waiting.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            if graph.inner_layer(layer) is not layer:
                yield layer
            waiting += paths.children(layer)


def is_wrapped(model: Any) -> bool:
    """Tells whether there is a mask wrapper in a model."""
    return next(_wrappers(model), None) is not None


def _masks_within(model: Any) -> Iterator[tuple[Any, Any]]:
    """Yields `(weight, mask)` of the wrappers in a model."""
    for wrapper in _wrappers(model):
        if paths.is_mask_wrapper(wrapper):
            yield from wrapper.masked_weights.values()
        else:
            for weight, mask, _ in getattr(wrapper, "pruning_vars", ()):
                yield weight, mask


def _given_masks(
    model: Any, masks: Mapping[str, Any]
) -> Iterator[tuple[Any, np.ndarray]]:
    """Yields `(weight, mask)` for the masks that the user hands over."""
    if not isinstance(masks, Mapping):
        raise TypeError(
            "`masks` must be a mapping {path: array} or a Mask. Received: "
            f"{masks!r}. Use what `tflottery.masks(model)` returns."
        )
    weights = [
        (_without_wrappers(path), variable)
        for path, variable in paths.variables(model).items()
    ]
    by_structure = dict(weights)
    by_keras = _by_keras_path(model, by_structure)
    places = by_structure if set(masks) <= set(by_structure) else by_keras
    for path in masks:
        if path not in places:
            known = sorted({**by_structure, **by_keras})
            near = difflib.get_close_matches(path, known, 3) or known[:3]
            raise ValueError(
                "`masks` must name weights of the model. Received: "
                f"`{path}`, which is none of them. The nearest are {near}. Use "
                "the keys of `tflottery.masks(model)`."
            )
    shapes = {path: tuple(places[path].shape) for path in masks}
    mask = masks if isinstance(masks, Mask) else Mask(dict(masks))
    mask.check_fits(shapes)
    for path in mask:
        yield places[path], np.asarray(mask[path], bool)


def _by_keras_path(model: Any, by_structure: dict[str, Any]) -> dict[str, Any]:
    """Returns `{key that tflottery.masks gives: weight}`."""
    if evidence.wrappers(model):
        found = [
            wrapper.masked_weights[relative][0]
            for _, wrapper, relative in evidence.masked_weights(model)
        ]
    else:
        found = [w.variable for w in prunable.prunable_weights(model, True)]
    known = {id(variable) for variable in found}
    found += [v for v in by_structure.values() if id(v) not in known]
    names = paths.unique(prunable.variable_path(v) for v in found)
    return dict(zip(names, found, strict=True))


def _without_wrappers(path: str) -> str:
    parts = path.split("/")
    kept = [p for p in parts if not p.startswith("prune_low_magnitude_")]
    return "/".join(kept)
