"""Putting a trained supermask on a model: what every kind of it does alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tflottery.core import checks
from tflottery.layers import evidence, prunable, wrapping
from tflottery.layers.settings import DEFAULT_FRACTION, PruningSettings, matches
from tflottery.supermasks import freezing


def wrap(
    model: Any,
    settings: PruningSettings,
    predicate: Callable[[Any], bool] | None,
    seed: int,
    density: float | Mapping[str, float] = 1.0,
) -> Any:
    """Wraps a model for a supermask and freezes all that is no score.

    All that can be wrong is looked for before anything is frozen.

    Raises:
        TypeError: not a Keras model, layer or list of layers, or a bad seed.
        ValueError: it is wrapped already, or not built, or has no kernels; or
            a density is for a name that no weight has.
    """
    checks.check_non_negative_int("seed", seed)
    if evidence.wrappers(model):
        raise ValueError(
            "`model` must be a plain model. Received: a model with masks. "
            "Call `tflottery.strip_pruning(model)` first."
        )
    evidence.check_built(model)
    items = model if isinstance(model, (list, tuple)) else [model]
    check_names(
        [w.names for item in items for w in prunable.prunable_weights(item)],
        density,
    )
    model = freezing.without_affine(model)
    wrapped = wrapping.wrap(model, settings, predicate, strict=True)
    freezing.freeze_the_rest(wrapped)
    return wrapped


def kernels(wrapped: Any) -> Iterator[tuple[str, Any, str, bool]]:
    """Yields `(path, wrapper, relative path, whether depthwise)`, in order."""
    for path, wrapper, relative in evidence.masked_weights(wrapped):
        depthwise = {
            weight.path: weight.is_depthwise
            for weight in prunable.prunable_weights(wrapper.layer, frozen=True)
        }
        yield path, wrapper, relative, depthwise.get(relative, False)


def names_of(path: str, wrapper: Any, relative: str) -> tuple[str, ...]:
    """Returns what a user may call a masked weight."""
    variable = vars(wrapper)["_masked"][relative][0]
    owner = path.rsplit("/", 1)[0]
    return (path, owner, wrapper.name, prunable.variable_path(variable))


def zero_biases(wrapped: Any) -> None:
    """Sets the biases of masked layers to zero, as where weights are drawn."""
    for wrapper in evidence.wrappers(wrapped):
        for path, variable in prunable.variables_of(wrapper.layer).items():
            if path.rsplit("/", 1)[-1].endswith("bias"):
                variable.assign(np.zeros_like(variable.numpy()))


def check_density(density: Any) -> float | dict[str, float]:
    """Returns a density, or one for each name, in (0, 1].

    Raises:
        TypeError: not a number, or not a mapping of them.
        ValueError: outside (0, 1].
    """
    if isinstance(density, Mapping):
        for name in density:
            _check_regex(str(name))
        return {
            str(name): _check_one(f"density[{name!r}]", value)
            for name, value in density.items()
        }
    return _check_one("density", density)


def density_of(
    density: float | Mapping[str, float], names: tuple[str, ...]
) -> float:
    """Returns the density of a weight known by these names; 1 if by none.

    Example:
        >>> density_of({"head": 0.5, "default": 0.1}, ("head/kernel", "head"))
        0.5
    """
    if not isinstance(density, Mapping):
        return density
    for pattern, value in density.items():
        if pattern != DEFAULT_FRACTION and matches([pattern], names):
            return value
    return density.get(DEFAULT_FRACTION, 1.0)


def check_names(
    known: Sequence[Sequence[str]], density: float | Mapping[str, float]
) -> None:
    """Refuses a density for a name that no weight has.

    Args:
        known: for each weight, what it may be called, its path first.
        density: one for all, or by name.

    Raises:
        ValueError: a name matches nothing.
    """
    if not isinstance(density, Mapping):
        return
    for pattern in density:
        if pattern != DEFAULT_FRACTION and not any(
            matches([pattern], names) for names in known
        ):
            checks.check_choice(
                "density",
                pattern,
                [names[0] for names in known],
                way_out="A name is that of a layer or a weight, or a regex "
                "that matches all of it.",
            )


def _check_regex(name):
    try:
        re.compile(name)
    except re.error as error:
        raise ValueError(
            "`density` must name layers or weights, by name or by a regular "
            f"expression. Received: {name!r} ({error}). Write a backslash "
            "before signs that mean themselves."
        ) from None


def _check_one(name, value):
    what = (
        "It is the share of the weights that the supermask keeps; use 0.5 for "
        "half of them."
    )
    value = checks.check_fraction(name, value, what=what, closed_right=True)
    if value == 0.0:
        raise ValueError(
            f"`{name}` must be more than 0. Received: {name}=0.0. {what}"
        )
    return value
