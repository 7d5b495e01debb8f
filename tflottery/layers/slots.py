"""Slots: which optimizer variables belong to which weight.

Pruned entries must leave the optimizer's memory too: momentum left behind
would move a weight that gets no gradient. Keras keeps slots in lists with one
place per trainable variable, so they are matched by place, not by name. What
differs in tf_keras is in `legacy_slots`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tflottery.layers import legacy_slots, replicas


def inner_optimizers(optimizer: Any) -> list[Any]:
    """Returns an optimizer and all that it wraps, outermost first.

    Loss scaling wraps one optimizer, `MultiOptimizer` several.
    """
    found = [optimizer]
    inner = getattr(optimizer, "inner_optimizer", None)
    several = [inner] if inner is not None else []
    several += list(getattr(optimizer, "_inner_optimizers", None) or ())
    for below in several:
        found += inner_optimizers(below)
    return found


def batches_per_update(optimizer: Any) -> int:
    """Returns how many batches an optimizer accumulates before it updates.

    Example:
        >>> import keras
        >>> batches_per_update(keras.optimizers.SGD())
        1
    """
    while getattr(optimizer, "inner_optimizer", None) is not None:
        optimizer = optimizer.inner_optimizer
    return int(getattr(optimizer, "gradient_accumulation_steps", None) or 1)


def build(optimizer: Any, trainable_variables: list[Any]) -> None:
    """Creates the slots of an optimizer that has not run yet."""
    with replicas.scope_of(trainable_variables):
        if legacy_slots.is_tf_keras(optimizer):
            innermost = inner_optimizers(optimizer)[-1]
            legacy_slots.build(innermost, trainable_variables)
        elif not optimizer.built:
            optimizer.build(trainable_variables)


def variables(optimizer: Any) -> dict[str, Any]:
    """Returns `{name: variable}` of all that an optimizer remembers.

    Args:
        optimizer: a built optimizer of either family.

    Returns:
        By number, in the order of `optimizer.variables`; what tf_keras keeps
        outside of that list follows, by name (`learning_rate`).

    Example:
        >>> import keras
        >>> sgd = keras.optimizers.SGD()
        >>> sgd.build([])
        >>> list(variables(sgd))
        ['0', '1']
    """
    if not legacy_slots.is_tf_keras(optimizer):
        return _by_number(optimizer.variables)
    found = _by_number(optimizer.variables())
    for name, variable in legacy_slots.more_variables(
        inner_optimizers(optimizer)
    ):
        count, key = 0, name
        while key in found:
            count += 1
            key = f"{name}_{count}"
        found[key] = variable
    return found


def fresh_variables(
    optimizer: Any, trainable_variables: list[Any]
) -> dict[str, Any]:
    """Returns what a newly made optimizer holds for these weights.

    Args:
        optimizer: the optimizer in use; it is not changed.
        trainable_variables: the weights, at the values training starts from.

    Returns:
        `{name: variable}` by the names of `variables`.
    """
    with replicas.scope_of(trainable_variables):
        if legacy_slots.is_tf_keras(optimizer):
            twin = legacy_slots.twin_of(optimizer)
        else:
            twin = type(optimizer).from_config(optimizer.get_config())
        build(twin, trainable_variables)
    return variables(twin)


def set_iterations(optimizer: Any, count: int, eagerly: bool = False) -> None:
    """Sets the step counters of an optimizer and of what it wraps.

    Args:
        optimizer: a built optimizer of either family.
        count: optimizer updates.
        eagerly: whether the model is run eagerly.
    """
    batches = count * batches_per_update(optimizer)
    for level in inner_optimizers(optimizer):
        if getattr(level, "inner_optimizer", None) is not None:
            continue
        if legacy_slots.is_tf_keras(level):
            legacy_slots.set_iterations(level, count)
        else:
            # What Keras stores is a count of batches; with gradient
            # accumulation `iterations` is computed from it.
            level._iterations.assign(batches)
    resume(optimizer, eagerly)


def resume(optimizer: Any, eagerly: bool) -> None:
    """Follows new values of the variables in what is not a variable.

    Args:
        optimizer: a built optimizer whose variables have been written.
        eagerly: whether the model is run eagerly.
    """
    if legacy_slots.is_tf_keras(optimizer):
        legacy_slots.resume(inner_optimizers(optimizer)[-1], eagerly)


def slots_of(optimizer: Any, variable: Any) -> list[tuple[Any, float]]:
    """Finds the slots that have an entry for each entry of a weight.

    Args:
        optimizer: an optimizer of either family, built or not.
        variable: a trainable weight.

    Returns:
        `[(slot variable, its value for an entry that was never trained)]`;
        that value is zero but for accumulators with a given start (Adagrad,
        Ftrl), which a zero would make divide by zero.
    """
    if legacy_slots.is_tf_keras(optimizer):
        innermost = inner_optimizers(optimizer)[-1]
        return list(legacy_slots.slots_at(innermost, variable))
    found = []
    for level in inner_optimizers(optimizer):
        tracked = list(getattr(level, "_trainable_variables", None) or ())
        places = [i for i, v in enumerate(tracked) if v is variable]
        if not places:
            continue
        start = float(getattr(level, "initial_accumulator_value", 0.0) or 0.0)
        for name, values in vars(level).items():
            if name == "_trainable_variables" or not isinstance(values, list):
                continue
            if len(values) != len(tracked):
                continue
            slot = values[places[0]]
            if (
                hasattr(slot, "assign")
                and slot is not variable
                and tuple(slot.shape) == tuple(variable.shape)
            ):
                is_accumulator = name in ("_accumulators", "accumulators")
                found.append((slot, start if is_accumulator else 0.0))
    return found


def apply_masks(
    optimizer: Any, pruned: Iterable[tuple[Any, np.ndarray]]
) -> None:
    """Resets the slots of pruned entries, as if they had never been trained.

    Args:
        optimizer: of either family; nothing happens if it is not built.
        pruned: `(weight, bool mask)` pairs.
    """
    for level in inner_optimizers(optimizer):
        if getattr(level, "use_ema", False):
            _keep_average_masked(level)
    for variable, mask in pruned:
        if mask.all():
            continue
        for slot, start in slots_of(optimizer, variable):
            value = slot.numpy()
            slot.assign(np.where(mask, value, np.asarray(start, value.dtype)))


def _keep_average_masked(optimizer: Any) -> None:
    """Has `fit` project the averages it ends with, as it does every update.

    Keras writes the moving averages over the weights at the end of `fit`
    without applying constraints. Averages over an optimizer that mixes
    entries are not zero where the mask is.
    """
    finalize = type(optimizer).finalize_variable_values

    def finalize_variable_values(var_list):
        finalize(optimizer, var_list)
        for variable in var_list:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))

    optimizer.finalize_variable_values = finalize_variable_values


def _by_number(variables: Iterable[Any]) -> dict[str, Any]:
    return {str(number): v for number, v in enumerate(variables)}
