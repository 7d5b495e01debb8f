"""`PruningSettings`: how a wrapped model is to be pruned, as plain values.

Every wrapper of a model carries the settings it was made with, so that a
saved model, a nested model or a list of layers knows them without a registry.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tflottery.core import checks
from tflottery.core.step import Step
from tflottery.layers import prunable
from tflottery.pruning import (
    allocation,
    criteria,
    gradual_names,
    structures,
)

DEFAULT_FRACTION = "default"


@dataclasses.dataclass(frozen=True)
class PruningSettings:
    """What `tflottery.prune_iteratively` was asked to do.

    Args:
        prune_fraction: share of the survivors removed in one round, in
            [0, 1); a float, or `{name or regex: float}` over layer names and
            weight paths (first match wins; what matches nothing is left
            dense unless the key `"default"` gives a fraction for it).
        scope: `"global"`, `"layerwise"` or `"erk"`.
        criterion: name or config of a `tflottery.pruning` criterion.
        structure: config of a structure, or `None` for single weights.
        rewind_to: a `Step` as text, `"0it"`, `"500it"`, `"2ep"`, `"2%"`.
        skip: names or regexes of layers left dense.
        schedule: config of a gradual schedule
            (`tflottery.pruning.gradual`), or `None` for rounds. With one,
            depthwise kernels are left dense, as TF-MOT leaves them.

    Example:
        >>> settings = PruningSettings.create(
        ...     prune_fraction={"head": 0.1, "default": 0.2})
        >>> [settings.fraction_of(name) for name in ("head/kernel", "a/kernel")]
        [0.1, 0.2]
    """

    prune_fraction: float | dict[str, float] = 0.2
    scope: str = "global"
    criterion: Any = "magnitude"
    structure: Any = None
    rewind_to: str = "0it"
    skip: tuple[str, ...] = ()
    schedule: Any = None

    @classmethod
    def create(
        cls,
        prune_fraction=0.2,
        scope="global",
        criterion="magnitude",
        structure=None,
        rewind_to="0it",
        skip=(),
        schedule=None,
    ) -> PruningSettings:
        """Checks what a user wrote and returns it in its stored form."""
        what = (
            "It is the share of surviving weights removed each round; use 0.2 "
            "to remove a fifth."
        )
        if isinstance(prune_fraction, Mapping):
            prune_fraction = {
                str(name): checks.check_fraction(
                    f"prune_fraction[{name!r}]", value, what=what
                )
                for name, value in prune_fraction.items()
            }
            for name in prune_fraction:
                _check_regex("prune_fraction", name)
        else:
            prune_fraction = checks.check_fraction(
                "prune_fraction", prune_fraction, what=what
            )
        checks.check_choice("scope", scope, allocation.names())
        criterion = criteria.serialize(criteria.get(criterion))
        if structure is not None:
            structure = structures.serialize(structures.get(structure))
        if isinstance(skip, str):
            skip = (skip,)
        for name in skip:
            _check_regex("skip", name)
        return cls(
            prune_fraction=prune_fraction,
            scope=scope,
            criterion=criterion,
            structure=structure,
            rewind_to=str(Step.parse(rewind_to)),
            skip=tuple(skip),
            schedule=None
            if schedule is None
            else gradual_names.serialize(gradual_names.get(schedule)),
        )

    def fraction_of(self, *names: str) -> float:
        """Returns the prune fraction of a weight known by these names.

        Args:
            *names: the weight's path and whatever else it is called by.

        Returns:
            Fraction in [0, 1); 0.0 for a weight that is left dense.
        """
        if not isinstance(self.prune_fraction, Mapping):
            return self.prune_fraction
        for pattern, fraction in self.prune_fraction.items():
            if pattern != DEFAULT_FRACTION and matches([pattern], names):
                return fraction
        return self.prune_fraction.get(DEFAULT_FRACTION, 0.0)

    def covers(self, weight: Any, layer: Any) -> bool:
        """Tells whether a `PrunableWeight` of a layer is to be masked."""
        if self.schedule is not None and weight.is_depthwise:
            return False
        path = f"{layer.name}/{weight.path}"
        return not matches(self.skip, (path, *weight.names))

    @property
    def why_dense(self) -> str:
        """Says why a layer with prunable weights has none to be masked."""
        if self.schedule is not None:
            return (
                "is left dense: by a policy, or as a depthwise kernel, which "
                "TF-MOT's pruning does not touch"
            )
        return "is left dense by `skip`"

    def get_config(self) -> dict[str, Any]:
        """Returns the settings as plain JSON values."""
        return {**dataclasses.asdict(self), "skip": list(self.skip)}

    def wrapper_class(self, of: Any) -> type:
        """Returns the class of the wrappers that carry such settings.

        Args:
            of: the `Family` of the model.
        """
        return of.wrapper_class

    def finish(self, wrapped: Any) -> None:
        """Does what needs all wrappers of a model at once; nothing here."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PruningSettings:
        """Makes settings from `get_config`, of the class that wrote it."""
        values = {**config, "skip": tuple(config.get("skip", ()))}
        kind = values.pop("kind", None)
        return (cls if kind is None else _kinds[kind])(**values)


_kinds: dict[str, type[PruningSettings]] = {}


def register_kind(cls: type[PruningSettings]) -> type[PruningSettings]:
    """Makes a subclass known to `from_config`, by its name.

    Its `get_config` has that name under `"kind"`.
    """
    _kinds[cls.__name__] = cls
    return cls


def wrapper_class_for(settings: PruningSettings | None, of: Any) -> type:
    """Returns the class of the wrappers to be made in a family."""
    return of.wrapper_class if settings is None else settings.wrapper_class(of)


def prunes_frozen(settings: PruningSettings | None) -> bool:
    """Whether weights of layers that are not trainable are pruned too.

    By a schedule they are, as in TF-MOT; a search is for what trains.
    """
    return settings is not None and settings.schedule is not None


def paths_to_mask(layer: Any, settings: PruningSettings | None) -> list[str]:
    """Returns the paths of the weights of a built layer that get a mask."""
    return [
        weight.path
        for weight in prunable.prunable_weights(layer, prunes_frozen(settings))
        if settings is None or settings.covers(weight, layer)
    ]


def matches(patterns: Sequence[str], names: Sequence[str]) -> bool:
    """Tells whether a pattern is, or as a regex fully matches, one name.

    A pattern also stands for everything below the layer it names.

    Example:
        >>> matches(["head"], ["head/kernel"]), matches(["he.*l"], ["shell"])
        (True, False)
    """
    return any(
        name == pattern
        or name.startswith(pattern + "/")
        or re.fullmatch(pattern, name)
        for pattern in patterns
        for name in names
    )


def split_skip(
    skip: str | Sequence[str] | Callable[[Any], bool],
) -> tuple[tuple[str, ...], Callable[[Any], bool] | None]:
    """Splits `skip` into patterns and a predicate over layers.

    Returns:
        `(patterns, predicate)`; one of them is empty.

    Raises:
        TypeError: `skip` is neither.
    """
    if callable(skip) and not isinstance(skip, type):
        return (), skip
    if isinstance(skip, str):
        return (skip,), None
    if isinstance(skip, Sequence) and all(isinstance(s, str) for s in skip):
        return tuple(skip), None
    raise TypeError(
        "`skip` must be a layer name, a regex, a list of them or a function of "
        f"a layer. Received: skip={skip!r}. Use skip=('head',) to leave the "
        "layer `head` dense, or `lambda layer: isinstance(layer, Embedding)` "
        "for a class."
    )


def missing_callback(wrapper: Any) -> str:
    """Says that a schedule is not followed, and what to do."""
    return (
        f"`{wrapper.name}` is wrapped with a pruning schedule, and nothing "
        "follows it in this training. Pass "
        "`tflottery.callbacks.UpdatePruningStep()` to `model.fit(..., "
        "callbacks=[...])`. In a training loop of your own, call "
        "`tflottery.update_pruning_step(model)` before each batch."
    )


def _check_regex(argument: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"`{argument}` holds a name that is not a valid regular "
            f"expression. Received: {pattern!r} ({error}). Escape special "
            "characters with a backslash."
        ) from error
