"""Held zeros: a stretch of steps in which pruned weights are known to be zero.

A mask acts in three places: where a weight is used, on its gradient, and after
each update. In a program of many steps most of that is superfluous, and dear:
each writes every weight out once more. If stored weights and slots are masked
when the program begins, one place is enough to keep them so: most optimizers
leave a weight of zero, with slots of zero, at zero when its gradient is zero.
With others the gradient and the update are masked.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tflottery.layers import evidence

_scope = threading.local()
_AT_USE, _BY_GRADIENTS = "at use", "by gradients"
# Of Keras, by itself, each entry on its own; not those derived from them.
_KEEP_ZEROS = frozenset(
    ("SGD", "RMSprop", "Adam", "AdamW", "Adagrad", "Adamax", "Nadam", "Lion")
)
# To select from so few entries and as many zeros takes TensorFlow half as long
# as to spread one zero over them. Of more, the zeros themselves take time.
_FEW = 2**16


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
def held(model: Any) -> Iterator[None]:
    """A scope for tracing steps that begin and end with masked weights.

    `establish` must have been called for the model, its slots must be masked,
    and nothing but its optimizer may change masked weights.

    Args:
        model: Wrapped and compiled model of either family.
    """
    before = getattr(_scope, "held", None)
    try:
        if _gradients_suffice(model):
            _scope.held = _BY_GRADIENTS
            with _masked_gradients(model):
                yield
        else:
            _scope.held = _AT_USE
            yield
    finally:
        _scope.held = before


def in_use(weight: Any, mask: Any, keep: Callable[[Any, Any], Any]) -> Any:
    """Returns what a layer computes with for a weight's stored value.

    Args:
        weight: Tensor or variable.
        mask: Boolean tensor or variable of the same shape.
        keep: Function of both that masks the weight; called where its zeros
            are not held.
    """
    held = getattr(_scope, "held", None)
    if held is None:
        return keep(weight, mask)
    if held == _BY_GRADIENTS:
        return tf.convert_to_tensor(weight)
    return use(weight, mask)


def stored(weight: Any, mask: Any, keep: Callable[[Any, Any], Any]) -> Any:
    """Returns a weight as penalties see it, or after an optimizer's update.

    Args:
        weight: Tensor or variable, changed by nothing but the optimizer.
        mask: Boolean tensor or variable of the same shape.
        keep: Function of both that masks the weight; called unless masked
            gradients hold its zeros.
    """
    if getattr(_scope, "held", None) == _BY_GRADIENTS:
        return weight
    return keep(weight, mask)


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


def _gradients_suffice(model):
    """Tells whether masked gradients keep zeros at zero by themselves."""
    optimizer = model.optimizer
    module, _, rest = type(optimizer).__module__.partition(".")
    trained = {id(variable) for variable in model.trainable_variables}
    return (
        module in ("keras", "tf_keras")
        and "legacy" not in rest
        and type(optimizer).__name__ in _KEEP_ZEROS
        and not {"apply", "update_step"} & vars(optimizer).keys()
        # A norm counts what arrives past the mask too.
        and getattr(optimizer, "clipnorm", None) is None
        and getattr(optimizer, "global_clipnorm", None) is None
        # What divides by it would make a NaN of two zeros.
        and getattr(optimizer, "epsilon", 1.0) > 1e-30
        and all(wrapper.stores_zeros for wrapper in evidence.wrappers(model))
        and all(
            (id(variable) in trained or not variable.trainable)
            and tf.as_dtype(variable.dtype) != tf.float16  # epsilon is 0 there
            for wrapper in evidence.wrappers(model)
            for variable, _ in wrapper.masked_weights.values()
        )
    )


@contextlib.contextmanager
def _masked_gradients(model):
    """Has the model's optimizer mask the gradients that it is given."""
    masks = {
        id(variable): mask
        for wrapper in evidence.wrappers(model)
        for variable, mask in wrapper.masked_weights.values()
    }
    optimizer = model.optimizer
    own = vars(optimizer).get("apply_gradients")
    apply = optimizer.apply_gradients
    given = []

    def apply_masked(grads_and_vars, *arguments, **keywords):
        given.append(True)
        pairs = [
            (
                gradient
                if gradient is None or id(variable) not in masks
                # Sparse ones of embeddings become dense, as masks make them.
                else _masked(
                    tf.convert_to_tensor(gradient), masks[id(variable)]
                ),
                variable,
            )
            for gradient, variable in grads_and_vars
        ]
        return apply(pairs, *arguments, **keywords)

    vars(optimizer)["apply_gradients"] = apply_masked
    try:
        yield
        if not given:
            raise RuntimeError(
                "The train step must hand its gradients to the optimizer's "
                "`apply_gradients`, where they are masked. Received: a step "
                f"of {type(model).__name__} that did not. Is this version of "
                "Keras newer than the library?"
            )
    finally:
        del vars(optimizer)["apply_gradients"]
        if own is not None:
            vars(optimizer)["apply_gradients"] = own


def _masked(value, mask):
    mask = tf.convert_to_tensor(mask)
    size = value.shape.num_elements()
    if size is None or size > _FEW:
        return tf.where(mask, value, tf.zeros((), value.dtype))
    return tf.raw_ops.Select(condition=mask, x=value, y=tf.zeros_like(value))
