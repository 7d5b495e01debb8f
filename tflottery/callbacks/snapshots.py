"""`SnapshotAt`: the whole training state, taken at an exact step of a `fit`."""

from __future__ import annotations

from typing import Any

from tflottery.callbacks import counting
from tflottery.callbacks.callback import Callback
from tflottery.core.step import Step
from tflottery.rewinding.snapshot import Snapshot


class SnapshotAt(Callback):
    """Takes a `Snapshot` when the optimizer reaches a step.

    Args:
        step: point of training counted from the first step of this `fit`:
            `0`, `"500it"`, `"2ep"`, or a share of the planned `fit`, `"2%"`.
        path: file to save the snapshot to; default: kept in memory only. Of
            several workers the chief writes it.

    Attributes:
        snapshot: the `Snapshot`, `None` until the step is reached.

    Raises:
        ValueError: on the begin of `fit`, before any training: the step lies
            inside an execution (`steps_per_execution`), or past the end.

    Example:
        >>> import keras, numpy as np, tflottery
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> at = tflottery.callbacks.SnapshotAt("3it")
        >>> x, y = np.ones((8, 2)), np.ones((8, 1))
        >>> history = model.fit(x, y, batch_size=1, verbose=0, callbacks=[at])
        >>> at.snapshot.step
        3
    """

    def __init__(self, step: Any, path: Any = None):
        super().__init__()
        self.step = Step.parse(step)
        self.path = path
        self.snapshot: Snapshot | None = None
        self._counter: counting.StepCounter | None = None
        self._target = 0

    def on_train_begin(self, logs=None):
        """Finds the step, checks it, and takes it at once if it is 0."""
        self.snapshot = None
        steps_per_epoch = counting.steps_per_epoch(
            self.model, self.params.get("steps")
        )
        total = None
        if steps_per_epoch:
            total = steps_per_epoch * self.params["epochs"]
        target = self.step.to_steps(
            steps_per_epoch=steps_per_epoch, total_steps=total
        )
        if total is not None and target > total:
            raise ValueError(
                "`step` must not be past the end of training. Received: "
                f"step={str(self.step)!r}, which is step {target} of {total}. "
                "Use an earlier step or train longer."
            )
        counting.check_stops_exactly(
            "step",
            target,
            steps_per_epoch,
            counting.updates_between_stops(self.model),
        )
        self._counter = counting.StepCounter(self.model)
        self._target = self._counter.at_most + target
        if target == 0:
            self._take()

    def on_epoch_begin(self, epoch, logs=None):
        """Follows the count of batches."""
        self._counter.epoch_began()

    def on_train_batch_end(self, batch, logs=None):
        """Takes the snapshot if the step is reached."""
        self._counter.batch_ended(batch)
        if self.snapshot is None and self._counter.reached(self._target):
            self._take()

    def _take(self):
        # All workers take it: some of it they have to tell each other.
        self.snapshot = Snapshot.take(self.model)
        if self.path is not None and self.workers.is_chief:
            self.snapshot.save(self.path)
