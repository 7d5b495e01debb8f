"""Gradual pruning: masks that follow a schedule while a model is trained.

The schedule's clock is TF-MOT's: the update of step t belongs to the t-th
batch and is made before its forward pass. It is made here, on the host,
between two steps; the training step itself is left alone.
"""

from __future__ import annotations

import functools
import json
import weakref
from typing import Any

import numpy as np

from tflottery.core.mask import Mask
from tflottery.layers import evidence, slots
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


class PruningClock:
    """Follows the schedules of a model's wrappers, batch after batch.

    Args:
        model: wrapped model, layer or list.

    Attributes:
        step: batches trained so far; -1 before the first `start`.
    """

    def __init__(self, model: Any):
        self._model = model
        self.wrappers = scheduled_wrappers(model)
        self.step = -1
        self._checked = 0
        # Batches that were announced and are not counted yet, and whether
        # their ends are announced too.
        self._open = 0
        self._hears_ends = False

    def start(self, restart: bool = False) -> None:
        """Takes the step up where it was left, or begins anew.

        Args:
            restart: begin the schedules anew at step 0; masks are kept.
        """
        self.wrappers = scheduled_wrappers(self._model)
        sources = [w.step_source for w in self.wrappers if w.step_source]
        for clock in {source.__self__ for source in sources}:
            clock.hand_over()
        known = [stored_step(w) for w in self.wrappers]
        self.step = 0 if restart else max(known, default=0)
        self.step = max(self.step, 0)
        self._checked = self.step
        self._open = 0
        for wrapper in self.wrappers:
            wrapper.step_source = self.current_step
        self.store()

    def current_step(self) -> int:
        """Returns the batches trained so far, an announced one included."""
        return self.step + self._open

    @property
    def is_followed(self) -> bool:
        """Whether this is the clock that the wrappers go by."""
        return all(w.step_source == self.current_step for w in self.wrappers)

    def begin_batch(self, count: int = 1) -> int:
        """Makes the updates that are due before the next batch.

        Args:
            count: batches that are trained before the next stop.

        Returns:
            Number of wrappers whose masks have changed.
        """
        self.settle()
        self._open = count
        return self._update(self.step + 1)

    def end_batch(self, count: int = 1) -> None:
        """Counts the batches of an execution."""
        self._count(count)
        self._hears_ends = True

    def settle(self) -> None:
        """Counts a batch whose end nobody announces.

        Where ends are announced, one that never ended was never trained: data
        of unknown size ran out.
        """
        self._count(0 if self._hears_ends else self._open)

    def hand_over(self) -> None:
        """Settles for a clock that takes the wrappers over."""
        if not self.was_reloaded:
            self.settle()

    @property
    def was_reloaded(self) -> bool:
        """Whether another step was read into the model from a file."""
        built = [w for w in self.wrappers if w.built]
        return bool(built) and stored_step(built[0]) != self.step

    def _count(self, batches):
        self._open = 0
        if batches:
            self.step += batches
            # One variable is kept up to date at each stop, all at the end.
            for wrapper in [w for w in self.wrappers if w.built][:1]:
                wrapper.pruning_step.assign(self.step)

    def catch_up(self) -> int:
        """Makes what is due after a training that was not announced.

        tf_keras wrappers count their steps themselves.

        Returns:
            Number of wrappers whose masks have changed.
        """
        counted = max((stored_step(w) for w in self.wrappers), default=0)
        self.step = max(self.step, counted)
        return self._update(self.step)

    def store(self) -> None:
        """Writes the step to the wrappers' variables, which are saved."""
        for wrapper in self.wrappers:
            if wrapper.built:
                wrapper.pruning_step.assign(self.step)

    def stop(self) -> None:
        """Ends the following; schedules go on with the next `start`."""
        self.settle()
        self.store()
        for wrapper in self.wrappers:
            wrapper.step_source = None

    @property
    def finished(self) -> bool:
        """Whether no schedule has an update to come."""
        return all(
            gradual.next_update(schedule_of(w), self._checked) is None
            or _is_pattern(w.settings.structure)
            for w in self.wrappers
        )

    def _update(self, until: int) -> int:
        changed = []
        for wrapper in self.wrappers:
            if wrapper.built:
                changed.append(update(wrapper, self._checked, until))
        self._checked = max(self._checked, until)
        pairs = [pair for found in changed for pair in found]
        optimizer = getattr(self._model, "optimizer", None)
        if pairs and optimizer is not None:
            slots.apply_masks(optimizer, pairs)
        return sum(bool(found) for found in changed)


def stored_step(wrapper: Any) -> int:
    """Returns the step that a wrapper's variable holds; -1 before any."""
    if not wrapper.built:
        return -1
    return int(wrapper.pruning_step.numpy())


_clocks: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def update_pruning_step(model: Any) -> int:
    """Announces a batch: makes the mask updates that its step asks for.

    For training loops of your own, with a model that was wrapped by
    `tflottery.prune_low_magnitude`. `tflottery.callbacks.UpdatePruningStep`
    does it inside `fit`. The slots of the optimizer that the model is compiled
    with are masked too; a loop whose optimizer stands by itself needs nothing
    more, since every update ends with the mask.

    Args:
        model: wrapped model, built. Call it before each batch.

    Returns:
        Number of layers whose mask has changed.

    Raises:
        ValueError: no layer of the model has a schedule.

    Example:
        >>> import keras, numpy as np, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
        >>> schedule = tflottery.ConstantSparsity(0.5, 1, frequency=1)
        >>> model = tflottery.prune_low_magnitude(model, schedule)
        >>> tflottery.update_pruning_step(model)
        1
        >>> tflottery.sparsity(model)
        0.5
    """
    clock = _clocks.get(model)
    if clock is None or not clock.is_followed:  # by a `fit` in between
        clock = PruningClock(model)
        if not clock.wrappers:
            raise ValueError(not_scheduled(model))
        clock.start()
        _clocks[model] = clock
    return clock.begin_batch()


def not_scheduled(model: Any) -> str:
    """Says that no layer of a model follows a schedule."""
    name = getattr(model, "name", type(model).__name__)
    return (
        "`model` must be wrapped with a pruning schedule. Received: "
        f"`{name}`, in which no layer has one. Wrap it with "
        "`tflottery.prune_low_magnitude(model, pruning_schedule=...)`."
    )
