"""`Together`: the parts of a search that can be run at the same time.

Replicates, and draws of controls, are the same work with other numbers. Each
runs in a lane, with a network of its own, by the lines that run it alone; what
the networks compute between two validations is computed at the same time.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from tflottery.lottery.context import SearchContext
from tflottery.lottery.engines import lanes
from tflottery.lottery.engines.joint import Call, JointEngine, Performer
from tflottery.lottery.engines.template import Template
from tflottery.lottery.progress import Progress
from tflottery.lottery.training import RoundTrainer


class Together:
    """Runs tasks of a search, several at a time.

    Args:
        context: the shared parts of the search.
        count: how many at a time; one task after the other if it is 1.
    """

    def __init__(self, context: SearchContext, count: int):
        self.count = count
        self._context = context
        self._contexts: list[_LaneContext] = []
        if count > 1:
            templates: dict[str, Template] = {}
            self._contexts = [
                _LaneContext.of(context, number, templates)
                for number in range(count)
            ]
            context.progress.trained_together(count)

    def run(self, tasks: Sequence[Callable[[SearchContext], None]]) -> None:
        """Runs tasks to their end.

        Args:
            tasks: functions of the context to run in.

        Raises:
            ValueError: the networks cannot be trained at the same time.
        """
        if self.count == 1:
            for task in tasks:
                task(self._context)
            return
        with Performer() as perform:
            lanes.run(
                [functools.partial(self._run_in, task) for task in tasks],
                min(self.count, len(tasks)),
                perform,
            )

    def _run_in(self, task, lane):
        context = self._contexts[lane.number]
        context.lane = lane
        try:
            task(context)
        finally:
            context.lane = None


@dataclasses.dataclass
class _LaneContext(SearchContext):
    """The context of one lane: with a network of its own.

    Keras and TensorFlow keep part of their settings for each thread. What
    depends on them, building networks and tracing, is done on the caller's.
    """

    lane: lanes.Lane | None = None
    _trainer: RoundTrainer | None = None

    @classmethod
    def of(
        cls,
        context: SearchContext,
        number: int,
        templates: dict[str, Template],
    ) -> _LaneContext:
        """Makes the context of a lane from that of the search.

        Args:
            context: that of the search.
            number: of the lane; lane 0 tells its steps.
            templates: of programs, for all lanes.
        """
        fields = {
            field.name: getattr(context, field.name)
            for field in dataclasses.fields(SearchContext)
        }
        made = cls(**fields)
        made.make_engine = functools.partial(
            JointEngine, ask=made.ask, templates=templates
        )
        made.build = lambda seed: made.call(lambda: context.build(seed))
        made.progress = _LaneProgress(context.progress, number == 0)
        return made

    def ask(self, request: Any) -> Any:
        """Has the lane wait for something."""
        return self.lane.ask(request)

    def call(self, function: Callable[[], Any]) -> Any:
        """Returns what a function returns on the caller's thread."""
        if self.lane is None or not self.lane.is_here:
            return function()
        return self.ask(Call(function))

    def give_way(self) -> None:
        """Has the caller's thread start what others are waiting for."""
        self.call(lambda: None)

    @property
    def trainer(self):
        """The trainer; built and compiled when it is first needed."""
        # A cached property of Python 3.11 locks out all other lanes.
        if self._trainer is None:
            self._trainer = self.call(self.make_trainer)
        return self._trainer


class _LaneProgress(Progress):
    """Tells who listens to the search what happens in one of several lanes.

    Args:
        progress: who listens.
        tells_steps: whether steps are told; those of one lane are enough.
    """

    def __init__(self, progress: Progress, tells_steps: bool):
        self._progress = progress
        self._tells_steps = tells_steps
        self._branch: tuple[int, str, int, int] | None = None

    def branch_started(self, replicate, branch, draw, done):
        """Keeps it, to be told anew whenever the listener may have changed."""
        self._branch = (replicate, branch, draw, done)

    def round_started(self, replicate, round, density, steps):
        """Passes it on."""
        self._tell_branch(replicate)
        self._progress.round_started(replicate, round, density, steps)

    def step(self, replicate, round, step, metrics):
        """Passes it on, in one lane."""
        if self._tells_steps:
            self._tell_branch(replicate)
            self._progress.step(replicate, round, step, metrics)

    def round_finished(self, row):
        """Passes it on."""
        self._tell_branch(row["replicate"])
        self._progress.round_finished(row)

    def _tell_branch(self, replicate):
        if self._branch is not None and self._branch[0] == replicate:
            self._progress.branch_started(*self._branch)
