"""The state of training, as arrays by name: everything a step reads or writes.

Weights, biases, BatchNorm statistics, seed-generator states, optimizer slots,
`iterations`, loss scale. Masks are not part of it: a rewind goes back in
training, not in pruning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.layers import paths, slots

OPTIMIZER = "optimizer/"
WEIGHTS = "weights/"


def variables(model: Any) -> dict[str, Any]:
    """Returns `{name: variable}` of a model's training state.

    Args:
        model: a built model of either Keras family, compiled or not.

    Returns:
        `weights/<path>` for what the model holds and, if it is compiled,
        `optimizer/<number>` for what its optimizer holds, which is built if
        it was not.
    """
    found = {
        WEIGHTS + path: variable
        for path, variable in paths.variables(model).items()
    }
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        slots.build(optimizer, model.trainable_variables)
        for number, variable in enumerate(_of_optimizer(optimizer)):
            found[f"{OPTIMIZER}{number}"] = variable
    return found


def read(model: Any) -> dict[str, np.ndarray]:
    """Returns a copy of a model's training state."""
    return {
        name: np.array(variable.numpy())
        for name, variable in variables(model).items()
    }


def write(
    model: Any, values: Mapping[str, np.ndarray], prefix: str = ""
) -> None:
    """Puts a training state back.

    Args:
        model: the model `values` were read from, or one built alike.
        values: `{name: array}` as `read` returns it.
        prefix: only the names that start with it (`WEIGHTS`, `OPTIMIZER`).

    Raises:
        ValueError: a name is missing, in excess, or a shape differs; nothing
            has been written then.
    """
    places = {
        name: variable
        for name, variable in variables(model).items()
        if name.startswith(prefix)
    }
    chosen = {k: v for k, v in values.items() if k.startswith(prefix)}
    missing = sorted(places.keys() - chosen.keys())
    excess = sorted(chosen.keys() - places.keys())
    if missing or excess:
        raise ValueError(
            "The saved state does not fit the model. Received: "
            f"missing={missing[:5]}, excess={excess[:5]} (the first five of "
            f"each). Build the model and its optimizer as they were."
        )
    for name, variable in places.items():
        if tuple(variable.shape) != tuple(np.shape(chosen[name])):
            raise ValueError(
                f"The saved state of `{name}` has shape "
                f"{tuple(np.shape(chosen[name]))}; the model's has "
                f"{tuple(variable.shape)}. Was it saved from another model?"
            )
    for name, variable in places.items():
        variable.assign(chosen[name])


def renew_optimizer(model: Any, iterations: int) -> None:
    """Gives the optimizer the state of a new one, at a step count.

    Args:
        model: compiled model.
        iterations: what the step counter, and so the learning-rate schedule,
            is set to.
    """
    optimizer = model.optimizer
    weights = model.trainable_variables
    slots.build(optimizer, weights)
    values = slots.fresh_values(optimizer, weights)
    for variable, value in zip(_of_optimizer(optimizer), values, strict=True):
        variable.assign(value)
    set_iterations(model, iterations)


def iterations(model: Any) -> int:
    """Returns how many optimizer updates a compiled model has had."""
    return int(model.optimizer.iterations.numpy())


def set_iterations(model: Any, count: int) -> None:
    """Sets the step counters of a model's optimizer, wrapped ones too."""
    optimizer = model.optimizer
    batches = count * slots.batches_per_update(optimizer)
    for level in slots.inner_optimizers(optimizer):
        if getattr(level, "inner_optimizer", None) is None:
            # What Keras stores is a count of batches; with gradient
            # accumulation `iterations` is computed from it.
            level._iterations.assign(batches)


def _of_optimizer(optimizer: Any) -> list[Any]:
    variables = optimizer.variables
    return list(variables() if callable(variables) else variables)
