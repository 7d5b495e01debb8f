"""Schedules over steps turned into configs and back, users' own included.

A pruned model is saved with its schedule, which may be TF-MOT's, ours, or of a
class that a user wrote for either. A config names the class and where it was
defined; loading finds it there, makes sure that it is a schedule, and says what
to import where it is not found. No code is imported on a file's behalf.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tflottery.pruning import gradual
from tflottery.pruning.gradual_schedule import (
    PruningSchedule,
    known_classes,
    plain,
    remember,
)

_OURS = {
    cls.__name__: cls
    for cls in (gradual.ConstantSparsity, gradual.PolynomialDecay)
}
# In files our two have the public module, wherever their code may move.
_HOME = "tflottery"
_TFMOT = "tensorflow_model_optimization"
_PASS = (
    "Pass a schedule such as ConstantSparsity(0.5, begin_step=0), an instance "
    "of your own subclass of PruningSchedule, or what `serialize` returned."
)


def get(identifier: Any) -> Callable:
    """Returns a schedule from a schedule of any origin, or from a config.

    Args:
        identifier: An instance of a `PruningSchedule`; TF-MOT's
            `ConstantSparsity` or `PolynomialDecay`; another object that is
            called with a step and has a `get_config`, such as an instance of a
            user's subclass of TF-MOT's class; or what `serialize` returned.

    Returns:
        For a config or one of TF-MOT's two, a new schedule of ours; the object
        itself otherwise.

    Raises:
        TypeError: If `identifier` is none of these.
        ValueError: If a config does not fit, or its class is not found.

    Example:
        >>> get({
        ...     "class_name": "ConstantSparsity",
        ...     "config": {"target_sparsity": 0.5, "begin_step": 0},
        ... })
        ConstantSparsity(target_sparsity=0.5, begin_step=0, end_step=-1,
                         frequency=100)
    """
    if isinstance(identifier, PruningSchedule):
        return identifier
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    cls = type(identifier)
    if not _makes_schedules(cls):
        raise TypeError(
            "`pruning_schedule` must be an object that is called with a step "
            f"and has a `get_config`. Received: pruning_schedule="
            f"{identifier!r} of type {cls.__name__}. {_PASS}"
        )
    if _root(cls.__module__) == _TFMOT and cls.__name__ in _OURS:
        return _OURS[cls.__name__].from_config(_arguments(identifier))
    remember(cls)
    return identifier


def serialize(schedule: Any) -> dict[str, Any]:
    """Returns plain JSON values from which `deserialize` makes a schedule.

    Args:
        schedule: What `get` takes.

    Returns:
        `{"class_name": qualified name, "module": where it was defined,
        "config": arguments}`.

    Raises:
        TypeError: If it is not a schedule, or its `get_config` returns
            something else than plain values.

    Example:
        >>> config = serialize(gradual.ConstantSparsity(0.5, begin_step=0))
        >>> config["module"], config["class_name"]
        ('tflottery', 'ConstantSparsity')
        >>> config["config"]["target_sparsity"]
        0.5
    """
    schedule = get(schedule)
    cls = type(schedule)
    is_ours = cls in _OURS.values()
    return {
        "class_name": cls.__qualname__,
        "module": _HOME if is_ours else cls.__module__,
        "config": _arguments(schedule),
    }


def deserialize(config: Mapping[str, Any]) -> Callable:
    """Returns a schedule from what `serialize` returned.

    The class is looked for among those that were defined or used so far, then
    in the modules that are imported; none is imported for it.

    Args:
        config: A mapping with the keys "class_name", "module" and "config".
            The module may be left out, or be TF-MOT's, for `ConstantSparsity`
            and `PolynomialDecay`: so TF-MOT's `get_config` gives it.

    Returns:
        A new schedule.

    Raises:
        TypeError: If `config` is not a mapping, or what it names does not make
            schedules.
        ValueError: If `config` does not fit, or the class is not found.

    Example:
        >>> schedule = gradual.PolynomialDecay(0.0, 0.8, 0, 1000)
        >>> deserialize(serialize(schedule)) == schedule
        True
    """
    if not isinstance(config, Mapping):
        raise TypeError(
            "`config` must be a mapping. Received: config="
            f"{config!r} of type {type(config).__name__}. {_PASS}"
        )
    keys = set(config)
    fits = keys - {"module"} == {"class_name", "config"}
    module = config.get("module")
    if not (
        fits
        and isinstance(config["class_name"], str)
        and isinstance(module, (str, type(None)))
        and isinstance(config["config"], Mapping)
    ):
        raise ValueError(
            "`config` must have the keys 'class_name' and 'module', each for a "
            "string, and 'config', for a mapping. Received: config="
            f"{dict(config)!r}. Pass what `serialize` returned."
        )
    cls = _find(config["class_name"], module)
    make = getattr(cls, "from_config", None)
    arguments = dict(config["config"])
    schedule = make(arguments) if callable(make) else cls(**arguments)
    if not _makes_schedules(type(schedule)):
        raise TypeError(
            f"`from_config` of {cls.__name__} must return a schedule. "
            f"Received: {schedule!r} of type {type(schedule).__name__}. "
            "Return an instance of the class."
        )
    return schedule


def _root(module: str) -> str:
    return module.partition(".")[0]


def _makes_schedules(cls: Any) -> bool:
    """Returns whether instances of a class are called and have a config."""
    if not isinstance(cls, type):
        return False
    return all(
        any(callable(vars(base).get(name)) for base in cls.__mro__)
        for name in ("__call__", "get_config")
    )


def _find(class_name: str, module: str | None) -> type:
    if class_name in _OURS:
        if module is None or _root(module) in (_HOME, _TFMOT):
            return _OURS[class_name]
    found = known_classes.get((module, class_name))
    if found is None:
        found = sys.modules.get(module)
        for part in class_name.split("."):
            # Static, since a module's own `__getattr__` may import more.
            found = inspect.getattr_static(found, part, None)
    if found is None:
        raise ValueError(
            "`config` names a class of schedules that is not found. Received: "
            f"class_name={class_name!r}, module={module!r}. Import the module "
            "that defines it before loading."
        )
    if not _makes_schedules(found):
        raise TypeError(
            "`config` must name a class with `__call__` and `get_config`. "
            f"Received: class_name={class_name!r}, module={module!r}, which "
            f"is {found!r}. Was the class renamed since it was saved?"
        )
    return found


def _arguments(schedule: Any) -> dict[str, Any]:
    """Returns the constructor's arguments as plain JSON values."""
    config = schedule.get_config()
    # TF-MOT's classes put them one level down; so do those made in their image.
    if isinstance(config, Mapping) and set(config) == {"class_name", "config"}:
        config = config["config"]
    try:
        if not isinstance(config, Mapping):
            raise TypeError(f"it is of type {type(config).__name__}")
        return json.loads(json.dumps(dict(config), default=_plain))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"`get_config` of {type(schedule).__name__} must return the "
            f"constructor's arguments as plain JSON values. Received: "
            f"{config!r}; {error}. Return numbers, strings, lists and dicts."
        ) from error


def _plain(value: Any) -> Any:
    number = plain(value)
    if number is value:
        raise TypeError(f"{value!r} is of type {type(value).__name__}")
    return number
