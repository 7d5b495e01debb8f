"""`Engine`: what runs the steps of a round and the evaluations between them."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from tflottery.layers import state

EVALUATION_BATCH = 1000


class Watch(Protocol):
    """What is told how training goes on; a callback of `fit` too."""

    problem: str | None

    def set_model(self, model: Any) -> None:
        """Hears which model is trained."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Hears the metrics at the end of a stretch of steps."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Metrics of the model at one step, which may still be computed.

    Args:
        metrics: Waits for them and returns them.
        weights: Returns the weights at that step, as `state.read` does. If the
            evaluation goes on, until the next one begins; else until the model
            is trained on.
        goes_on: Whether it is worth while to do something else first.
    """

    metrics: Callable[[], dict[str, float]]
    weights: Callable[[], dict[str, np.ndarray]]
    goes_on: bool


class Engine(abc.ABC):
    """Runs a model's steps.

    Args:
        model: Compiled and built.
        data: A `tflottery.data.Dataset`.
        batch_size: Examples in a step, on all replicas together.
        steps: Most steps in one stretch.
    """

    def __init__(self, model: Any, data: Any, *, batch_size: int, steps: int):
        self.model = model
        self.data = data
        self.batch_size = batch_size
        self.steps = steps

    @abc.abstractmethod
    def train(
        self,
        *,
        first_step: int,
        order_seed: int,
        steps: int,
        times: int,
        watch: Watch,
    ) -> None:
        """Takes stretches of steps, one after the other.

        Args:
            first_step: Place in the stream of batches to begin at.
            order_seed: Seed of the order of the data.
            steps: Steps in a stretch; fewer than the most mean that there is
                but one.
            times: How many stretches.
            watch: Is told of the end of each; training ends early where it
                sets `problem`.
        """

    @abc.abstractmethod
    def evaluate(self, part: str) -> dict[str, float]:
        """Returns the metrics on `"validation"` or `"test"` data."""

    def begin_evaluation(self, part: str) -> Evaluation:
        """Begins to measure the model as it is now, and may return at once.

        Args:
            part: `"validation"` or `"test"`.
        """
        found = self.evaluate(part)
        return Evaluation(
            lambda: found,
            lambda: state.read(self.model, state.WEIGHTS),
            goes_on=False,
        )
