"""`UpdatePruningStep`: gradual pruning inside one `fit`."""

from __future__ import annotations

import logging
import math

from tflottery.callbacks.callback import Callback
from tflottery.gradual import clock as clocks
from tflottery.gradual import scheduled
from tflottery.layers.settings import missing_callback

_logger = logging.getLogger("tflottery")


class UpdatePruningStep(Callback):
    """Follows the schedules of `tflottery.prune_low_magnitude` in a `fit`.

    As in TF-MOT it must be passed to the `fit` of a model that is to be
    pruned, and forgetting it is an error. Masks are updated between two steps:
    the update of step t, counted in batches from 1, before the t-th batch.
    With `steps_per_execution` above 1, `fit` stops less often, and an update
    is made at the first stop after its step. The step is saved with the model,
    and the next `fit` goes on from it.

    In a training loop of your own call the hooks yourself, `set_model` and
    `on_train_begin` first, or use `tflottery.update_pruning_step`.

    Args:
        restart: begin the schedules anew, at step 0, with each `fit`. Default
            `False`: go on from the step of the last one, as TF-MOT does.

    Attributes:
        step: batches trained so far.

    Raises:
        RuntimeError: at the end of an epoch, no batch was announced by
            `on_train_batch_begin`.

    Example:
        >>> import keras, numpy as np, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
        >>> schedule = tflottery.ConstantSparsity(0.8, 1, frequency=1)
        >>> model = tflottery.prune_low_magnitude(model, schedule)
        >>> model.compile("sgd", "mse")
        >>> update = tflottery.callbacks.UpdatePruningStep()
        >>> history = model.fit(np.ones((8, 4)), np.ones((8, 5)), batch_size=2,
        ...                     verbose=0, callbacks=[update])
        >>> update.step, tflottery.sparsity(model)
        (4, 0.8)
    """

    def __init__(self, restart: bool = False):
        super().__init__()
        self.restart = restart
        self._clock: clocks.PruningClock | None = None
        self._last_batch = -1
        self._announced = self._is_under_way = False

    @property
    def step(self) -> int:
        """Batches trained so far; -1 before the first `fit`."""
        return -1 if self._clock is None else self._clock.step

    def set_model(self, model):
        """Takes the model; one that refused to train before can train now."""
        super().set_model(model)
        function = getattr(model, "train_function", None)
        if isinstance(function, _Asking):
            model.train_function = function.function
        clocks.allow_training(model)

    def on_train_begin(self, logs=None):
        """Takes the schedules up where they were left."""
        self._clock = clocks.PruningClock(self.model)
        self._clock.start(self.restart)
        if not self._clock.wrappers:
            _logger.warning(
                "`UpdatePruningStep` has nothing to do: %s",
                clocks.not_scheduled(self.model),
            )
        function = getattr(self.model, "train_function", None)
        if self._clock.wrappers and function is not None:
            self.model.train_function = _Asking(function, self._clock.wrappers)
        self._last_batch = -1
        self._announced = self._is_under_way = False

    def on_epoch_begin(self, epoch, logs=None):
        """Counts the epoch's batches from zero."""
        if not self._is_under_way and self._clock.was_reloaded:
            # By a callback such as BackupAndRestore, which comes after this.
            self._clock.start()
        self._is_under_way = True
        self._last_batch = -1
        self._announced = False

    def on_train_batch_begin(self, batch, logs=None):
        """Makes the mask updates of the next step."""
        self._announced = True
        self._clock.begin_batch(self._per_stop(batch))

    def on_train_batch_end(self, batch, logs=None):
        """Counts the batches that were trained."""
        batch = min(batch, self._planned_batches() - 1)
        self._clock.end_batch(int(max(batch - self._last_batch, 1)))
        self._last_batch = batch

    def _per_stop(self, batch):
        """Returns how many batches `fit` is about to train without a stop."""
        if not self.params:  # a loop of the user's own
            return 1
        left = self._planned_batches() - batch
        return int(max(min(self._per_execution, left), 1))

    def _planned_batches(self):
        # Keras 3 counts a last, shorter execution as if it were a full one.
        return (self.params or {}).get("steps") or math.inf

    def on_epoch_end(self, epoch=None, logs=None, batch=None):
        """Notes the step where it is saved.

        Args:
            epoch: not looked at.
            logs: not looked at.
            batch: not looked at; what TF-MOT calls the first argument.
        """
        clock = self._clock
        if not clock.wrappers or not clock.is_followed:
            return  # nothing to do, or another clock has taken over
        before = clock.step
        if not self._announced:
            clock.catch_up()
            if clock.step == before:
                raise RuntimeError(
                    "`UpdatePruningStep` was told of no batch in this epoch, "
                    "so nothing was pruned. Call its "
                    "`on_train_batch_begin(batch)` before each batch of your "
                    "training loop, or `tflottery.update_pruning_step(model)` "
                    "in place of it."
                )
        clock.settle()
        clock.store()

    def on_train_end(self, logs=None):
        """Leaves the schedules to the next `fit`."""
        self._clock.stop()


class _Asking:
    """A traced train function that asks whether the schedules are followed.

    What was traced with the callback would train without it all the same, in
    a later `fit`, or in one after a `fit` that was interrupted.
    """

    def __init__(self, function, wrappers):
        self.function = function
        self._wrappers = wrappers

    def __call__(self, *args, **kwargs):
        """Trains, if the batch was announced to whoever follows."""
        followed = {}
        for wrapper in self._wrappers:
            clock = getattr(wrapper.step_source, "__self__", None)
            followed.setdefault(id(clock), (clock, wrapper))
        for clock, wrapper in followed.values():
            if clock is None or not clock.takes_part():
                after = scheduled.stored_step(wrapper)
                if scheduled.next_update(wrapper, after) is not None:
                    raise RuntimeError(missing_callback(wrapper))
        return self.function(*args, **kwargs)
