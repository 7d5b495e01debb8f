"""`Evaluations`: programs that measure a model on parts of its data."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tflottery.data.memory import InMemoryDataset
from tflottery.data.resident import Resident
from tflottery.lottery.engines import loops, programs


class Evaluations:
    """Traces and compiles evaluations, as few as can be.

    Test data of twice as many examples as there are for validation are two
    times the same to a compiled program, only with other examples.

    Args:
        model: Compiled model, whose metrics have their variables.
        data: What it is measured on.
        batch_size: Examples in a step; the last may have fewer.
    """

    def __init__(self, model: Any, data: InMemoryDataset, batch_size: int):
        self._model = model
        self._data = data
        self._batch_size = batch_size
        self._steps: Any = None

    def trace(self, name: str) -> tuple[Any, Resident]:
        """Returns the program that measures the model on a part of the data.

        Args:
            name: "validation" or "test".

        Returns:
            Concrete `tf.function` without arguments that returns the metrics
            by name; and the examples that it holds.
        """
        # In order, as a slice is cheaper than a gathering each time.
        part = self._data.resident(name).in_order().on_device()
        count = self._at_once(part)
        if self._steps is None:
            self._steps = self._taking_steps(part)

        @tf.function(autograph=False)
        def program():
            programs.reset_metrics(self._model)
            held = part.inputs, part.labels
            if count == part.size:
                self._steps(*held)
            else:
                loops.repeat(
                    lambda number: self._steps(*_rows(held, number, count)),
                    part.size // count,
                )
            # Never by XLA, whose division rounds in another way.
            return self._model.get_metrics_result()

        return program.get_concrete_function(), part

    def _at_once(self, part):
        """Returns how many examples are handed to a compiled program."""
        count = self._data.validation_size
        if not count or count % self._batch_size or part.size % count:
            return part.size  # else there would be other batches
        return count

    def _taking_steps(self, part):
        """Returns a function that takes test steps over some examples."""

        @tf.function(
            jit_compile=programs.jit_compile(self._model), autograph=False
        )
        def step(x, y):
            self._model.test_step((part.scaled(x), y))

        def in_turn(x, y):
            whole, rest = divmod(y.shape[0], self._batch_size)
            if whole:
                loops.repeat(
                    lambda number: step(
                        *_rows((x, y), number, self._batch_size)
                    ),
                    whole,
                )
            if rest:
                step(x[-rest:], y[-rest:])

        rows = min(self._batch_size, part.size)
        one = step.get_concrete_function(
            *(
                tf.TensorSpec([rows, *array.shape[1:]], array.dtype)
                for array in (part.inputs, part.labels)
            )
        )
        return loops.compiled(in_turn, one, part.inputs.device)


def _rows(arrays, number, count):
    """Returns rows of each array: the first is `number * count`."""
    return [
        tf.slice(
            array,
            [number * count, *[0] * (len(array.shape) - 1)],
            [count, *array.shape[1:]],
        )
        for array in arrays
    ]
