"""`PipelineEngine`: plain `fit` and `evaluate` over a pipeline of batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tflottery.core import measurements
from tflottery.distribution import batches
from tflottery.lottery.engines.engine import EVALUATION_BATCH, Engine


class PipelineEngine(Engine):
    """Lets Keras do all of it: any model, any data, any strategy.

    Args:
        model: Compiled and built.
        data: A `tflottery.data.Dataset`.
        batch_size: Examples in a step, on all replicas together.
        steps: Most steps in one stretch.
        replicas: Copies of the model that train together. Defaults to 1.
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        *,
        batch_size: int,
        steps: int,
        replicas: int = 1,
    ):
        super().__init__(model, data, batch_size=batch_size, steps=steps)
        found = evaluation_batches(data, replicas)
        self._evaluated = dict(zip(("validation", "test"), found, strict=True))
        # Keras makes the metrics' variables on first use; were that the first
        # training step, it would be traced and compiled twice.
        self.evaluate("validation")

    def train(self, *, first_step, order_seed, steps, times, watch):
        """See `Engine.train`."""
        stream = self.data.train_batches(
            self.batch_size, seed=order_seed, first_step=first_step
        )
        if steps < self.steps:
            stream = stream.take(steps)
        fit(self.model, batches.divided(stream), steps, times, [watch])

    def evaluate(self, part):
        """See `Engine.evaluate`."""
        found = self.model.evaluate(
            self._evaluated[part], verbose=0, return_dict=True
        )
        return measurements.as_numbers(found)


def fit(
    model: Any,
    stream: Any,
    steps: int,
    epochs: int = 1,
    callbacks: Sequence[Any] = (),
) -> None:
    """Calls `fit`, which shuffles and prints nothing.

    Args:
        model: The model.
        stream: What it is trained on.
        steps: Steps of an epoch.
        epochs: How many epochs. Defaults to 1.
        callbacks: What is told. Defaults to nothing.
    """
    model.fit(
        stream,
        steps_per_epoch=steps,
        epochs=epochs,
        shuffle=False,  # the stream has its order
        verbose=0,
        callbacks=[*callbacks],
    )


def evaluation_batches(data: Any, replicas: int) -> list[Any]:
    """Returns validation and test data, in batches for so many replicas.

    Raises:
        ValueError: there are none, or too few of them.
    """
    found = []
    for name, make, examples in (
        ("validation", data.validation_batches, data.validation_size),
        ("test", data.test_batches, data.test_size),
    ):
        size = EVALUATION_BATCH
        if examples:  # else the data set itself says what is wrong
            size = batches.evaluation_batch_size(examples, replicas, size, name)
        found.append(batches.divided(make(size)))
    return found
