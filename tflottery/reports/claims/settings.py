"""Whether a search's settings are those that a paper's claims are about.

A claim speaks of one way to search: its policy, criterion, structure, scope,
optimizer, learning rate and warm-up. A search that goes another way neither
confirms nor refutes it. Everything else, such as the steps or the batch size,
is told as a difference beside the claims.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tflottery.core.step import Step

_EXACT = ("policy", "criterion", "structure", "scope", "optimizer")
_RATE, _WARMUP = 1.5, 1.5  # As factors.


def deviations(
    ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> dict[str, str]:
    """Returns the settings for which a paper's claims do not speak of a run.

    Args:
        ours: The run's settings; those that it lacks count as the paper's.
        theirs: The paper's, as of `SearchConfig.to_dict`.

    Returns:
        `{name: "theirs, not ours"}`; empty if the claims speak of it.

    Example:
        >>> paper = {"policy": "weight_rewinding", "learning_rate": 0.1}
        >>> deviations({"policy": "fine_tuning", "learning_rate": 0.08}, paper)
        {'policy': 'weight_rewinding, not fine_tuning'}
    """
    found = {
        name: f"{theirs[name]}, not {ours[name]}"
        for name in _EXACT
        if name in ours and ours[name] != theirs[name]
    }
    if "optimizer" not in found and "optimizer_options" in ours:
        momentum, wanted = _momentum(ours), _momentum(theirs)
        if momentum != wanted:
            found["momentum"] = f"{wanted:g}, not {momentum:g}"
    if rate_ratio(ours, theirs) > _RATE * (1 + 1e-9):
        found["learning_rate"] = (
            f"{theirs['learning_rate']:g}, not {ours['learning_rate']:g}"
        )
    if not _same_warmup(ours, theirs):
        found["warmup"] = f"{_warmup(theirs)}, not {_warmup(ours)}"
    return found


def rate_ratio(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> float:
    """Returns by what factor, at least 1, two learning rates differ."""
    rate = ours.get("learning_rate", theirs["learning_rate"])
    if not rate > 0:
        return math.inf
    ratio = rate / theirs["learning_rate"]
    return max(ratio, 1 / ratio)


def is_near_step(k: int | None, theirs: int) -> bool:
    """Says whether a rewinding step is within a factor 2 of a paper's.

    Example:
        >>> is_near_step(250, 500), is_near_step(29_000, 500)
        (True, False)
        >>> is_near_step(0, 0), is_near_step(1, 0), is_near_step(None, 0)
        (True, False, False)
    """
    return k is not None and theirs / 2 <= k <= 2 * theirs


def has_warmup(settings: Mapping[str, Any]) -> bool:
    """Says whether the learning rate is warmed up."""
    return _warmup(settings) != "none"


def _momentum(settings: Mapping[str, Any]) -> float:
    options = settings.get("optimizer_options") or {}
    return float(options.get("momentum", 0.0))


def _warmup(settings: Mapping[str, Any]) -> Any:
    return (settings.get("schedule_options") or {}).get("warmup") or "none"


def _warmup_steps(settings: Mapping[str, Any]) -> int | None:
    """Returns the warm-up in steps, `None` if the settings do not tell."""
    value = _warmup(settings)
    if value == "none":
        return 0
    try:
        return Step.parse(value).to_steps(total_steps=settings.get("steps"))
    except (TypeError, ValueError):
        return None


def _same_warmup(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Compares warm-ups, in steps or as shares of training."""
    if "schedule_options" not in ours:
        return True
    mine, wanted = _warmup_steps(ours), _warmup_steps(theirs)
    if not mine or not wanted:
        return mine == wanted
    ratio = mine / wanted
    scale = theirs["steps"] / (ours.get("steps") or theirs["steps"])
    return any(
        1 / _WARMUP <= value <= _WARMUP for value in (ratio, ratio * scale)
    )
