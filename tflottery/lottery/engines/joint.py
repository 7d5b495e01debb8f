"""`JointEngine`: networks that are trained at the same time, each in its lane.

A small network leaves most of a machine idle between its operations. Here the
programs of several run at once, a thread for each core. Each network remains an
ordinary model with a program and a state of its own; nothing is stacked, and
every layer, optimizer and metric works as ever.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import queue
from collections.abc import Callable, Mapping
from typing import Any

from tflottery.core import cores
from tflottery.lottery.engines import programs
from tflottery.lottery.engines.engine import EVALUATION_BATCH, Engine
from tflottery.lottery.engines.evaluations import Evaluations
from tflottery.lottery.engines.template import Template


@dataclasses.dataclass(frozen=True)
class Program:
    """A lane asks for the run of a program.

    Args:
        run: Runs it and returns tensors by name.
        turn: How far the lane has come; who is behind goes first.
    """

    run: Callable[[], Mapping[str, Any]]
    turn: int = 0


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
        templates: Of programs, by name, for all networks that are trained
            together; what it lacks is added.

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
        templates: dict[str, Template],
    ):
        super().__init__(model, data, batch_size=batch_size, steps=steps)
        refuse(programs.obstacle(model, data))
        self._ask = ask
        self._templates = templates
        self._turn = 0
        programs.make_metrics(model, data.resident("train"))
        # Traced on this thread, whichever will run them.
        self._training = self._program("train", self._trace_training)
        evaluations = Evaluations(model, data, EVALUATION_BATCH)
        self._evaluations = {
            name: self._program(name, evaluations.trace)
            for name in ("validation", "test")
        }

    def _program(self, name, trace):
        """Returns this network's program: another's, if there is one."""
        known = self._templates.get(name)
        program = known and known.filled_in(self.model)
        if program is None:
            program, part = trace(name)
            made = Template(program, self.model, [part.inputs, part.labels])
            self._templates.setdefault(name, made)
        return program

    def _trace_training(self, name):
        part = self.data.resident(name).on_device()
        return programs.training(
            self.model, part, self.batch_size
        ).get_concrete_function(
            *programs.arguments(self.steps, self.batch_size)
        ), part

    def train(self, *, first_step, order_seed, steps, times, watch):
        """See `Engine.train`."""
        self._turn += 1
        watch.set_model(self.model)
        # Not a `tf.data` pipeline: to make one takes as long as many steps.
        stretches = self.data.train_stretches(
            self.batch_size, order_seed, first_step, steps
        )
        for number in range(times):
            stretch = programs.padded(next(stretches), self.steps)
            watch.on_epoch_end(
                number,
                self._run(lambda stretch=stretch: self._training(*stretch)),
            )
            if watch.problem is not None:
                break

    def evaluate(self, part):
        """See `Engine.evaluate`."""
        return self._run(self._evaluations[part])

    def _run(self, program):
        return programs.numbers(self._ask(Program(program, self._turn)))


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


class Performer:
    """Does what lanes ask for: programs on all cores, calls on this thread.

    It answers whoever is ready first, so that a lane goes on while the
    programs of others still run. Between two calls it answers those whose
    programs have ended, so that their next ones begin. Of programs that wait
    for a core the first is that of the earliest turn, then that of the first
    lane. So lanes do not come to the end of a turn all at once, where much is
    to be done on one thread: while one of them writes its files the cores are
    busy with the others.

    To be used in a `with` block, which ends when the programs have ended.
    """

    def __init__(self):
        self._pool = concurrent.futures.ThreadPoolExecutor(cores.count())
        self._running: dict[int, concurrent.futures.Future] = {}
        self._waiting: queue.PriorityQueue = queue.PriorityQueue()
        self._has_answered_programs = False  # and no call since

    def __enter__(self) -> Performer:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, requests: Mapping[int, Any]) -> dict[int, Any]:
        """Begins all programs, and waits until something is done.

        Args:
            requests: `{lane: request}` of all lanes that wait, also of those
                whose program runs already.

        Returns:
            `{lane: answer}`, of one call or of all programs that have ended.
        """
        for lane, request in requests.items():
            if isinstance(request, Program) and lane not in self._running:
                self._begin(lane, request)
        calls = [n for n, asked in requests.items() if isinstance(asked, Call)]
        if calls and (self._has_answered_programs or not self._ended()):
            self._has_answered_programs = False
            return {calls[0]: requests[calls[0]].function()}
        concurrent.futures.wait(
            self._running.values(),
            return_when=concurrent.futures.FIRST_COMPLETED,
        )
        self._has_answered_programs = True
        return {n: self._running.pop(n).result() for n in self._ended()}

    def _ended(self):
        return [lane for lane, run in self._running.items() if run.done()]

    def _begin(self, lane, request):
        future: concurrent.futures.Future = concurrent.futures.Future()
        self._running[lane] = future
        self._waiting.put((request.turn, lane, request.run, future))
        self._pool.submit(self._run_first)

    def _run_first(self):
        *_, run, future = self._waiting.get_nowait()
        try:
            future.set_result(_finished(run))
        except BaseException as error:
            future.set_exception(error)


def _finished(run):
    """Runs a program to its end: a device may only have begun with it."""
    return {name: value.numpy() for name, value in run().items()}
