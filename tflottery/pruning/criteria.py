"""All criteria in one place, and their names.

Users choose a criterion by name or by class; this is the module they look in.
The classes stand in `magnitudes`, `sensitivities` and `chance`.
"""

from __future__ import annotations

from typing import Any

from tflottery.pruning.chance import RandomCriterion
from tflottery.pruning.criterion import (
    Criterion,
    Evidence,
    criterion_registry,
)
from tflottery.pruning.magnitudes import (
    LargeInit,
    LargeInitLargeFinal,
    Magnitude,
    MagnitudeIncrease,
    Movement,
    SmallFinal,
    SmallInit,
    SmallInitSmallFinal,
)
from tflottery.pruning.sensitivities import Grasp, Snip, SynFlow

__all__ = [
    "Criterion",
    "Evidence",
    "Grasp",
    "LargeInit",
    "LargeInitLargeFinal",
    "Magnitude",
    "MagnitudeIncrease",
    "Movement",
    "RandomCriterion",
    "SmallFinal",
    "SmallInit",
    "SmallInitSmallFinal",
    "Snip",
    "SynFlow",
    "get",
    "names",
    "register",
    "serialize",
]


def register(cls: type[Criterion]) -> type[Criterion]:
    """Makes a criterion of your own known by its `name`; a decorator.

    Args:
        cls: A subclass of `Criterion`.

    Returns:
        The class itself.

    Raises:
        ValueError: If the name is taken.
    """
    return criterion_registry.register(cls)


def names() -> tuple[str, ...]:
    """Returns the valid names, aliases included.

    Example:
        >>> "magnitude" in names(), "large_final" in names()
        (True, True)
    """
    return criterion_registry.names()


def get(identifier: Any) -> Criterion:
    """Returns a criterion from a name, a config or a criterion.

    Args:
        identifier: One of `names()`, what `serialize` returned, or an instance.

    Returns:
        A `Criterion`.

    Raises:
        TypeError: If `identifier` is none of these.
        ValueError: If the name is unknown, or needs arguments.

    Example:
        >>> get("large_final"), get({"name": "random", "config": {"seed": 7}})
        (Magnitude(), RandomCriterion(seed=7))
    """
    return criterion_registry.get(identifier)


def serialize(criterion: Criterion) -> str | dict[str, Any]:
    """Returns plain JSON values from which `get` makes an equal criterion.

    Args:
        criterion: An instance of a registered class.

    Returns:
        A name, or `{"name": name, "config": arguments}`.

    Example:
        >>> serialize(Magnitude()), serialize(RandomCriterion(seed=7))
        ('magnitude', {'name': 'random', 'config': {'seed': 7}})
    """
    return criterion_registry.serialize(criterion)
