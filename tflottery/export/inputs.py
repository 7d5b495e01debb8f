"""What a model takes and gives: names, shapes, and inputs to try it on.

Exporting has to call a model that it did not build. A functional model says
what it takes; a subclassed one has been called before, or the caller says it.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.core import seeds
from tflottery.export import given
from tflottery.layers import family, paths

_COUNTED = re.compile(r"(keras_tensor|input|input_layer|inputs)(_\d+)?")


@dataclasses.dataclass(frozen=True)
class Signature:
    """How a model is called.

    Args:
        model: the model.
        arguments: its positional arguments: each a `tf.TensorSpec`, or a
            list, tuple or dict of them.
        names: a name for each tensor, in the order of `tf.nest.flatten`.
    """

    model: Any
    arguments: tuple[Any, ...]
    names: tuple[str, ...]

    @property
    def specs(self) -> list[tf.TensorSpec]:
        """The tensors it takes, in the order of `names`."""
        return tf.nest.flatten(self.arguments)

    def call(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the model for inference.

        Args:
            tensors: `{name: tensor}`.

        Returns:
            `{name: tensor}`: the keys of a dict, else `output_0`, ...
        """
        flat = [tensors[name] for name in self.names]
        arguments = tf.nest.pack_sequence_as(self.arguments, flat)
        result = self.model(*arguments, training=False)
        if isinstance(result, Mapping) and not any(
            tf.nest.is_nested(value) for value in result.values()
        ):
            return {str(key): result[key] for key in sorted(result)}
        flat = tf.nest.flatten(result)
        return {f"output_{i}": value for i, value in enumerate(flat)}

    def outputs(self, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Runs the model on arrays; returns arrays."""
        tensors = {
            name: tf.convert_to_tensor(arrays[name]) for name in self.names
        }
        return {k: np.asarray(v) for k, v in self.call(tensors).items()}


def signature(
    model: Any, input_signature: Any = None, *, open_sizes: bool = False
) -> Signature:
    """Finds out how a model is called.

    Args:
        model: a built model of either Keras family.
        input_signature: what it takes, where the model does not say it, or
            where sizes are left open: shapes or `tf.TensorSpec`s, with the
            batch as `None`, in the structure of the model's input. A list is
            one entry for each positional argument.
        open_sizes: whether sizes other than the batch's may be left open, and
            text be taken.

    Raises:
        TypeError: not a Keras model.
        ValueError: the model does not say what it takes, or leaves open more
            than it may.
    """
    if isinstance(model, str | os.PathLike):
        raise TypeError(
            "`model` must be a Keras model. Received: the path "
            f"{str(model)!r}. Use tflottery.load_network({str(model)!r}) if "
            "it is a run directory or a ticket, keras.models.load_model if it "
            "is a saved model."
        )
    if hasattr(model, "snapshot") and hasattr(model, "apply"):
        raise TypeError(
            "`model` must be a Keras model. Received: a ticket, which holds "
            "weights and no layers. Use ticket.apply(model), with a new model "
            "of the architecture that it was found in."
        )
    keras = family.of(model).keras
    if family.family_of(model) == "keras":
        backend = keras.backend.backend()
        if backend != "tensorflow":
            raise ValueError(
                "Models are exported by Keras on TensorFlow. Received: the "
                f"backend {backend!r}. Save the model, and export it in a "
                "process with KERAS_BACKEND=tensorflow."
            )
    if not isinstance(model, keras.Model):
        raise TypeError(
            "`model` must be a Keras model. Received: a layer, "
            f"{type(model).__name__} `{model.name}`. Put it into a "
            "keras.Sequential with an Input."
        )
    stated = _stated(model)
    if input_signature is not None:
        arguments = given.arguments(input_signature)
        count = len(tf.nest.flatten(arguments))
        # Keras 3 notes the first argument only of a class of the user's own.
        if _has_tensors(model) or count == len(tf.nest.flatten(stated)):
            arguments = given.arguments(input_signature, stated)
    elif stated is not None:
        arguments = stated
    else:
        raise ValueError(
            "`input_signature` must say what the model takes: it has never "
            f"been called or built with known shapes. Received: model "
            f"`{model.name}` ({type(model).__name__}) and input_signature="
            "None. Call the model once on an example, or give "
            "input_signature=[(None, 28, 28, 1)]."
        )
    arguments = tf.nest.map_structure(_with_open_batch, arguments)
    flat = tf.nest.flatten(arguments)
    if not open_sizes:
        _check_stateless(model)
    for spec in () if open_sizes else flat:
        if None in spec.shape.as_list()[1:]:
            raise ValueError(
                "`input_signature` must fix every size but that of the "
                f"batch. Received: input `{spec.name}` of shape "
                f"{tuple(spec.shape)}. Give input_signature="
                f"[{_example_of(spec)}], with the sizes it is to run on."
            )
        if spec.dtype == tf.string:
            raise ValueError(
                "TFLite files of this library take numbers. Received: input "
                f"`{spec.name}` of dtype string. Leave the text layer out of "
                "the exported model and look tokens up before."
            )
    return Signature(model, arguments, _distinct(arguments, _own_name(model)))


def _check_stateless(model):
    """Refuses recurrent layers that remember the batch before."""
    for layer in model._flatten_layers(include_self=False):
        if getattr(layer, "stateful", False) and hasattr(layer, "states"):
            raise ValueError(
                "A TFLite file starts every run anew. Received: layer "
                f"`{layer.name}` with stateful=True. Build it with "
                "stateful=False and give it the weights, by `set_weights`."
            )


def _has_tensors(model):
    return bool(getattr(model, "inputs", None))


def _stated(model):
    """Returns what a model itself says it takes, or `None`."""
    if _has_tensors(model):
        try:
            structure = model.input
        except (AttributeError, RuntimeError):  # Sequential, after a rebuild
            structure = model.inputs
            structure = structure[0] if len(structure) == 1 else structure
        return (tf.nest.map_structure(given.spec_of, structure),)
    if hasattr(model, "save_spec"):  # tf_keras
        found = model.save_spec()
        return None if found is None else tuple(found[0])
    shapes = getattr(model, "_build_shapes_dict", None)
    if not shapes or not model.variables:
        return None
    dtype = model.input_dtype
    return tuple(_from_shapes(shape, dtype) for shape in shapes.values())


def _from_shapes(shape, dtype):
    if isinstance(shape, Mapping):
        return {key: _from_shapes(part, dtype) for key, part in shape.items()}
    if all(size is None or isinstance(size, int) for size in shape):
        return tf.TensorSpec(tuple(shape), dtype)
    return type(shape)(_from_shapes(part, dtype) for part in shape)


def _with_open_batch(spec):
    sizes = spec.shape.as_list()
    if not sizes:
        raise ValueError(
            "`model` must take batches. Received: input "
            f"`{spec.name}` of shape ()."
        )
    return tf.TensorSpec([None, *sizes[1:]], spec.dtype, spec.name)


def _example_of(spec):
    sizes = (None, *(size or 32 for size in spec.shape.as_list()[1:]))
    return str(sizes)


def _own_name(model):
    """Returns the name that tf_keras makes for an input from a layer's."""
    layers = getattr(model, "layers", None)
    return f"{layers[0].name}_input" if layers else ""


def _distinct(arguments: Any, made: str) -> tuple[str, ...]:
    specs = tf.nest.flatten(arguments)
    keys: list[Any] = [None] * len(specs)
    if len(arguments) == 1 and isinstance(arguments[0], Mapping):
        found = sorted(arguments[0])
        keys = found if len(found) == len(specs) else keys
    names: list[str] = []
    for i, (spec, key) in enumerate(zip(specs, keys, strict=True)):
        name = (spec.name or "input").split(":")[0].replace("/", "_")
        if name == made or _COUNTED.fullmatch(name):  # by Keras, not a user
            name = f"input_{i}" if key is None else str(key)
        names.append(name if name not in names else f"{name}_{i}")
    return tuple(names)


def other_policy(model: Any) -> str:
    """Returns a type other than float32 that the model computes in, if any."""
    for _, _, owner in paths.walk(model):
        kind = getattr(owner, "compute_dtype", None) or "float32"
        if "float" in kind and kind != "float32":
            return kind
    return ""


def generated(
    signature: Signature, count: int = 8, seed: int = 0, open_size: int = 32
) -> dict[str, np.ndarray]:
    """Makes inputs to try a model on.

    Floats are standard normal; integers are below the smallest table that an
    `Embedding` of the model has, or below 256 for `uint8`, else 0 or 1.

    Args:
        signature: of the model.
        count: how many examples.
        seed: the same seed gives the same inputs.
        open_size: what stands for a size that is left open.

    Returns:
        `{name: array of shape (count, ...)}`.
    """
    rng = seeds.rng(seed, "inputs to try")
    found = {}
    for name, spec in zip(signature.names, signature.specs, strict=True):
        sizes = (size or open_size for size in spec.shape.as_list()[1:])
        shape = [count, *sizes]
        dtype = spec.dtype.as_numpy_dtype
        if spec.dtype == tf.string:
            found[name] = rng.choice(["one", "two words", ""], shape)
        elif spec.dtype.is_floating or spec.dtype.is_complex:
            found[name] = rng.standard_normal(shape).astype(dtype)
        elif spec.dtype == tf.uint8:
            found[name] = rng.integers(0, 256, shape, dtype)
        else:
            most = _smallest_table(signature.model)
            found[name] = rng.integers(0, most, shape).astype(dtype)
    return found


def _smallest_table(model):
    owners = [owner for _, _, owner in paths.walk(model)]
    sizes = [
        owner.input_dim
        for owner in owners
        if isinstance(getattr(owner, "input_dim", None), int)
        and hasattr(owner, "output_dim")
    ]
    return min(sizes, default=2)
