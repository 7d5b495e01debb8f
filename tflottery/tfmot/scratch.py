"""Building a layer by calling it in a graph that is thrown away.

Some layers, `MultiHeadAttention` among them, make their weights in their first
call, from all their inputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


def call(layer: Any, args: Any, kwargs: Any) -> None:
    """Calls a layer on placeholders shaped like the arguments.

    Args:
        layer: an unbuilt tf_keras layer.
        args: positional arguments of a call.
        kwargs: keyword arguments of a call.
    """
    with tf.__internal__.FuncGraph(f"{layer.name}_scratch").as_default():
        args, kwargs = tf.nest.map_structure(_placeholder, (args, kwargs))
        layer(*args, **kwargs)


def build_attention(layer: Any) -> bool:
    """Builds a `MultiHeadAttention` that knows its shapes from a file.

    It has no `build`; its projections are made in its first call.

    Args:
        layer: any unbuilt tf_keras layer.

    Returns:
        Whether it was one, and is built now.
    """
    if not getattr(layer, "_built_from_signature", False):
        return False
    names = ("_query_shape", "_value_shape", "_key_shape")
    shapes = [getattr(layer, name, None) for name in names]
    if None in shapes:
        return False
    call(layer, [tf.TensorSpec(shape, layer.dtype) for shape in shapes], {})
    return True


def _placeholder(value):
    if hasattr(value, "type_spec"):  # a KerasTensor
        value = value.type_spec
    elif isinstance(value, (np.ndarray, np.generic)):
        value = tf.TensorSpec(value.shape, value.dtype)
    elif tf.is_tensor(value):
        value = tf.type_spec_from_value(value)
    if not isinstance(value, tf.TypeSpec):
        return value
    if isinstance(value, tf.TensorSpec):
        return tf.compat.v1.placeholder(value.dtype, value.shape)
    parts = tf.nest.map_structure(
        lambda spec: tf.compat.v1.placeholder(spec.dtype, spec.shape),
        value._component_specs,
    )
    return value._from_components(parts)
