"""One round of training: from a step to the end, validated all the way.

The steps are the model's own train step, over a stream of batches that is a
pure function of (seed, step); an engine runs them. A checkpoint holds all that
the rest of the round depends on, so a round that was stopped anywhere goes on
from its last checkpoint and ends with the same bits.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tflottery.callbacks.callback import Callback
from tflottery.distribution import batches
from tflottery.distribution.workers import Workers
from tflottery.layers import state
from tflottery.lottery import compiling
from tflottery.lottery.checkpoint import (
    CheckpointFile,
    RoundProgress,
    resume,
    save,
)
from tflottery.lottery.engines import programs
from tflottery.lottery.engines.compiled import CompiledEngine
from tflottery.lottery.engines.engine import Engine, Evaluation
from tflottery.lottery.engines.pipeline import PipelineEngine


class TrainingDivergedError(ArithmeticError):
    """The loss of a round is no longer a number."""


class RoundTrainer:
    """Trains one network for one round after another.

    The model, its compiled functions and the data sets are made once and
    serve every round and every replicate. All steps between two validations
    are one program where model and data allow it.

    Args:
        model: compiled, wrapped, built.
        data: a `tflottery.data.dataset.Dataset`.
        batch_size: examples per step, on all replicas together.
        steps: last step T of a round.
        validate_every: steps between two validations.
        checkpoint_seconds: least time between two checkpoints.
        workers: the processes that train together. Default: this one alone.
        make_engine: makes what runs the steps. Default: the fastest engine
            that can.
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        *,
        batch_size: int,
        steps: int,
        validate_every: int,
        checkpoint_seconds: float = 30.0,
        workers: Workers | None = None,
        make_engine: Callable[..., Engine] | None = None,
    ):
        self.model = model
        self.data = data
        self.batch_size = batch_size
        self.steps = steps
        self.validate_every = validate_every
        self.checkpoint_seconds = checkpoint_seconds
        self.workers = workers or Workers()
        batches.check_batch_size(batch_size, self.workers.replicas)
        if make_engine is None:
            make_engine = self._fastest()
        self.engine = make_engine(
            model, data, batch_size=batch_size, steps=validate_every
        )

    def _fastest(self):
        if programs.obstacle(self.model, self.data) is None:
            return CompiledEngine
        replicas = self.workers.replicas
        return functools.partial(PipelineEngine, replicas=replicas)

    def train(
        self,
        *,
        first_step: int,
        order_seed: int,
        checkpoint: CheckpointFile,
        stops: dict[int, Callable[[], None]] | None = None,
        last_step: int | None = None,
        validate: bool = True,
        on_validation: Callable[[dict[str, Any]], None] | None = None,
    ) -> RoundProgress:
        """Trains from `first_step` to the end, or goes on from a checkpoint.

        Args:
            first_step: place in the stream of batches to begin at; the model
                must stand there.
            order_seed: seed of the order of the data.
            checkpoint: place of the round's checkpoint.
            stops: `{step: function}`; called when the model stands at that
                step, if training gets there.
            last_step: where to end; default: `steps`.
            validate: whether to validate on the way.
            on_validation: called with each new row of the curve.

        Returns:
            The round's `RoundProgress`; the model stands at the last step.

        Raises:
            TrainingDivergedError: the loss is not a number.
        """
        last_step = self.steps if last_step is None else last_step
        progress = resume(checkpoint, self.model) or RoundProgress(first_step)
        stops = dict(stops or {})
        watch = _Watch(
            self, progress, checkpoint, last_step, validate, on_validation
        )
        if progress.step in stops:
            stops.pop(progress.step)()
        while progress.step < last_step:
            chunk, chunks = self._next_chunks(progress.step, last_step, stops)
            self._fit(progress.step, chunk, chunks, order_seed, watch)
            if progress.step in stops:
                stops.pop(progress.step)()
        watch.stop_clock()
        return progress

    def _next_chunks(self, step, last_step, stops):
        """Returns how long the next executions are, and how many of them."""
        every = self.validate_every
        ahead = sorted(s for s in [*stops, last_step] if s > step)
        until = ahead[0]
        if step % every == 0 and until - step >= every:
            return every, (until - step) // every
        border = (step // every + 1) * every
        return min(border, until) - step, 1

    def _fit(self, step, chunk, chunks, order_seed, watch):
        watch.chunk = chunk
        self.engine.train(
            first_step=step,
            order_seed=order_seed,
            steps=chunk,
            times=chunks,
            watch=watch,
        )
        watch.settle()
        if watch.problem is not None:
            raise TrainingDivergedError(watch.problem)

    def evaluate(self, which: str) -> dict[str, float]:
        """Returns the metrics on `"validation"` or `"test"` data."""
        return self.engine.evaluate(which)

    def evaluate_at_best(self, progress: RoundProgress) -> dict[str, float]:
        """Returns the test metrics of the weights of the best step."""
        present = {
            part: state.read(self.model, part)
            for part in (state.WEIGHTS, state.REPLICAS)
        }
        state.write(self.model, progress.best, state.WEIGHTS)
        try:
            return self.evaluate("test")
        finally:
            for part, values in present.items():
                state.write(self.model, values, part)


class _Watch(Callback):
    """Follows `fit`: validates, keeps the best weights, writes checkpoints."""

    def __init__(
        self, trainer, progress, checkpoint, last_step, validate, on_validation
    ):
        super().__init__()
        self.last_step = last_step
        self.trainer = trainer
        self.progress = progress
        self.checkpoint = checkpoint
        self.validate = validate
        self.on_validation = on_validation
        self.chunk = 0
        self.problem: str | None = None
        self._pending: tuple[dict[str, Any], Evaluation] | None = None
        self._clock = self._saved = time.perf_counter()

    def stop_clock(self):
        now = time.perf_counter()
        self.progress.seconds += now - self._clock
        self._clock = now

    def on_epoch_end(self, epoch, logs=None):
        self.settle()
        if self.problem is not None:
            return
        progress = self.progress
        progress.step += self.chunk
        loss = float((logs or {}).get("loss", 0.0))
        if not np.isfinite(loss):
            self._stop(loss)
            return
        if self.validate and progress.step % self.trainer.validate_every == 0:
            self._validate(loss)
        if (
            progress.step < self.last_step
            and self.problem is None
            and self.trainer.workers.from_chief(self._is_due)
        ):
            self._save()

    def _save(self):
        self.settle()
        if self.problem is None:
            self.stop_clock()
            save(self.checkpoint, self.model, self.progress)
            self._saved = time.perf_counter()

    def _is_due(self):
        passed = time.perf_counter() - self._saved
        return passed >= self.trainer.checkpoint_seconds

    def _validate(self, loss):
        row = {"step": self.progress.step, "train_loss": loss}
        evaluation = self.trainer.engine.begin_evaluation("validation")
        self._pending = row, evaluation
        if not evaluation.goes_on:
            self.settle()

    def settle(self):
        """Takes note of the last validation, which may still have gone on."""
        if self._pending is None:
            return
        (row, evaluation), self._pending = self._pending, None
        found = evaluation.metrics()
        row["validation_loss"] = compiling.loss_of(found)
        row["validation_accuracy"] = accuracy_of(found)
        if not np.isfinite(row["validation_loss"]):
            self._stop(row["validation_loss"])
            return
        if row["validation_loss"] < self.progress.best_loss:
            self.progress.best_step = row["step"]
            self.progress.best.clear()  # not to hold both of them
            self.progress.best.update(evaluation.weights())
        self.progress.curve.append(row)
        if self.on_validation is not None:
            self.on_validation(row)

    def _stop(self, loss):
        self.stop_training()
        self.problem = (
            f"Training stopped by step {self.progress.step}: the loss is "
            f"{loss}. Finished rounds are kept. Lower the learning rate, clip "
            "gradients or check the data, in a new run directory."
        )


def accuracy_of(metrics: dict[str, float]) -> float:
    """Returns the accuracy among metrics; NaN without one.

    Example:
        >>> accuracy_of({"loss": 0.1, "top_3_acc": 0.9, "accuracy": 0.8})
        0.8
    """
    return metrics.get("accuracy", math.nan)
