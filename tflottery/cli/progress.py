"""What one sees of a running search: bars, or lines in a log.

On a terminal rich draws two bars, one for the search and one for the round;
finished rounds stay above them as lines. In a file or a pipe only lines are
written, and between rounds at most one in a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import IO, Any

from tflottery.lottery.progress import Progress

_SHOWN = {
    "validation_accuracy": ("validation accuracy", "{:.2%}"),
    "validation_loss": ("validation loss", "{:.4f}"),
}


class _Place:
    """Where a search is, in words and as a share of the whole."""

    def __init__(self, total_rounds: int, replicates: int):
        self.total_rounds = total_rounds
        self.replicates = replicates
        self.control_rounds = 0
        self.networks = 1
        self._begun = self._finished = 0
        self._share = 0.0
        self._controls: dict[int, tuple[str, int]] = {}

    def branch_started(
        self, replicate: int, branch: str, draw: int, done: int
    ) -> None:
        """Notes that the replicate has come to its controls."""
        words = branch.replace("_", " ")
        if draw:
            words += f", draw {draw}"
        self._controls[replicate] = (f"{words}, ", done)

    def round_started(self) -> None:
        """Notes that a round has begun."""
        self._begun += 1
        self._share = 0.0

    def round_finished(self, replicate: int) -> None:
        """Notes that one more round is done."""
        self._finished += 1
        if replicate in self._controls:
            words, done = self._controls[replicate]
            self._controls[replicate] = (words, done + 1)

    def name(self, replicate: int, round: int) -> str:
        """Returns the place in words."""
        branch, _ = self._controls.get(replicate, ("", 0))
        words = f"{branch}round {round} of {self.total_rounds}"
        if self.replicates > 1:
            words = f"replicate {replicate} of 0–{self.replicates - 1}, {words}"
        return words

    @property
    def stages(self) -> int:
        """How many rounds there are in all."""
        return self.replicates * self._of_each

    @property
    def _of_each(self) -> int:
        return self.total_rounds + 1 + self.control_rounds

    def stage(self, replicate: int, round: int) -> int:
        """Returns how many rounds come before this one."""
        if replicate in self._controls:
            round = self.total_rounds + 1 + self._controls[replicate][1]
        return replicate * self._of_each + round

    def completed(self, replicate: int, round: int, share: float) -> float:
        """Returns how many rounds are behind.

        Args:
            replicate: the replicate that is told of.
            round: its round.
            share: how much of that is behind.
        """
        if self.networks == 1:
            return self.stage(replicate, round) + share
        # Several are as far as the one that is told of, and end in any order.
        self._share = max(share, self._share)
        return self._finished + self._share * (self._begun - self._finished)


def _metrics_text(metrics: Mapping[str, float]) -> str:
    return ", ".join(
        f"{label} {form.format(metrics[name])}"
        for name, (label, form) in _SHOWN.items()
        if name in metrics
    )


def _row_text(place: _Place, row: Mapping[str, Any]) -> str:
    return (
        f"{place.name(row['replicate'], row['round'])}: "
        f"{row['density']:.1%} of the weights, early stop at step "
        f"{row['best_step']}, test accuracy there "
        f"{row['test_accuracy_best']:.2%} ({row['seconds']:.1f} s)"
    )


class LogProgress(Progress):
    """Writes a line when a round begins or ends, and now and then between.

    Args:
        stream: Where to write.
        every_seconds: Least time between two lines about steps. Defaults to
            30.
        clock: Returns seconds. Defaults to `time.monotonic`.
    """

    def __init__(
        self,
        stream: IO[str],
        every_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.stream = stream
        self.every_seconds = every_seconds
        self.clock = clock
        self._place = _Place(0, 1)
        self._steps = 0
        self._said = clock()

    def _say(self, text: str) -> None:
        self.stream.write(f"{text}\n")
        self.stream.flush()
        self._said = self.clock()

    def start(self, total_rounds, replicates):
        """Remembers how much there is to do."""
        self._place = _Place(total_rounds, replicates)

    def branch_started(self, replicate, branch, draw, done):
        """Remembers which control the next rounds are of."""
        self._place.branch_started(replicate, branch, draw, done)

    def round_started(self, replicate, round, density, steps):
        """Writes which round begins."""
        self._steps = steps
        self._say(
            f"{self._place.name(replicate, round)}: training to step {steps} "
            f"with {density:.1%} of the weights"
        )

    def step(self, replicate, round, step, metrics):
        """Writes where the round is, unless something was just written."""
        if self.clock() - self._said >= self.every_seconds:
            where = f"{self._place.name(replicate, round)}: step {step}"
            text = _metrics_text(metrics)
            self._say(f"{where} of {self._steps}{text and ', ' + text}")

    def round_finished(self, row):
        """Writes how the round ended."""
        self._say(_row_text(self._place, row))
        self._place.round_finished(row["replicate"])


class RichProgress(Progress):
    """Draws a bar for the search and one for the round.

    Args:
        console: A `rich.console.Console`.
    """

    def __init__(self, console: Any):
        from rich import progress as bars

        self.console = console
        self._place = _Place(0, 1)
        self._running = False
        self._fresh = True
        self._steps = 1
        self._bars = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=20),
            bars.TaskProgressColumn(),
            bars.TimeRemainingColumn(),
            bars.TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
        )
        self._search = self._bars.add_task("search", total=1, note="")
        self._round = self._bars.add_task("round", total=1, note="")

    def start(self, total_rounds, replicates):
        """Shows the bars."""
        self._place = _Place(total_rounds, replicates)
        self._bars.update(self._search, total=self._place.stages)
        self._bars.start()
        self._running = True

    def controls_planned(self, rounds):
        """Makes the bar of the search longer."""
        self._place.control_rounds = rounds
        self._bars.update(self._search, total=self._place.stages)

    def trained_together(self, networks):
        """Counts several rounds at a time from now on."""
        self._place.networks = networks

    def branch_started(self, replicate, branch, draw, done):
        """Remembers which control the next rounds are of."""
        self._place.branch_started(replicate, branch, draw, done)

    def round_started(self, replicate, round, density, steps):
        """Begins a new bar for the round."""
        self._steps = max(steps, 1)
        self._place.round_started()
        done = self._place.completed(replicate, round, 0.0)
        if self._fresh:
            # Rounds found finished must not count as speed.
            self._bars.reset(self._search, completed=done)
            self._fresh = False
        self._bars.update(
            self._search,
            completed=done,
            note=f"{self._place.name(replicate, round)}",
        )
        self._bars.reset(
            self._round, total=self._steps, note=f"density {density:.1%}"
        )

    def step(self, replicate, round, step, metrics):
        """Moves both bars."""
        share = min(step / self._steps, 1.0)
        done = self._place.completed(replicate, round, share)
        self._bars.update(self._search, completed=done)
        note = _metrics_text(metrics)
        self._bars.update(
            self._round,
            completed=step,
            note=f"step {step}{note and ', ' + note}",
        )

    def round_finished(self, row):
        """Leaves a line above the bars."""
        done = self._place.completed(row["replicate"], row["round"], 1.0)
        self._bars.update(self._search, completed=done)
        self.console.print(
            _row_text(self._place, row), highlight=False, markup=False
        )
        self._place.round_finished(row["replicate"])

    def finish(self):
        """Takes the bars away."""
        if self._running:
            self._bars.stop()
            self._running = False


def make_progress(stream: IO[str]) -> Progress:
    """Returns bars for a terminal and lines for anything else.

    Args:
        stream: Where to write, such as `sys.stderr`.
    """
    from rich.console import Console

    console = Console(file=stream)
    return RichProgress(console) if console.is_terminal else LogProgress(stream)
