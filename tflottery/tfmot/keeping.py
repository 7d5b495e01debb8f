"""Keeping pruned entries at zero in tf_keras: at use, after updates, in losses.

What `layers.keeping` does for Keras 3. A tf_keras layer reads its weights from
its own attributes, so that is where a `MaskedVariable` is put for the length
of a call.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tflottery.layers import held_zeros, paths
from tflottery.layers.family import CannotMaskError
from tflottery.tfmot.masked_variable import keep


class MaskedConstraint:
    """A projection that ends every optimizer update: pruned entries are zero.

    Args:
        constraint: the weight's own, applied first; `None` without one.
        mask: boolean variable.
    """

    def __init__(self, constraint: Callable | None, mask: Any):
        self.constraint = constraint
        self.mask = mask

    def __call__(self, weight: Any) -> tf.Tensor:
        """Returns the projected weight, zero outside the mask."""
        if self.constraint is not None:
            return keep(self.constraint(weight), self.mask)
        return held_zeros.stored(weight, self.mask, keep)


def set_constraint(variable: Any, constraint: Any) -> None:
    """Sets the constraint that optimizers apply to a variable.

    Args:
        variable: a variable as a layer holds it: plain, of mixed precision,
            or with a copy on each replica.
        constraint: function of the weight, or `None`.
    """
    plain = getattr(variable, "_variable", variable)
    for copy in getattr(plain, "values", None) or (plain,):
        copy._constraint = constraint


class Place:
    """Where layers hold a weight: attributes, and places in containers.

    Args:
        root: the wrapped layer; it and the layers below it are searched.
        owner: the layer among them that the weight belongs to.
        variable: the weight.

    Attributes:
        stand_in: `MaskedVariable` that is put there during a call.

    Raises:
        CannotMaskError: the weight hangs on no attribute of a layer.
    """

    def __init__(self, root: Any, owner: Any, variable: Any):
        layers = [root, *root._flatten_layers(include_self=False)]
        self._at = [
            place
            for layer in layers
            if not paths.is_mask_wrapper(layer)
            for place in _find(vars(layer), variable)
        ]
        if not self._at:
            raise CannotMaskError(
                f"The weight `{variable.name}` of layer `{owner.name}` can "
                "only be masked where the layer keeps it. Received: a layer "
                f"of class {type(owner).__name__} without an attribute, list, "
                "tuple or dict that holds it. Assign what `add_weight` returns "
                "to an attribute, as in `self.kernel = self.add_weight(...)`, "
                "or leave the layer out with `skip`."
            )
        self.stand_in: Any = None
        self._held_by = 0
        self._before: list[Any] = []

    @contextlib.contextmanager
    def masked(self) -> Iterator[None]:
        """Has the weight read through its mask for the length of a call."""
        # Past `__setattr__`: the weight stays tracked as the layer's own.
        # Replicas take turns within a call, so the last to leave cleans up.
        if not self._held_by:
            self._before = [container[key] for container, key, _ in self._at]
            for container, key, index in self._at:
                container[key] = _with(container[key], index, self.stand_in)
        self._held_by += 1
        try:
            with self.stand_in.read_once():
                yield
        finally:
            self._held_by -= 1
            if not self._held_by:
                pairs = zip(self._at, self._before, strict=True)
                for (container, key, _), value in pairs:
                    container[key] = value


def _with(value: Any, index: int | None, item: Any) -> Any:
    """Returns what to put: the item, or a tuple with the item in it."""
    if index is None:
        return item
    return (*value[:index], item, *value[index + 1 :])


def _find(container: Any, variable: Any, depth: int = 0) -> Iterator[Any]:
    """Yields `(container, key, index or None)` where a variable is held.

    The index is that in a tuple, which has to be replaced as a whole.
    """
    items = (
        list(container.items())
        if isinstance(container, dict)
        else list(enumerate(container))
    )
    for key, value in items:
        if value is variable:
            yield container, key, None
        elif depth < 3 and _is_own(container, key, depth):
            if isinstance(value, tuple) and not hasattr(value, "_fields"):
                for index, item in enumerate(value):
                    if item is variable:
                        yield container, key, index
            inner = _storage(value)
            if inner is not None:
                yield from _find(inner, variable, depth + 1)


def _is_own(container: Any, key: Any, depth: int) -> bool:
    """Tells whether an attribute is the layer's, not Keras' bookkeeping."""
    return depth > 0 or not str(key).startswith(
        ("_self_", "_obj_", "_trainable_weights", "_non_trainable_weights")
    )


def _storage(value: Any) -> Any:
    """Returns the list or dict that a tracked container writes to."""
    if isinstance(value, list):
        return getattr(value, "_storage", value)
    if isinstance(value, dict):
        return getattr(value, "__wrapped__", value)
    return None


class MaskedPenalties:
    """The weight penalties of a layer, made to see the masked weight.

    tf_keras keeps a penalty as a function without arguments, bound to its
    weight. Those of a masked weight are bound to what `masked` returns.

    Args:
        owner: layer that holds the weight.
        variable: the weight.
        mask: boolean variable.
    """

    def __init__(self, owner: Any, variable: Any, mask: Any):
        self._losses = getattr(owner, "_callable_losses", [])
        self._replaced: list[tuple[Any, Any]] = []
        for index, loss in enumerate(self._losses):
            bound = _bound_to(loss, variable)
            if bound is not None:
                new = functools.partial(_masked_penalty, bound, variable, mask)
                self._replaced.append((new, loss))
                self._losses[index] = new

    def release(self) -> None:
        """Puts the penalties back as they were."""
        for new, old in self._replaced:
            if new in self._losses:
                self._losses[self._losses.index(new)] = old
        self._replaced = []


def _bound_to(loss: Any, variable: Any) -> Callable | None:
    """Returns the function of a weight that a penalty was made from."""
    if isinstance(loss, functools.partial):
        if len(loss.args) == 1 and loss.args[0] is variable:
            return loss.func
        if len(loss.args) == 1 and isinstance(loss.args[0], functools.partial):
            inner, outer = loss.args[0], loss.func
            if len(inner.args) == 1 and inner.args[0] is variable:
                return functools.partial(_through, outer, inner.func)
    return None


def _through(outer, function, weight):
    return outer(lambda: function(weight))


def _masked_penalty(function, variable, mask):
    return function(held_zeros.stored(variable, mask, keep))
