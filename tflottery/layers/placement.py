"""Placement: the distribution strategy that a model was made under.

A mask has to lie where its weight lies: on every replica that has a copy of
the weight. So what is added to a model is made in the scope the model was
made in, wherever the user calls from. And where a model is run between two
steps, it is run where it can be: on a replica.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from tflottery.layers import paths, replicas


def scope_of(target: Any) -> contextlib.AbstractContextManager:
    """Returns the scope in which variables of a model are to be made.

    Args:
        target: a Keras model, a layer, or a list of layers.

    Returns:
        The scope of the strategy that the model or its weights were made
        under, which may be entered where it holds already. A model that was
        made under none belongs to the scope it is used in.

    Example:
        >>> import keras
        >>> import tensorflow as tf
        >>> one = tf.distribute.OneDeviceStrategy("CPU:0")
        >>> with one.scope():
        ...     model = keras.Sequential([keras.layers.Dense(2)])
        >>> with scope_of(model):
        ...     tf.distribute.get_strategy() is one
        True
    """
    items = target if isinstance(target, (list, tuple)) else [target]
    for item in items:
        strategy = getattr(item, "distribute_strategy", None)
        if strategy is not None:
            return strategy.scope()
    found = [v for item in items for v in paths.variables(item).values()]
    return replicas.scope_of(found)


def on_one_replica(model: Any, function: Callable[[], Any]) -> Any:
    """Calls a function that runs a model, between two steps.

    Gradients and metrics of what has a copy on each replica refuse to be
    computed elsewhere. Each replica calls the function then, in a thread of
    its own, and the value of one is returned. Keras divides a compiled loss
    by the number of replicas there.

    Args:
        model: of either family.
        function: of no arguments; returns tensors or a structure of them.

    Returns:
        What the function returns, with eager tensors.

    Example:
        >>> import keras
        >>> import tensorflow as tf
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> on_one_replica(model, lambda: model(tf.ones((1, 3)))).shape
        TensorShape([1, 2])
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or strategy.num_replicas_in_sync == 1:
        return function()
    import tensorflow as tf

    run = functools.partial(strategy.run, function)
    if "TPU" in type(strategy).__name__:  # it runs nothing eagerly
        run = tf.function(run, autograph=False)
    return tf.nest.map_structure(
        lambda value: strategy.experimental_local_results(value)[0], run()
    )
