"""Costs: floating-point operations and numbers of weights of a model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tflottery.layers import graph, paths, prunable, state


def flops(model: Any) -> int | None:
    """Counts the floating-point operations of one example.

    TensorFlow's own profiler counts, on the graph of one inference with a
    batch of 1. Sizes that are open are set to 1, so for sequences of any
    length it is the cost of one step.

    Args:
        model: functional or Sequential, of either family.

    Returns:
        The number; `None` where the model cannot be traced or the profiler
        knows none of its operations.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> flops(model)  # 2 x 8 x 4 and 4 for the bias
        68
    """
    import tensorflow as tf

    logger = tf.get_logger()  # the profiler calls itself old-fashioned
    level = logger.level
    logger.setLevel("ERROR")
    try:
        return _profiled(tf, model)
    except Exception:  # whatever a model's own code raises while traced
        return None
    finally:
        logger.setLevel(level)


def _profiled(tf, model):
    holder = graph.graph_holder(model)
    if holder is None:
        return None
    specs = [
        tf.TensorSpec([1, *(n or 1 for n in tensor.shape[1:])], _type(tensor))
        for tensor in holder.inputs
    ]
    structure = getattr(holder, "_inputs_struct", None)
    if structure is None:
        structure = holder._nested_inputs

    def infer(*tensors):
        given = tf.nest.pack_sequence_as(structure, list(tensors))
        return model(given, training=False)

    function = tf.function(infer, autograph=False)
    traced = function.get_concrete_function(*specs).graph
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    found = tf.compat.v1.profiler.profile(traced, cmd="op", options=options)
    return int(found.total_float_ops) or None


def parameters(model: Any) -> int:
    """Counts the numbers that a model holds, but masks and random states."""
    return sum(
        math.prod(variable.shape)
        for path, variable, owner in paths.walk(model)
        if not state.is_seed(path)
        and graph.inner_layer(owner) is owner
        and not path.endswith("pruning_step")
    )


def kernel_entries(model: Any) -> int:
    """Counts the entries of kernels and embedding tables."""
    return sum(
        int(np.prod(weight.variable.shape))
        for weight in prunable.prunable_weights(model, frozen=True)
    )


def _type(tensor):
    return getattr(tensor.dtype, "name", tensor.dtype)
