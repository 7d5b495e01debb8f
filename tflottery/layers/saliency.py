"""Saliency: the evidence that criteria ask for, gradients included.

Criteria are NumPy and know no network. What SNIP, GraSP and SynFlow need of
the network is computed here, on the masked network as it stands, without
touching a single stored weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tflottery.layers import evidence, paths
from tflottery.layers.settings import PruningSettings
from tflottery.pruning import criteria
from tflottery.pruning.criteria import Criterion, Evidence


def gather(
    model: Any,
    criterion: Criterion,
    *,
    initial: Mapping[str, np.ndarray] | None = None,
    data: Any = None,
    loss: Any = None,
) -> Evidence:
    """Collects what a criterion requires, and nothing else.

    Args:
        model: wrapped model.
        criterion: its `requires` names the evidence.
        initial: `{path: array}` of the initial weights.
        data: one batch `(x, y)` for `gradients` and `hessian_gradients`.
        loss: loss function of `(y, output)`; default: the compiled loss.

    Returns:
        An `Evidence` over the masked weights.

    Raises:
        ValueError: `data` or a loss is needed and missing, or the gradients
            are zero everywhere.
    """
    found: dict[str, Any] = {"weights": evidence.current_weights(model)}
    if initial is None and "initial" in criterion.requires:
        raise ValueError(
            f"The criterion {criterion.name!r} compares with the initial "
            "weights. Received: initial=None. Take a `tflottery.Snapshot` "
            "before training and call `tflottery.prune(model, densities, "
            "initial=snapshot.weights())`, or train with `IterativePruning`."
        )
    if initial is not None:
        found["initial"] = {path: initial[path] for path in found["weights"]}
    if "flow_gradients" in criterion.requires:
        found["flow_gradients"] = _flow_gradients(model, data)
    if "hessian_gradients" in criterion.requires:
        found["hessian_gradients"] = _gradients(model, data, loss, True)
    if "gradients" in criterion.requires:
        found["gradients"] = _gradients(model, data, loss, False)
    return Evidence(**found)


def needs_data(settings: PruningSettings) -> bool:
    """Tells whether a batch of data is needed to prune by these settings."""
    requires = criteria.get(settings.criterion).requires
    return not {"gradients", "hessian_gradients"}.isdisjoint(requires)


def _targets(model):
    return {
        path: wrapper.masked_weights[relative][0]
        for path, wrapper, relative in evidence.masked_weights(model)
    }


def _gradients(model, data, loss, hessian):
    """Returns dL/dw, or H g with g = dL/dw, by path."""
    if data is None:
        raise ValueError(
            "`data` must be a batch (x, y): the criterion needs gradients. "
            "Received: data=None. Pass some hundred examples with labels."
        )
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise ValueError(
            "`data` must be one batch (x, y). Received: data of type "
            f"{type(data).__name__}. Of a data set pass the first batch, "
            "`next(iter(dataset))`."
        )
    if loss is None and not getattr(model, "compiled", False):
        raise ValueError(
            "`loss` must be given for a model that is not compiled: the "
            "criterion needs gradients. Received: loss=None."
        )
    x, y = (keras.tree.map_structure(tf.convert_to_tensor, d) for d in data)
    targets = _targets(model)
    values = [variable.value for variable in targets.values()]

    def value_of_loss():
        output = model(x, training=False)
        if loss is not None:
            return tf.reduce_mean(keras.losses.get(loss)(y, output))
        return model.compute_loss(x=x, y=y, y_pred=output, training=False)

    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            scalar = value_of_loss()
        first = inner.gradient(scalar, values)
        first = [_dense(g, v) for g, v in zip(first, values, strict=True)]
        product = tf.add_n(
            [tf.reduce_sum(g * tf.stop_gradient(g)) for g in first]
        )
    result = outer.gradient(product, values) if hessian else first
    arrays = {
        path: _dense(g, v).numpy()
        for path, g, v in zip(targets, result, values, strict=True)
    }
    return _checked(arrays, "the loss does not depend on the weights")


def _flow_gradients(model, data):
    """Returns dR/d|w| of R = sum of the outputs of |network| at ones."""
    ones = _ones(model, data)
    absolute = {
        id(variable): (variable, tf.abs(variable.value))
        for variable in paths.variables(model).values()
        if "float" in str(variable.dtype)
    }
    targets = _targets(model)
    watched = [absolute[id(variable)][1] for variable in targets.values()]
    with tf.GradientTape() as tape:
        for tensor in watched:
            tape.watch(tensor)
        with keras.StatelessScope(state_mapping=list(absolute.values())):
            output = model(ones, training=False)
        total = tf.add_n(
            [
                tf.reduce_sum(tf.cast(value, "float32"))
                for value in keras.tree.flatten(output)
            ]
        )
    result = tape.gradient(total, watched)
    result = [_dense(g, v) for g, v in zip(result, watched, strict=True)]
    flow = [
        abs(float(tf.reduce_sum(tf.cast(g * v, "float64"))))
        for g, v in zip(result, watched, strict=True)
    ]
    total = abs(float(total))
    if not np.isfinite(flow).all():
        raise ValueError(
            "The flow through the network of absolute weights is too large for "
            f"{model.compute_dtype}. Received: gradients that are not finite, "
            f"of a sum of outputs of {total:g}. Use smaller initial weights, "
            "fewer layers, or a model in float32."
        )
    # Each tensor that all the flow passes through has sum(w dR/dw) = R, so
    # this does not depend on how large or small the flow is.
    if np.isfinite(total) and max(flow) <= 1e-6 * total:
        raise ValueError(
            "The sum of the outputs does not depend on the weights. Received: "
            f"`{model.name}` with a sum of {total:g}. A softmax or another "
            "saturated activation at the end does that: use a model that "
            "returns logits."
        )
    return {path: g.numpy() for path, g in zip(targets, result, strict=True)}


def _ones(model, data):
    """Returns an input of ones, a batch of one."""
    inputs = getattr(model, "_inputs_struct", None)
    if inputs is not None:  # functional: inputs may be a dict
        return keras.tree.map_structure(
            lambda x: tf.ones([1, *(size or 1 for size in x.shape[1:])]),
            inputs,
        )
    shape = getattr(model, "input_shape", None)
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


def _dense(gradient, value):
    if gradient is None:
        return tf.zeros_like(value)
    return tf.convert_to_tensor(gradient)


def _checked(arrays, reason):
    peak = max(float(np.abs(a).max(initial=0.0)) for a in arrays.values())
    if peak < 1e-12:
        raise ValueError(
            f"The gradients are zero everywhere: {reason}. "
            f"Received: {len(arrays)} weights, largest gradient {peak:g}."
        )
    return arrays
