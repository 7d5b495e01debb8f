"""Mask updates that a wrapper's schedule asks for.

The steps are TF-MOT's: the update of step t belongs to the t-th batch and is
made before its forward pass. It is made here, on the host, between two steps;
the training step itself is left alone. `clock` says when.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np

from tflottery.core.mask import Mask
from tflottery.layers import evidence
from tflottery.pruning import (
    criteria,
    gradual,
    gradual_names,
    structures,
)
from tflottery.pruning.criteria import Evidence
from tflottery.pruning.pruner import Pruner


def schedule_of(wrapper: Any) -> Any:
    """Returns the schedule that a wrapper follows; `None` without one."""
    settings = wrapper.settings
    if settings is None or settings.schedule is None:
        return None
    return _schedule(json.dumps(settings.schedule, sort_keys=True))


@functools.lru_cache(maxsize=256)
def _schedule(config: str) -> Any:
    return gradual_names.get(json.loads(config))


def scheduled_wrappers(model: Any) -> list[Any]:
    """Returns the mask wrappers of a model that follow a schedule."""
    return [w for w in evidence.wrappers(model) if schedule_of(w) is not None]


def update(wrapper: Any, after: int, until: int) -> list[tuple[Any, Any]]:
    """Makes the latest mask update that is due for one wrapper.

    Args:
        wrapper: a mask wrapper with a schedule, built.
        after: the step up to which updates have been made.
        until: the step that is about to be trained.

    Returns:
        `(weight, bool mask)` pairs that were set; none if nothing was due.
    """
    density = _density(wrapper, after, until)
    if density is None:
        return []
    settings = wrapper.settings
    places = wrapper.masked_weights
    pruner = Pruner(
        criterion=criteria.get(settings.criterion),
        structure=settings.structure and structures.get(settings.structure),
        scope="layerwise",
    )
    before = Mask({p: mask.numpy() for p, (_, mask) in places.items()})
    weights = {p: weight.numpy() for p, (weight, _) in places.items()}
    masks = pruner.prune(before, Evidence(weights=weights), density)
    found = []
    for path, (weight, _) in places.items():
        if not np.array_equal(masks[path], before[path]):
            wrapper.set_mask(path, masks[path])
            found.append((weight, masks[path]))
    return found


def next_update(wrapper: Any, after: int) -> int | None:
    """Returns the first step after one that may have an update; or `None`."""
    if _is_pattern(wrapper.settings.structure):
        return 1 if after < 1 else None
    return gradual.next_update(schedule_of(wrapper), after)


def first_to_check(wrapper: Any, step: int) -> int:
    """Returns the step from which to make up for updates that were missed.

    Args:
        wrapper: a mask wrapper with a schedule.
        step: steps trained so far.

    Returns:
        0 for TF-MOT's schedules, whose last update is found at once; of a
        user's own the last thousand steps are asked.
    """
    if gradual.is_arithmetic(schedule_of(wrapper)):
        return 0
    return max(0, step - 1000)


def _density(wrapper: Any, after: int, until: int) -> float | None:
    schedule = schedule_of(wrapper)
    if _is_pattern(wrapper.settings.structure):
        # As in TF-MOT: a pattern N of M is made once, at the first step, and
        # the schedule has no say. All goes that the pattern does not keep.
        return 0.0 if after < 1 <= until else None
    step = gradual.last_update(schedule, after, until)
    if step is None:
        return None
    return 1.0 - gradual.evaluate(schedule, step)[1]


def _is_pattern(structure: Any) -> bool:
    return structure is not None and (
        structures.get(structure).name == structures.NOfM.name
    )


def stored_step(wrapper: Any) -> int:
    """Returns the step that a wrapper's variable holds; -1 before any."""
    if not wrapper.built:
        return -1
    return int(wrapper.pruning_step.numpy())
