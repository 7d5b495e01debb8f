"""Replicas: the copies that a distribution strategy keeps of one variable.

Most variables are the same on every replica, because every update is. A few
are not: each replica changes its own (statistics of normalisation, states of
random generators), and training can be repeated exactly only if all of them
are known. With several workers a process holds some of the copies; the others
come to it by a collective operation, which all workers must join.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def scope_of(variables: Sequence[Any]) -> contextlib.AbstractContextManager:
    """Returns the scope of the strategy that variables were created in.

    Args:
        variables: of either Keras family.

    Returns:
        A context manager in which new variables get as many copies; one that
        does nothing for variables made under no strategy.

    Example:
        >>> import keras
        >>> with scope_of([keras.Variable(1.0)]):
        ...     twin = keras.Variable(2.0)
    """
    for variable in variables:
        strategy = getattr(_raw(variable), "distribute_strategy", None)
        if strategy is not None:
            return strategy.scope()
    return contextlib.nullcontext()


def own_copies(variables: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Returns the copies that replicas change by themselves.

    Args:
        variables: `{name: variable}`, of either Keras family.

    Returns:
        `{name: copies}` for the variables that have such: one object per
        replica of the whole cluster, in order, with `shape`, `numpy()` and
        `assign(value)`, which leaves copies of other workers alone. With
        several workers, the first `numpy()` of any of them collects them all
        in one exchange, which all workers must join; what they hold then is
        what they are said to hold ever after.
    """
    found, remote = {}, {}
    for name, variable in variables.items():
        raw = _raw(variable)
        local = getattr(raw, "values", None)
        if not isinstance(local, tuple) or not _differs(variable, raw):
            continue
        count = raw.distribute_strategy.num_replicas_in_sync
        if count > len(local):
            remote[name] = local
        elif count > 1:
            found[name] = list(local)
    if remote:
        found.update(_Collected(raw.distribute_strategy, remote).copies())
    return {name: found[name] for name in variables if name in found}


def copies_here(variable: Any) -> tuple[Any, ...]:
    """Returns this process's copies of a variable of tf_keras.

    To put values aside and back, bit for bit, without asking other workers.

    Args:
        variable: a `tf.Variable`, under a strategy or not.

    Example:
        >>> import tensorflow as tf
        >>> variable = tf.Variable(1.0)
        >>> copies_here(variable)[0] is variable
        True
    """
    copies = getattr(variable, "values", None)
    return copies if isinstance(copies, tuple) else (variable,)


def summary(variable: Any, copies: Sequence[Any]) -> Any:
    """Returns what stands for all copies of a variable together.

    Args:
        variable: of either Keras family.
        copies: its copies, as `own_copies` returns them.

    Returns:
        The variable itself, which reads as the mean of its copies in tf_keras
        and as the first of them in Keras 3. With several workers, something
        that reads the same from copies that have been collected.
    """
    if any(isinstance(copy, _Copy) for copy in copies):
        return _Summary(variable, copies)
    return variable


class _Collected:
    """Copies of several variables on all workers, read at their first use."""

    def __init__(self, strategy, local):
        # TensorFlow, which only several workers need here.
        from tflottery.distribution import exchange

        self.exchange = exchange
        self.strategy = strategy
        self.numbers = exchange.own_numbers(strategy)
        self.local = local
        self._values: dict[int, dict[str, np.ndarray]] = {}

    def copies(self):
        count = self.strategy.num_replicas_in_sync
        return {
            name: [_Copy(self, name, number) for number in range(count)]
            for name in self.local
        }

    def own(self, name, number):
        """Returns this worker's copy; `None` if it is another's."""
        if number not in self.numbers:
            return None
        return self.local[name][self.numbers.index(number)]

    def value(self, name, number):
        if not self._values:
            own = {
                number: [parts[place].numpy() for parts in self.local.values()]
                for place, number in enumerate(self.numbers)
            }
            everyones = self.exchange.copies_of_all(self.strategy, own)
            self._values = {
                number: dict(zip(self.local, arrays, strict=True))
                for number, arrays in everyones.items()
            }
        return self._values[number][name]


class _Copy:
    """One replica's copy of a variable, which another worker may hold."""

    def __init__(self, collected, name, number):
        self._collected = collected
        self._name = name
        self._number = number
        self.shape = tuple(collected.local[name][0].shape)

    def numpy(self):
        return self._collected.value(self._name, self._number)

    def assign(self, value):
        own = self._collected.own(self._name, self._number)
        if own is not None:
            own.assign(value)


class _Summary:
    """A variable with copies on several workers, as one."""

    def __init__(self, variable, copies):
        self._variable = variable
        self._copies = copies
        self.shape = tuple(variable.shape)

    def numpy(self):
        values = [copy.numpy() for copy in self._copies]
        how = getattr(_raw(self._variable).aggregation, "name", None)
        if how != "MEAN":
            return values[0]
        whole = np.sum(values, axis=0, dtype=values[0].dtype) / len(values)
        return np.asarray(whole, values[0].dtype)

    def assign(self, value):
        self._variable.assign(value)


def _raw(variable: Any) -> Any:
    """Returns TensorFlow's variable inside one of Keras 3."""
    # Asked for an attribute that it has not, one of several replicas would
    # look in its value, which is a collective operation.
    return getattr(variable, "__dict__", {}).get("_value", variable)


def _differs(variable: Any, raw: Any) -> bool:
    how = getattr(getattr(raw, "synchronization", None), "name", None)
    if how == "ON_READ":
        return True
    # Keras 3 has its layers assign on each replica without any aggregation;
    # its optimizers update what is trainable on all of them alike.
    together = getattr(getattr(raw, "aggregation", None), "name", None)
    return together == "NONE" and not getattr(variable, "trainable", True)
