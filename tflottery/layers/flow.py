"""Flow: SynFlow's evidence, the gradients of a network of absolute weights.

The two Keras families differ in how a network is run on other values than its
own: Keras 3 has a scope for that, tf_keras has not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tflottery.layers import family, paths, placement, replicas


def gradients(
    model: Any, targets: Mapping[str, Any], data: Any = None
) -> dict[str, np.ndarray]:
    """Returns dR/d|w| of R = sum of the outputs of |network| at ones.

    Args:
        model: built model of either family; it ends as it was, bit for bit.
        targets: `{path: variable}` of the weights w.
        data: a batch `(x, y)`, for models that do not tell their input shape.

    Returns:
        `{path: array}`.

    Raises:
        ValueError: the input shape is unknown, the outputs do not depend on
            the weights, or the flow is not finite.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> kernel = model.layers[0].kernel
        >>> gradients(model, {"kernel": kernel})["kernel"].tolist()
        [[1.0], [1.0], [1.0]]

    Reference: Tanaka et al., Pruning neural networks without any data by
    iteratively conserving synaptic flow, 2020, section 6.
    """
    ones = _ones(model, data)
    with _absolute(model) as value_of:
        watched = [value_of(variable) for variable in targets.values()]

        def differentiate():
            with tf.GradientTape() as tape:
                tape.watch(watched)
                total, values = _run(model, ones, watched)
            found = tape.gradient(total, watched)
            pairs = zip(found, values, strict=True)
            return total, values, [dense(g, v) for g, v in pairs]

        if family.family_of(model) == "keras":  # whose scope is this thread's
            total, values, result = differentiate()
        else:
            total, values, result = placement.on_one_replica(
                model, differentiate
            )
    _check(model, result, values, abs(float(total)))
    return {path: g.numpy() for path, g in zip(targets, result, strict=True)}


def dense(gradient: Any, value: Any) -> Any:
    """Returns a gradient as a tensor: zeros where there is none.

    Args:
        gradient: what a tape gave; slices of a table, or `None`.
        value: what it is the gradient of.
    """
    if gradient is None:
        return tf.zeros_like(value)
    return tf.convert_to_tensor(gradient)


def _run(model, ones, watched):
    output = model(ones, training=False)
    total = tf.add_n(
        [
            tf.reduce_sum(tf.cast(value, "float32"))
            for value in keras.tree.flatten(output)
        ]
    )
    # Read now: a variable is put back before the gradients are looked at.
    return total, [tf.convert_to_tensor(value) for value in watched]


@contextlib.contextmanager
def _absolute(model: Any) -> Iterator[Any]:
    """A scope in which a model computes with the absolute values of all.

    Yields:
        Function of a variable that returns what the model reads in its place.
    """
    variables = [
        variable
        for variable in paths.variables(model).values()
        if "float" in str(variable.dtype)
    ]
    if family.family_of(model) == "keras":
        absolute = {id(v): tf.abs(v.value) for v in variables}
        mapping = [(v, absolute[id(v)]) for v in variables]
        with keras.StatelessScope(state_mapping=mapping):
            yield lambda variable: absolute[id(variable)]
        return
    stored = [
        (copy, copy.numpy())
        for variable in variables
        for copy in replicas.copies_here(variable)
    ]
    try:
        for copy, value in stored:
            copy.assign(np.abs(value))
        yield lambda variable: variable
    finally:
        for copy, value in stored:
            copy.assign(value)


def _check(model, result, values, total):
    """Refuses gradients that mean nothing, and says why."""
    flow = [
        abs(float(tf.reduce_sum(tf.cast(g * v, "float64"))))
        for g, v in zip(result, values, strict=True)
    ]
    if not np.isfinite(flow).all():
        raise ValueError(
            "The flow through the network of absolute weights is too large for "
            f"{model.compute_dtype}. Received: gradients that are not finite, "
            f"of a sum of outputs of {total:g}. Use smaller initial weights, "
            "fewer layers, or a model in float32."
        )
    # Each tensor that all the flow passes through has sum(w dR/dw) = R, so
    # this does not depend on how large or small the flow is. A softmax leaves
    # the rounding of its gradient (6e-8) times its logits, which grow with
    # depth: 1.5e-5 was seen.
    if np.isfinite(total) and max(flow) <= 1e-3 * total:
        raise ValueError(
            "The sum of the outputs does not depend on the weights. Received: "
            f"`{model.name}` with a sum of {total:g}. A softmax or another "
            "saturated activation at the end does that: use a model that "
            "returns logits."
        )


def _ones(model, data):
    """Returns an input of ones, a batch of one."""
    inputs = getattr(model, "_inputs_struct", None)
    if inputs is not None:  # functional: inputs may be a dict
        return keras.tree.map_structure(
            lambda x: tf.ones([1, *(size or 1 for size in x.shape[1:])]),
            inputs,
        )
    shape = _input_shape(model)
    if shape is not None:
        return keras.tree.map_shape_structure(
            lambda s: tf.ones([1, *(size or 1 for size in s[1:])]), shape
        )
    if isinstance(data, (tuple, list)) and data:
        return keras.tree.map_structure(
            lambda x: tf.ones_like(tf.convert_to_tensor(x)[:1]), data[0]
        )
    raise ValueError(
        "SynFlow needs the shape of the model's input. Received: "
        f"`{model.name}`, which does not tell. Pass `data`, a batch (x, y) "
        "whose values are not used."
    )


def _input_shape(model):
    try:
        return getattr(model, "input_shape", None)
    except RuntimeError:  # tf_keras, for a model that was only called
        return None
