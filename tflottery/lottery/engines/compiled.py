"""`CompiledEngine`: `fit`, with all steps of a stretch in one program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.callbacks import counting
from tflottery.lottery.engines import programs
from tflottery.lottery.engines.aside import Aside, beside
from tflottery.lottery.engines.engine import EVALUATION_BATCH, Engine, Watch
from tflottery.lottery.engines.evaluations import Evaluations
from tflottery.lottery.engines.pipeline import fit


class CompiledEngine(Engine):
    """Has `fit` run a program for each stretch, as if it were one execution.

    Args:
        model: Compiled and built, with no `programs.obstacle`; its
            `train_function` becomes one that takes no notice of its data.
        data: An `InMemoryDataset`.
        batch_size: Examples in a step.
        steps: Most steps in one stretch.
    """

    def __init__(self, model: Any, data: Any, *, batch_size: int, steps: int):
        super().__init__(model, data, batch_size=batch_size, steps=steps)
        self._traces = Evaluations(model, data, EVALUATION_BATCH)
        self._evaluations: dict[str, tuple[Any, Any]] = {}
        self._asides: dict[str, Aside | None] = {}
        self._stretches: Iterator[np.ndarray] = iter(())
        self._watch: Watch | None = None
        self._error: Exception | None = None
        part = data.resident("train").on_device()
        programs.make_metrics(model, part)
        self._program = programs.training(
            model, part, batch_size
        ).get_concrete_function(*programs.arguments(steps, batch_size))
        model.train_function = self._run_stretch
        # `fit` asks for data. To make a pipeline of row numbers for each round
        # would take as long as many steps.
        self._nothing = tf.data.Dataset.from_tensors(0).repeat()

    def train(self, *, first_step, order_seed, steps, times, watch):
        """See `Engine.train`."""
        self._stretches = self.data.train_stretches(
            self.batch_size, order_seed, first_step, steps
        )
        self._watch, self._error = watch, None
        watch.set_model(self.model)
        if self.data.validation_size:
            self._aside("validation")  # may be compiled while the steps are
        # All in one epoch: for each of them Keras does a few milliseconds'
        # work, on metrics that the program returns anyhow.
        executions = times * counting.steps_per_execution(self.model)
        fit(self.model, self._nothing, executions)
        self._watch = None  # it holds the best weights
        if self._error is not None:
            raise self._error

    def _run_stretch(self, _):
        """Runs the program of a stretch, and tells the watch of its end."""
        metrics = self._program(
            *programs.padded(next(self._stretches), self.steps)
        )
        try:
            self._watch.on_epoch_end(0, metrics)
        except (StopIteration, tf.errors.OutOfRangeError) as error:
            # `fit` would take it for the end of the data.
            self._error = error
            self.model.stop_training = True
        return metrics

    def evaluate(self, part):
        """See `Engine.evaluate`."""
        return programs.numbers(self._evaluation(part)[0]())

    def begin_evaluation(self, part):
        """See `Engine.begin_evaluation`."""
        aside = self._aside(part)
        if aside is not None and aside.changes():
            aside = self._asides[part] = None
        if aside is None:
            return super().begin_evaluation(part)
        return aside.begin()

    def _aside(self, part):
        """Returns what runs an evaluation beside training, if it can be."""
        if part not in self._asides:
            program, held = self._evaluation(part)
            constants = [held.inputs, held.labels]
            self._asides[part] = beside(program, self.model, constants)
        return self._asides[part]

    def _evaluation(self, part):
        """Returns a program and the data it measures on."""
        if part not in self._evaluations:
            self._evaluations[part] = self._traces.trace(part)
        return self._evaluations[part]
