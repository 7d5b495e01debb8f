"""Arguments of a search: each looked at before anything is built or loaded."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

from tflottery.core import checks
from tflottery.data import Dataset
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.progress import Progress


def check_kinds(
    build: Any, data: Any, config: Any, progress: Any, checkpoint_seconds: Any
) -> None:
    """Refuses what cannot be meant by the arguments of `find_ticket`.

    Raises:
        TypeError: an argument is of the wrong kind; the message says what to
            pass.
        ValueError: `checkpoint_seconds` is below 0 or not a number.
    """
    for name, value in (("build", build), ("data", data)):
        if isinstance(value, SearchConfig):
            raise TypeError(
                f"`{name}` comes before `config`. Received: a `SearchConfig` "
                f"as `{name}`. Pass it by its name: config=..."
            )
    if config is not None:
        checks.check_instance(
            "config",
            config,
            SearchConfig,
            what="Use `tflottery.SearchConfig(steps=..., rounds=...)`.",
        )
    if build is not None:
        _check_build(build)
    if data is not None:
        checks.check_instance(
            "data",
            data,
            Dataset,
            what="Of arrays make one with `tflottery.data.InMemoryDataset`: "
            "train=(x, y), test=(x, y), num_classes=...",
        )
    if progress is not None:
        checks.check_instance("progress", progress, Progress)
    seconds = checks.check_finite(
        "checkpoint_seconds", checkpoint_seconds, what="Use 30.0."
    )
    if seconds < 0:
        raise ValueError(
            "`checkpoint_seconds` must be at least 0. Received: "
            f"checkpoint_seconds={checkpoint_seconds}. Use 30.0."
        )


def chosen(replicates: Sequence[int] | None, count: int) -> list[int]:
    """Returns the numbers of the replicates to run, each checked.

    Args:
        replicates: as `find_ticket` takes it.
        count: how many the config has.
    """
    numbers = listed("replicates", replicates, range(count))
    for number in numbers:
        checks.check_non_negative_int("replicates", number)
        if number >= count:
            raise ValueError(
                "`replicates` must be numbers below the `replicates` of the "
                f"config, counted from 0. Received: {number}, of {count} "
                f"replicates. Use 0 to {count - 1}, or set more replicates "
                "in the config."
            )
    return list(dict.fromkeys(numbers))


def listed(name: str, given: Any, default: Iterable[Any]) -> list[Any]:
    """Returns what was asked for, as a list that is not empty."""
    if given is None:
        return list(default)
    if isinstance(given, (str, int)):
        raise TypeError(
            f"`{name}` must be a list. Received: {name}={given!r}. Use "
            f"{name}=[{given!r}]."
        )
    found = list(given)
    if not found:
        raise ValueError(
            f"`{name}` must not be empty. Received: {name}=[]. Leave it out "
            "to run what is usual."
        )
    return found


def name_of(build: Any) -> str | None:
    """Returns the name of a build function, by which a run knows it."""
    if build is None:
        return None
    return getattr(build, "__qualname__", type(build).__qualname__)


def _check_build(build):
    is_model = hasattr(build, "get_weights") and not isinstance(build, type)
    if is_model or not callable(build):
        kind = type(build).__name__
        raise TypeError(
            "`build` must be a function that returns a new model each time it "
            f"is called: each replicate begins with one. Received: a {kind}. "
            "Use `def build(): return ...` and pass `build`."
        )
    try:
        takes = inspect.signature(build).parameters
    except ValueError:  # what is not written in Python does not tell
        return
    needed = [
        parameter.name
        for parameter in takes.values()
        if parameter.default is parameter.empty
        and parameter.kind
        not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and parameter.name != "seed"
    ]
    if needed:
        raise TypeError(
            "`build` must need no argument but `seed`. Received: "
            f"{name_of(build)}, which needs {', '.join(needed)}. Use "
            f"`lambda: build({needed[0]}=...)`."
        )
