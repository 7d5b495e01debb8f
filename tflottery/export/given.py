"""What a caller says a model takes: `input_signature`, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf


def spec_of(tensor: Any) -> tf.TensorSpec:
    """Returns the spec of a tensor of either Keras, or of another spec."""
    if getattr(tensor, "ragged", False) or isinstance(
        tensor, tf.RaggedTensorSpec
    ):
        raise ValueError(
            "`model` must take dense tensors. Received: the ragged input "
            f"`{getattr(tensor, 'name', None)}`. Build it with padded inputs."
        )
    return tf.TensorSpec(
        tuple(tensor.shape),
        tf.as_dtype(tensor.dtype),
        getattr(tensor, "name", None),
    )


def arguments(wanted: Any, stated: Any = None) -> tuple[Any, ...]:
    """Reads a caller's `input_signature`; dtypes and names may be left out.

    Args:
        wanted: a shape, a `tf.TensorSpec`, or lists, tuples and dicts of
            them; a list at the top is one entry for each argument.
        stated: what the model says itself, if it does; it supplies dtypes,
            names and structure.

    Returns:
        The positional arguments, each a structure of `tf.TensorSpec`s.

    Example:
        >>> arguments([(None, 4)])
        (TensorSpec(shape=(None, 4), dtype=tf.float32, name=None),)
    """
    known = [] if stated is None else tf.nest.flatten(stated)

    def read(entry):
        if isinstance(entry, Mapping):
            return {key: read(entry[key]) for key in sorted(entry)}
        if isinstance(entry, (list, tuple)) and not _is_shape(entry):
            return type(entry)(read(part) for part in entry)
        position = len(used)
        used.append(entry)
        model = known[position] if position < len(known) else None
        if _is_shape(entry):
            dtype = tf.float32 if model is None else model.dtype
            return tf.TensorSpec(entry, dtype, model and model.name)
        if not hasattr(entry, "shape") or not hasattr(entry, "dtype"):
            raise TypeError(
                "`input_signature` must hold shapes or tf.TensorSpecs. "
                f"Received: {entry!r} in input_signature={wanted!r}. Use "
                "input_signature=[(None, 28, 28, 1)]."
            )
        spec = spec_of(entry)
        if spec.name is None and model is not None:
            spec = tf.TensorSpec(spec.shape, spec.dtype, model.name)
        return spec

    used: list[Any] = []
    is_list = isinstance(wanted, (list, tuple)) and not _is_shape(wanted)
    found = tuple(read(part) for part in (wanted if is_list else [wanted]))
    if stated is None:
        return found
    if len(used) != len(known):
        raise ValueError(
            "`input_signature` must have one entry for each input of the "
            f"model. Received: {len(used)} entries for the inputs "
            f"{[spec.name for spec in known]}."
        )
    return tf.nest.pack_sequence_as(stated, tf.nest.flatten(found))


def _is_shape(entry):
    return isinstance(entry, (tuple, list, tf.TensorShape)) and all(
        size is None or isinstance(size, int) for size in entry
    )
