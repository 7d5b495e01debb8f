"""`JointEngine`: networks that are trained at the same time, each in its lane.

A small network leaves most of a machine idle between its operations. Here the
programs of several run at once, a thread for each core. Each network remains an
ordinary model with a program and a state of its own; nothing is stacked, and
every layer, optimizer and metric works as ever.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tflottery.lottery.engines import programs
from tflottery.lottery.engines.compiled import padded, stretches
from tflottery.lottery.engines.engine import EVALUATION_BATCH, Engine


@dataclasses.dataclass(frozen=True)
class Program:
    """A lane asks for the run of a program.

    Args:
        run: Runs it and returns tensors by name.
    """

    run: Callable[[], Mapping[str, Any]]


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
        ValueError: The model's steps cannot be put into a program.
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
        refuse(programs.obstacle(model, data))
        self._ask = ask
        part = data.resident("train")
        programs.make_metrics(model, part)
        shape = tf.TensorSpec([steps, batch_size], tf.int32)
        # Traced on this thread, whichever will run them.
        self._training = programs.training(model, part).get_concrete_function(
            shape, tf.TensorSpec([], tf.int32)
        )
        self._evaluations = {
            name: programs.evaluation(
                model, data.resident(name), EVALUATION_BATCH
            ).get_concrete_function()
            for name in ("validation", "test")
        }

    def train(self, *, first_step, order_seed, steps, times, watch):
        """See `Engine.train`."""
        watch.set_model(self.model)
        stream = iter(stretches(self, first_step, order_seed, steps))
        for number in range(times):
            rows = padded(next(stream), self.steps, self.batch_size)
            watch.on_epoch_end(
                number,
                self._run(
                    lambda rows=rows: self._training(rows, tf.constant(steps))
                ),
            )
            if watch.problem is not None:
                break

    def evaluate(self, part):
        """See `Engine.evaluate`."""
        return self._run(self._evaluations[part])

    def _run(self, program):
        return programs.numbers(self._ask(Program(program)))


def refuse(obstacle: str | None) -> None:
    """Raises an error if something stands in the way.

    Args:
        obstacle: What it is, in words; `None` if nothing does.

    Raises:
        ValueError: Something does.
    """
    if obstacle is not None:
        raise ValueError(
            "`vectorize` above 1 trains several networks at once, by compiled "
            f"programs. That cannot be done here: {obstacle}. Leave "
            "`vectorize` out."
        )


def perform(requests: Mapping[int, Any]) -> dict[int, Any]:
    """Does what lanes ask for: calls one by one, programs at the same time.

    Args:
        requests: `{lane: request}` of all lanes that wait.

    Returns:
        `{lane: answer}`; of the calls alone, if there are any, since a lane
        that gets its answer may soon ask for a program too.
    """
    calls = {
        lane: request
        for lane, request in requests.items()
        if isinstance(request, Call)
    }
    if calls:
        return {lane: call.function() for lane, call in calls.items()}
    cores = len(os.sched_getaffinity(0)) if _has_affinity() else os.cpu_count()
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        runs = {
            lane: pool.submit(_finished, request.run)
            for lane, request in requests.items()
        }
        return {lane: run.result() for lane, run in runs.items()}


def _has_affinity():
    return hasattr(os, "sched_getaffinity")  # not everywhere


def _finished(run):
    """Runs a program to its end: a device may only have begun with it."""
    return {name: value.numpy() for name, value in run().items()}
