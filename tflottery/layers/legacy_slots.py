"""Optimizers of tf_keras: their variables and slots, by duck type.

tf_keras has two kinds of optimizers, and neither lists all that a step reads
in `optimizer.variables`: the learning rate, Nadam's running product and the
loss scale are missing. The new kind keeps slots in lists by place, as Keras 3
does; the kind under `optimizers.legacy` keeps them by weight (`get_slot`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

_NADAM_COUNTER = "_u_product_counter"


def is_tf_keras(optimizer: Any) -> bool:
    """Tells whether an optimizer is one of tf_keras, of either kind.

    Example:
        >>> import keras
        >>> is_tf_keras(keras.optimizers.SGD())
        False
    """
    return callable(getattr(optimizer, "variables", None))


def build(optimizer: Any, trainable_variables: list[Any]) -> None:
    """Creates the variables of an optimizer that has not run yet.

    Args:
        optimizer: the innermost one, not a loss scale around it.
        trainable_variables: the weights it trains.
    """
    if hasattr(optimizer, "_create_all_weights"):
        optimizer._create_all_weights(trainable_variables)
    elif not getattr(optimizer, "_built", False):
        optimizer.build(trainable_variables)


def twin_of(optimizer: Any) -> Any:
    """Returns a new optimizer, not built, of an optimizer's configuration."""
    config = dict(optimizer.get_config())
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        # As an object: a class of the user need not be registered.
        config["inner_optimizer"] = twin_of(inner)
    return type(optimizer).from_config(config)


def more_variables(levels: list[Any]) -> Iterator[tuple[str, Any]]:
    """Finds what a step reads or writes beyond `optimizer.variables`.

    Args:
        levels: a built optimizer and all that it wraps.

    Yields:
        `(name, variable)`, each once: the learning rate and other
        hyperparameters, the loss scale and its counter, variables that a
        class keeps for itself.
    """
    seen = {id(v) for level in levels for v in level.variables()}
    for level in levels:
        attributes = dict(vars(level))
        attributes |= attributes.pop("_hyper", {})
        scale = attributes.pop("_loss_scale", None)
        attributes |= {
            f"loss_scale_{name.strip('_')}": value
            for name, value in getattr(scale, "__dict__", {}).items()
        }
        for attribute, value in attributes.items():
            is_list = isinstance(value, (list, tuple))
            for place, item in enumerate(value if is_list else [value]):
                if _is_variable(item) and id(item) not in seen:
                    seen.add(id(item))
                    name = attribute.strip("_")
                    yield (f"{name}_{place}" if is_list else name), item


def slots_at(level: Any, variable: Any) -> Iterator[tuple[Any, float]]:
    """Finds the slots of a weight at one level, and what a new one holds.

    Args:
        level: an optimizer that wraps no other, built or not.
        variable: a trainable weight.

    Yields:
        `(slot, value of an entry that was never trained)`; slots that have
        no entry for each entry of the weight (Adafactor's) are left out.
    """
    if hasattr(level, "get_slot"):
        start = getattr(level, "_initial_accumulator_value", 0.0) or 0.0
        for name in level.get_slot_names():
            with contextlib.suppress(KeyError):
                slot = level.get_slot(variable, name)
                if _fits(slot, variable):
                    yield slot, float(start) if name == "accumulator" else 0.0
        return
    index = getattr(level, "_index_dict", None) or {}
    place = index.get(level._var_key(variable)) if index else None
    if place is None:
        return
    start = getattr(level, "initial_accumulator_value", 0.0) or 0.0
    for name, values in vars(level).items():
        if (
            name != "_variables"
            and isinstance(values, list)
            and len(values) == len(index)
            and _fits(values[place], variable)
        ):
            at_start = float(start) if name == "_accumulators" else 0.0
            yield values[place], at_start


def set_iterations(level: Any, count: int) -> None:
    """Sets the step counter, and the learning rate that follows from it."""
    level.iterations.assign(count)
    rate = vars(level).get("_current_learning_rate")
    if rate is not None:
        rate.assign(level._learning_rate(level.iterations))


def resume(level: Any, eagerly: bool) -> None:
    """Brings what is not in a variable in line with the step counter.

    The Nadam of tf_keras counts its steps in a Python number too. Run eagerly,
    it must be one ahead of `iterations`. In a graph it is a constant taken
    when the graph is made, of which a new optimizer's is 1; one that was not
    built before is traced twice and gets other constants, so that another
    process repeats its steps only if its state was read before it trained.

    Args:
        level: an optimizer that wraps no other.
        eagerly: whether the model is run eagerly.
    """
    if _NADAM_COUNTER in vars(level):
        count = int(level.iterations.numpy()) if eagerly else 0
        setattr(level, _NADAM_COUNTER, count + 1)


def _is_variable(item: Any) -> bool:
    return hasattr(item, "assign") and hasattr(item, "numpy")


def _fits(slot: Any, variable: Any) -> bool:
    return (
        _is_variable(slot)
        and slot is not variable
        and tuple(slot.shape) == tuple(variable.shape)
    )
