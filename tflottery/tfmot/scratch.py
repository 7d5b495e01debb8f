"""Building a layer by calling it in a graph that is thrown away.

Some layers, `MultiHeadAttention` among them, make their weights in their first
call, from all their inputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

_ATTENTION = ("query", "value", "key")  # what `MultiHeadAttention` takes


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


def build(layer: Any, input_shape: Any) -> None:
    """Builds a layer that is known by the shape of its input alone.

    Layers without a `build` of their own, made of other layers, are built by
    a call.

    Args:
        layer: an unbuilt tf_keras layer.
        input_shape: shape, or a structure of shapes, of its first argument.
    """
    shapes = [getattr(layer, f"_{name}_shape", None) for name in _ATTENTION]
    if not getattr(type(layer).build, "_is_default", False):
        layer.build(input_shape)
    elif hasattr(layer, "_build_from_signature") and None not in shapes:
        call(layer, [tf.TensorSpec(shape, "float32") for shape in shapes], {})
    elif input_shape is not None:
        call(layer, [_specs(input_shape)], {})
    layer.built = True


def _specs(shape):
    if isinstance(shape, dict):
        return {key: _specs(value) for key, value in shape.items()}
    if isinstance(shape, (list, tuple)):
        if not all(size is None or isinstance(size, int) for size in shape):
            return type(shape)(_specs(value) for value in shape)
    return tf.TensorSpec(shape, "float32")


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
