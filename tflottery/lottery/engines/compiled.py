"""`CompiledEngine`: `fit`, with all steps of a stretch in one program."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tflottery.data.delivery import delivered
from tflottery.lottery.engines import programs
from tflottery.lottery.engines.aside import Aside, beside
from tflottery.lottery.engines.engine import EVALUATION_BATCH, Engine
from tflottery.lottery.engines.pipeline import fit


class CompiledEngine(Engine):
    """Hands `fit` the row numbers of a stretch instead of its batches.

    Args:
        model: Compiled and built, with no `programs.obstacle`; its
            `train_function` becomes one that takes row numbers.
        data: An `InMemoryDataset`.
        batch_size: Examples in a step.
        steps: Most steps in one stretch.
    """

    def __init__(self, model: Any, data: Any, *, batch_size: int, steps: int):
        super().__init__(model, data, batch_size=batch_size, steps=steps)
        self._evaluations: dict[str, tuple[Any, Any]] = {}
        self._asides: dict[str, Aside | None] = {}
        part = data.resident("train").on_device()
        programs.make_metrics(model, part)
        program = programs.training(model, part, batch_size)

        @tf.function(reduce_retracing=True, autograph=False)
        def train_function(iterator):
            rows = iterator.get_next()
            return program(padded(rows, steps, batch_size), tf.shape(rows)[0])

        model.train_function = train_function

    def train(self, *, first_step, order_seed, steps, times, watch):
        """See `Engine.train`."""
        rows = stretches(self, first_step, order_seed, steps)
        fit(self.model, rows, steps, times, watch)

    def evaluate(self, part):
        """See `Engine.evaluate`."""
        return programs.numbers(self._evaluation(part)[0]())

    def begin_evaluation(self, part):
        """See `Engine.begin_evaluation`."""
        program, held = self._evaluation(part)
        if part not in self._asides:
            constants = [held.inputs, held.labels]
            self._asides[part] = beside(program, self.model, constants)
        aside = self._asides[part]
        if aside is None:
            return super().begin_evaluation(part)
        return aside.begin()

    def _evaluation(self, part):
        """Returns a program and the data it measures on."""
        if part not in self._evaluations:
            held = self.data.resident(part).in_order().on_device()
            program = programs.evaluation(self.model, held, EVALUATION_BATCH)
            self._evaluations[part] = program.get_concrete_function(), held
        return self._evaluations[part]


def stretches(
    engine: Engine, first_step: int, order_seed: int, steps: int
) -> tf.data.Dataset:
    """Returns the row numbers (steps, batch size) of one stretch at a time.

    Args:
        engine: Whose data and batch size they are for.
        first_step: Place in the stream of batches to begin at.
        order_seed: Seed of the order of the data.
        steps: Steps in a stretch; fewer than the engine's most mean that
            there is but one.
    """
    rows = engine.data.train_rows(engine.batch_size, order_seed, first_step)
    if steps < engine.steps:
        rows = rows.take(steps)
    return delivered(rows.batch(steps, drop_remainder=True))


def padded(rows: Any, steps: int, batch_size: int) -> Any:
    """Gives the rows of a stretch the shape of the longest.

    With one shape there is one program for stretches of every length.

    Args:
        rows: Int32 tensor (at most `steps`, batch size).
        steps: Most steps in a stretch.
        batch_size: Examples in a step.
    """
    rows = tf.pad(rows, [[0, steps - tf.shape(rows)[0]], [0, 0]])
    return tf.ensure_shape(rows, (steps, batch_size))
