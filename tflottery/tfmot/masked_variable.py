"""`MaskedVariable`: what stands in a tf_keras weight's place during a call.

A tensor would do for most layers. But layers may ask a weight for its name,
`read_value()` or `assign`, a function of theirs that is traced once must not
keep the value of that day, and replicas that wait for each other within a call
must not read each other's. So it is a variable that masks what is read.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tflottery.tfmot import guard

_CONTROL_FLOW = (
    "WhileBodyFuncGraph",
    "WhileCondFuncGraph",
    "CondBranchFuncGraph",
)


def keep(weight: Any, mask: Any) -> tf.Tensor:
    """Returns `weight` where the boolean `mask` holds, zero elsewhere.

    Args:
        weight: variable or tensor.
        mask: boolean variable or tensor of the same shape.

    Returns:
        Tensor of the weight's shape and dtype. The gradient with respect to
        an entry outside the mask is exactly zero.

    Example:
        >>> keep(tf.constant([1.0, 2.0]), tf.constant([False, True])).numpy()
        array([0., 2.], dtype=float32)
    """
    weight = tf.convert_to_tensor(weight)
    return tf.where(mask, weight, tf.zeros((), weight.dtype))


class MaskedVariable(guard.autocast_variable_class()):
    """A variable that is read through a mask, and is itself otherwise.

    Args:
        variable: the weight; under mixed precision it is read in the type of
            the layer that is being called.
        mask: boolean variable.
        owner: layer that holds the weight.
        use: function of the stored value that returns what is read instead;
            default: the value where `mask` holds, zero elsewhere.

    Example:
        >>> weight = tf.Variable([1.0, 2.0], name="w")
        >>> masked = MaskedVariable(weight, tf.Variable([False, True]), None)
        >>> (masked + 1.0).numpy(), masked.name
        (array([1., 3.], dtype=float32), 'w:0')
    """

    def __init__(self, variable, mask, owner, use=None):
        self._casts = hasattr(variable, "_cast_dtype")
        super().__init__(variable._variable if self._casts else variable)
        self._use = functools.partial(keep, mask=mask) if use is None else use
        self._owner = owner
        self._read_by: dict[int, tf.Tensor] = {}

    @contextlib.contextmanager
    def read_once(self) -> Iterator[None]:
        """Reads the weight now for all of a call, a loop's steps included."""
        thread = threading.get_ident()
        before = self._read_by.get(thread)
        dtype = self._variable.dtype
        if self._casts:
            dtype = self._owner.compute_dtype
        self._read_by[thread] = self._masked(self._variable, dtype)
        try:
            yield
        finally:
            self._read_by.pop(thread, None)
            if before is not None:
                self._read_by[thread] = before

    def _masked(self, value, dtype):
        return tf.cast(self._use(value), dtype)

    @property
    def _cast_dtype(self):
        return super()._cast_dtype if self._casts else self._variable.dtype

    def _should_cast(self):
        return self._casts and super()._should_cast()

    def value(self):
        """Returns the masked value."""
        found = self._read_by.get(threading.get_ident())
        if (
            found is not None
            and found.dtype == self._cast_dtype
            and _may_use(found)
        ):
            return found
        return self._masked(self._variable, self._cast_dtype)

    def read_value(self):
        """Returns the masked value."""
        return self.value()

    def numpy(self):
        """Returns the masked value as an array."""
        return self.value().numpy()

    def sparse_read(self, indices, name=None):
        """Returns rows of the masked value."""
        return tf.gather(self.value(), indices, name=name)

    def gather_nd(self, indices, name=None):
        """Returns entries of the masked value."""
        return tf.gather_nd(self.value(), indices, name=name)

    def _dense_var_to_tensor(self, dtype=None, name=None, as_ref=False):
        return tf.convert_to_tensor(self.value(), dtype=dtype, name=name)

    def assign(self, value, *args, **kwargs):
        """Assigns to the weight; later reads of the call see it."""
        self._read_by.pop(threading.get_ident(), None)
        return super().assign(value, *args, **kwargs)

    def assign_add(self, delta, *args, **kwargs):
        """Adds to the weight; later reads of the call see it."""
        self._read_by.pop(threading.get_ident(), None)
        return super().assign_add(delta, *args, **kwargs)

    def assign_sub(self, delta, *args, **kwargs):
        """Subtracts from the weight; later reads of the call see it."""
        self._read_by.pop(threading.get_ident(), None)
        return super().assign_sub(delta, *args, **kwargs)


def _may_use(value: Any) -> bool:
    """Tells whether a value read earlier is right where the code is now.

    Within a function that is traced there and then, and called again later,
    it is not: there the variable itself has to be read.
    """
    if tf.executing_eagerly():
        return hasattr(value, "numpy")
    if hasattr(value, "numpy"):
        return False
    graph = tf.compat.v1.get_default_graph()
    while graph is not value.graph:
        if type(graph).__name__ not in _CONTROL_FLOW:
            return False
        graph = graph.outer_graph
    return True
