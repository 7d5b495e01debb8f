"""`JointEngine`: several networks trained by one program, each in its lane.

Their steps stand side by side in the program, so that a small network does not
leave the machine idle between its operations. Each network remains an ordinary
model with its own state; nothing is stacked, and every layer, optimizer and
metric works as ever.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.lottery.engines import programs
from tflottery.lottery.engines.compiled import padded, stretches
from tflottery.lottery.engines.engine import EVALUATION_BATCH, Engine


@dataclasses.dataclass(frozen=True)
class Training:
    """A lane asks for a stretch of training.

    Args:
        rows: Int array (steps, batch size).
    """

    rows: np.ndarray

    @property
    def kind(self) -> tuple[str, int]:
        """What must be alike to be done together."""
        return "training", len(self.rows)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A lane asks for an evaluation.

    Args:
        part: `"validation"` or `"test"`.
    """

    part: str

    @property
    def kind(self) -> tuple[str, str]:
        """What must be alike to be done together."""
        return "evaluation", self.part


@dataclasses.dataclass(frozen=True)
class Call:
    """A lane asks for something that must be done on the caller's thread.

    Args:
        function: What to call.
    """

    function: Callable[[], Any]


class JointEngine(Engine):
    """Asks its lane for all that it runs.

    Args:
        model: Compiled and built, with no `programs.obstacle`.
        data: An `InMemoryDataset`.
        batch_size: Examples in a step.
        steps: Most steps in one stretch.
        ask: Has the lane wait for a request and returns the answer.

    Raises:
        ValueError: The model cannot be trained by such a program.
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        *,
        batch_size: int,
        steps: int,
        ask: Callable[[Any], Any],
    ):
        super().__init__(model, data, batch_size=batch_size, steps=steps)
        self._ask = ask
        refuse(programs.obstacle(model, data))
        programs.make_metrics(model, data.resident("train"))

    def train(self, *, first_step, order_seed, steps, times, watch):
        """See `Engine.train`."""
        watch.set_model(self.model)
        rows = iter(stretches(self, first_step, order_seed, steps))
        for number in range(times):
            found = self._ask(Training(next(rows).numpy()))
            watch.on_epoch_end(number, found)
            if watch.problem is not None:
                break

    def evaluate(self, part):
        """See `Engine.evaluate`."""
        return self._ask(Evaluation(part))


def refuse(obstacle: str | None) -> None:
    """Raises an error if something stands in the way.

    Args:
        obstacle: What it is, in words; `None` if nothing does.

    Raises:
        ValueError: Something does.
    """
    if obstacle is not None:
        raise ValueError(
            "`vectorize` above 1 trains several networks by one program. "
            f"That cannot be done here: {obstacle}. Leave `vectorize` out."
        )


class JointWork:
    """Does what lanes ask for, what is alike together.

    Args:
        contexts: For each lane what has its `trainer.engine`, which is made
            when it is first needed.
    """

    def __init__(self, contexts: Sequence[Any]):
        self._contexts = contexts
        self._programs: dict[Any, Any] = {}

    def perform(self, requests: Mapping[int, Any]) -> dict[int, Any]:
        """Does the largest part of the requests that can be done at once.

        Args:
            requests: `{lane: request}` of all lanes that wait.

        Returns:
            `{lane: answer}` of those that were done.
        """
        calls = {
            lane: request
            for lane, request in requests.items()
            if isinstance(request, Call)
        }
        if calls:
            return {lane: call.function() for lane, call in calls.items()}
        alike = collections.defaultdict(dict)
        for lane, request in requests.items():
            alike[request.kind][lane] = request
        (name, _), chosen = max(alike.items(), key=lambda item: len(item[1]))
        found = getattr(self, f"_{name}")(chosen)
        return dict(zip(chosen, map(programs.numbers, found), strict=True))

    def _training(self, requests):
        first = self._engine(next(iter(requests)))
        every = [
            padded(request.rows, first.steps, first.batch_size)
            for request in requests.values()
        ]
        program = self._program(
            "train",
            requests,
            lambda models: programs.training(
                models, first.data.resident("train")
            ),
        )
        steps = len(next(iter(requests.values())).rows)
        return program(tf.stack(every), tf.constant(steps))

    def _evaluation(self, requests):
        lane, request = next(iter(requests.items()))
        part = self._engine(lane).data.resident(request.part)
        return self._program(
            request.part,
            requests,
            lambda models: programs.evaluation(models, part, EVALUATION_BATCH),
        )()

    def _engine(self, lane) -> JointEngine:
        return self._contexts[lane].trainer.engine

    def _program(self, what, lanes, make):
        key = (what, *lanes)
        if key not in self._programs:
            self._programs[key] = make(
                [self._engine(lane).model for lane in lanes]
            )
        return self._programs[key]
