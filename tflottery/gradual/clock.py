"""`PruningClock`: who tells a model's schedules what step it is.

The clock is told of each batch, by a callback or by a loop of the user's own,
and has the masks updated that are due.
"""

from __future__ import annotations

import weakref
from typing import Any

from tflottery.gradual import scheduled
from tflottery.gradual.scheduled import stored_step
from tflottery.layers import slots


class PruningClock:
    """Follows the schedules of a model's wrappers, batch after batch.

    Args:
        model: wrapped model, layer or list.

    Attributes:
        step: batches trained so far; -1 before the first `start`.
    """

    def __init__(self, model: Any):
        # Not held: the clock must not keep a model from being collected.
        self._model = _reference(model)
        self.wrappers = scheduled.scheduled_wrappers(model)
        self.step = -1
        self._checked = 0
        self._next = 0
        self._announced = False
        # Batches that were announced and are not counted yet, and whether
        # their ends are announced too.
        self._open = 0
        self._hears_ends = False

    def start(self, restart: bool = False) -> None:
        """Takes the step up where it was left, or begins anew.

        Args:
            restart: begin the schedules anew at step 0; masks are kept.
        """
        self.wrappers = scheduled.scheduled_wrappers(self._model())
        sources = [w.step_source for w in self.wrappers if w.step_source]
        for clock in {source.__self__ for source in sources}:
            clock.hand_over()
        known = [stored_step(w) for w in self.wrappers]
        self.step = 0 if restart else max(known, default=0)
        self.step = max(self.step, 0)
        self._open = 0
        for wrapper in self.wrappers:
            wrapper.step_source = self.current_step
        self.store()
        self._make_up_for(self.step)

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
        self._announced = True
        return self._update(self.step + 1)

    def takes_part(self) -> bool:
        """Tells, once, whether the batch that is trained was announced.

        A `fit` that was interrupted leaves a clock behind that nobody tells
        of batches any more. Loops of the user's own are not held to one
        call of the train function for each batch.
        """
        announced, self._announced = self._announced, False
        return announced or not self._hears_ends

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

    def _next_update(self):
        """Returns the first step to come that may have an update, or `None`."""
        steps = [scheduled.next_update(w, self._checked) for w in self.wrappers]
        return min((s for s in steps if s is not None), default=None)

    def _make_up_for(self, step):
        """Makes what was missed: steps may be counted that nobody followed.

        What was not missed is made again, which changes nothing.
        """
        self._mask(
            [
                (w, scheduled.first_to_check(w, step), step)
                for w in self.wrappers
            ]
        )
        self._checked = step
        self._next = self._next_update()

    def _update(self, until: int) -> int:
        if not all(wrapper.built for wrapper in self.wrappers):
            return 0  # the first batch builds them; what is due waits for it
        if self._next is None or until < self._next:
            self._checked = max(self._checked, until)
            return 0
        count = self._mask([(w, self._checked, until) for w in self.wrappers])
        self._checked = max(self._checked, until)
        self._next = self._next_update()
        return count

    def _mask(self, due):
        changed = [
            scheduled.update(wrapper, after, until)
            for wrapper, after, until in due
            if wrapper.built
        ]
        pairs = [pair for found in changed for pair in found]
        optimizer = getattr(self._model(), "optimizer", None)
        if pairs and optimizer is not None:
            slots.apply_masks(optimizer, pairs)
        return sum(bool(found) for found in changed)


def _reference(model):
    if isinstance(model, (list, tuple)):
        return lambda: model
    return weakref.ref(model)


def allow_training(model: Any) -> None:
    """Has a model that refused to train without its schedule train again.

    Args:
        model: wrapped model; the error had left its train function half made.
    """
    for wrapper in scheduled.scheduled_wrappers(model):
        if wrapper.refused_training:
            wrapper.refused_training = False
            if hasattr(model, "train_function"):
                model.train_function = None


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
        RuntimeError: called inside a `tf.function`.

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
    can_be_held = not isinstance(model, (list, tuple))
    clock = _clocks.get(model) if can_be_held else None
    try:
        if clock is None or not clock.is_followed:  # by a `fit` in between
            clock = PruningClock(model)
            if not clock.wrappers:
                raise ValueError(not_scheduled(model))
            allow_training(model)
            clock.start()
            if can_be_held:
                _clocks[model] = clock
        return clock.begin_batch()
    except NotImplementedError as error:
        raise RuntimeError(
            "`update_pruning_step` must be called outside of a `tf.function`: "
            "masks are made between two steps. Received: a call while a graph "
            "is being traced. Call it before the compiled step."
        ) from error


def not_scheduled(model: Any) -> str:
    """Says that no layer of a model follows a schedule."""
    name = getattr(model, "name", type(model).__name__)
    return (
        "`model` must be wrapped with a pruning schedule. Received: "
        f"`{name}`, in which no layer has one. Wrap it with "
        "`tflottery.prune_low_magnitude(model, pruning_schedule=...)`."
    )
