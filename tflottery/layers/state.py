"""The state of training, as arrays by name: everything a step reads or writes.

Weights, biases, BatchNorm statistics, seed-generator states, optimizer slots,
`iterations`, loss scale. Masks are not part of it: a rewind goes back in
training, not in pruning. Scores that masks are trained by are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.core import garbage
from tflottery.layers import evidence, paths, replicas, slots

OPTIMIZER = "optimizer/"
REPLICAS = "replicas/"
WEIGHTS = "weights/"
_RATES = ("rate", "dropout", "recurrent_dropout", "stddev")


def is_seed(name: str) -> bool:
    """Tells whether a name is that of a random generator's state.

    Its shape and type differ between the two families, so a state that goes
    from one to the other leaves it out.

    Args:
        name: as `variables` gives it, or a path.

    Example:
        >>> is_seed("weights/dropout/seed_generator_state")
        True
        >>> is_seed("weights/dense/kernel")
        False
    """
    last = name.rsplit("/", 1)[-1]
    return re.fullmatch(rf"{paths.SEED_STATE}(_\d+)?", last) is not None


def variables(model: Any, prefix: str = "") -> dict[str, Any]:
    """Returns `{name: variable}` of a model's training state.

    Args:
        model: a built model of either Keras family, compiled or not.
        prefix: only the names that start with it; the optimizer is left
            alone, built or not, if none of its names does.

    Returns:
        `weights/<path>` for what the model holds and, if it is compiled,
        `optimizer/<number or name>` for what its optimizer holds, which is
        built if it was not. A variable that each replica of a strategy
        changes by itself (BatchNorm's statistics) is named once, as their
        mean in tf_keras and the first of them in Keras 3, and
        `replicas/<number>/<path>` for each. With several workers, reading
        these is one exchange, which all workers must join.
    """
    held = {**paths.variables(model), **_of_trained_masks(model)}
    found = {WEIGHTS + path: variable for path, variable in held.items()}
    for path, copies in replicas.own_copies(held).items():
        found[WEIGHTS + path] = replicas.summary(held[path], copies)
        for number, copy in enumerate(copies):
            found[f"{REPLICAS}{number}/{path}"] = copy
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and _may_start_with(OPTIMIZER, prefix):
        slots.build(optimizer, model.trainable_variables)
        for name, variable in slots.variables(optimizer).items():
            found[OPTIMIZER + name] = variable
    return {k: v for k, v in found.items() if k.startswith(prefix)}


def read(model: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Returns a copy of a model's training state.

    Args:
        model: as `variables` takes it.
        prefix: only the names that start with it (`WEIGHTS`, `OPTIMIZER`).
    """
    return {
        name: np.array(variable.numpy())
        for name, variable in variables(model, prefix).items()
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
            has been written then. Values of single replicas may be missing
            or in excess: the number of replicas may change.
    """
    places = variables(model, prefix)
    chosen = {k: v for k, v in values.items() if k.startswith(prefix)}
    for name in places.keys() ^ chosen.keys():
        if name.startswith(REPLICAS):
            places.pop(name, None)
            chosen.pop(name, None)
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
    if any(name.startswith(OPTIMIZER) for name in places):
        slots.resume(model.optimizer, _is_eager(model))


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
    fresh = slots.fresh_variables(optimizer, weights)
    size = 0
    for name, variable in slots.variables(optimizer).items():
        value = fresh[name].numpy()
        variable.assign(value)
        size += value.nbytes
    del fresh
    garbage.collect(size)
    set_iterations(model, iterations)


def iterations(model: Any) -> int:
    """Returns how many optimizer updates a compiled model has had."""
    return int(model.optimizer.iterations.numpy())


def set_iterations(model: Any, count: int) -> None:
    """Sets the step counters of a model's optimizer, wrapped ones too."""
    slots.build(model.optimizer, model.trainable_variables)
    slots.set_iterations(model.optimizer, count, _is_eager(model))


def unsaved_randomness(model: Any) -> list[str]:
    """Names the layers whose random numbers no state can bring back.

    Unless told otherwise (`enable_tf_random_generator`), the random layers of
    tf_keras draw from operations that hide their state.

    Args:
        model: a model or layer of either Keras family.

    Returns:
        Names of layers that draw at a rate above zero; always none in
        Keras 3.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.layers.Dropout(0.5)])
        >>> unsaved_randomness(model)
        []
    """
    found = []
    waiting = [model]
    seen: set[int] = set()
    while waiting:
        layer = paths.unwrapped(waiting.pop(0))
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        waiting = [*paths.children(layer), *waiting]
        generator = getattr(layer, "_random_generator", None)
        if getattr(generator, "_rng_type", None) == "legacy_stateful":
            rates = [getattr(layer, rate, None) for rate in _RATES]
            if any(rates) or all(rate is None for rate in rates):
                found.append(layer.name)
    return found


def _of_trained_masks(model):
    """Returns `{path: variable}` of scores and the like."""
    return {
        f"{path}/{name}": variable
        for path, wrapper, relative in evidence.masked_weights(model)
        for name, variable in wrapper.mask_state(relative).items()
    }


def _is_eager(model: Any) -> bool:
    return bool(getattr(model, "run_eagerly", False))


def _may_start_with(part: str, prefix: str) -> bool:
    return part.startswith(prefix) or prefix.startswith(part)
