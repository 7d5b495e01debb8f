"""Held zeros: a stretch of steps in which pruned weights are known to be zero.

A mask acts in three places: where a weight is used, on its gradient, and after
each update. In a program of many steps the first is superfluous, and dear: it
writes every weight out once more. If the stored weights are masked when the
program begins, the other two keep them so.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tflottery.layers import evidence

_scope = threading.local()


def establish(model: Any) -> None:
    """Zeroes the stored entries outside the masks, once.

    It may be part of a program, eager or not.

    Args:
        model: Wrapped model of either family.
    """
    for wrapper in evidence.wrappers(model):
        if not wrapper.stores_zeros:
            continue
        for variable, mask in wrapper.masked_weights.values():
            variable.assign(_masked(tf.convert_to_tensor(variable), mask))


@contextlib.contextmanager
def held() -> Iterator[None]:
    """A scope for tracing steps that begin and end with masked weights.

    `establish` must have been called for the model, and nothing but its
    optimizer may change masked weights.
    """
    before = is_held()
    _scope.held = True
    try:
        yield
    finally:
        _scope.held = before


def is_held() -> bool:
    """Tells whether pruned weights are known to be zero here."""
    return getattr(_scope, "held", False)


def in_use(weight: Any, mask: Any, keep: Callable[[Any, Any], Any]) -> Any:
    """Returns what a layer computes with for a weight's stored value.

    Args:
        weight: Tensor or variable.
        mask: Boolean tensor or variable of the same shape.
        keep: Function of both that masks the weight; called where its zeros
            are not held.
    """
    return use(weight, mask) if is_held() else keep(weight, mask)


def use(weight: Any, mask: Any) -> tf.Tensor:
    """Returns a weight as it is, with its gradient masked.

    Args:
        weight: Tensor or variable, zero outside the mask.
        mask: Boolean tensor or variable of the same shape.

    Example:
        >>> weight = tf.Variable([3.0, 0.0])
        >>> with tf.GradientTape() as tape:
        ...     total = tf.reduce_sum(use(weight, tf.constant([True, False])))
        >>> tape.gradient(total, weight).numpy().tolist()
        [1.0, 0.0]
    """
    mask = tf.convert_to_tensor(mask)

    @tf.custom_gradient
    def unchanged(value):
        return tf.identity(value), lambda gradient: _masked(gradient, mask)

    return unchanged(tf.convert_to_tensor(weight))


def _masked(value, mask):
    zero = tf.zeros((), value.dtype)
    return tf.where(tf.convert_to_tensor(mask), value, zero)
