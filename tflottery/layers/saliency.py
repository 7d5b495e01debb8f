"""Saliency: the evidence that criteria ask for, gradients included.

Criteria are NumPy and know no network. What SNIP, GraSP and SynFlow need of
the network is computed here, on the masked network as it stands, without
touching a single stored weight.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tflottery.core import checks
from tflottery.layers import evidence, family, flow, placement, replicas
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
        found["flow_gradients"] = flow.gradients(model, _targets(model), data)
    if "hessian_gradients" in criterion.requires:
        found["hessian_gradients"] = _gradients(model, data, loss, True)
    if "gradients" in criterion.requires:
        found["gradients"] = _gradients(model, data, loss, False)
    return Evidence(**found)


def needs_data(settings: PruningSettings) -> bool:
    """Tells whether a batch of data is needed to prune by these settings."""
    requires = criteria.get(settings.criterion).requires
    return not {"gradients", "hessian_gradients"}.isdisjoint(requires)


def try_out(
    model: Any,
    settings: PruningSettings,
    argument: str,
    data: Any,
    initial: Mapping[str, np.ndarray],
) -> None:
    """Ranks a model's weights by gradients and forgets it.

    Args:
        model: wrapped model, before it is trained.
        settings: of its pruning.
        argument: what the data were given as, for the message.
        data: one batch `(x, y)`.
        initial: `{path: array}` of the initial weights.

    Raises:
        ValueError: the gradients that the settings need cannot be had with
            these data. Nothing, if they need none.
    """
    criterion = criteria.get(settings.criterion)
    if data is None and needs_data(settings):
        raise ValueError(
            f"`{argument}` must be a batch (x, y): the criterion "
            f"{settings.criterion!r} needs gradients. Received: "
            f"{argument}=None. Pass it to `IterativePruning`."
        )
    if not any("gradients" in name for name in criterion.requires):
        return
    try:
        gather(model, criterion, initial=initial, data=data)
    except Exception as error:
        raise ValueError(
            f"`{argument}` must be a batch (x, y) that the model and its loss "
            f"can take: the criterion {settings.criterion!r} needs gradients. "
            f"Received: {checks.described(data)}. {type(error).__name__}: "
            f"{error}"
        ) from error


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
    if loss is None and not is_compiled(model):
        raise ValueError(
            "`loss` must be given for a model that is not compiled: the "
            "criterion needs gradients. Received: loss=None."
        )
    x, y = (keras.tree.map_structure(tf.convert_to_tensor, d) for d in data)
    targets = _targets(model)
    values = [_source(variable) for variable in targets.values()]

    def differentiate():
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                scalar = _loss(model, x, y, loss)
            first = inner.gradient(scalar, values)
            pairs = zip(first, values, strict=True)
            first = [flow.dense(g, v) for g, v in pairs]
            product = tf.add_n(
                [tf.reduce_sum(g * tf.stop_gradient(g)) for g in first]
            )
        found = outer.gradient(product, values) if hessian else first
        return [flow.dense(g, v) for g, v in zip(found, values, strict=True)]

    with _metrics_kept(model):
        if hasattr(loss, "reduction"):  # tf_keras wants it outside of replicas
            result = differentiate()
        else:
            result = placement.on_one_replica(model, differentiate)
    arrays = {
        path: gradient.numpy()
        for path, gradient in zip(targets, result, strict=True)
    }
    return _checked(arrays, "the loss does not depend on the weights")


def _loss(model, x, y, loss):
    """Returns the loss of a batch, a scalar; the given one or the compiled."""
    output = model(x, training=False)
    if loss is not None:
        return tf.reduce_mean(
            family.of(model).keras.losses.get(loss)(y, output)
        )
    if family.family_of(model) == "keras":
        return model.compute_loss(x=x, y=y, y_pred=output, training=False)
    return model.compute_loss(x=x, y=y, y_pred=output)


@contextlib.contextmanager
def _metrics_kept(model):
    """Undoes that tf_keras counts a loss that was asked for as trained."""
    if family.family_of(model) == "keras":
        yield
        return
    known = {id(v) for metric in model.metrics for v in metric.variables}
    before = [
        (copy, copy.numpy())
        for metric in model.metrics
        for variable in metric.variables
        for copy in replicas.copies_here(variable)
    ]
    yield
    for copy, value in before:
        copy.assign(value)
    for metric in model.metrics:
        if any(id(variable) not in known for variable in metric.variables):
            metric.reset_state()  # made just now


def is_compiled(model: Any) -> bool:
    """Tells whether a model of either family is compiled."""
    # tf_keras has no public word for it.
    return getattr(model, "compiled", getattr(model, "_is_compiled", False))


def _source(variable):
    """Returns what the tape knows a variable's value by."""
    # A `tf.Variable`, of tf_keras, is that itself.
    return variable if callable(variable.value) else variable.value


def _checked(arrays, reason):
    peak = max(float(np.abs(a).max(initial=0.0)) for a in arrays.values())
    if peak < 1e-12:
        raise ValueError(
            f"The gradients are zero everywhere: {reason}. "
            f"Received: {len(arrays)} weights, largest gradient {peak:g}."
        )
    return arrays
