"""Fair timing: what is compared runs in turn, in one process, repeatedly.

A machine grows slower and faster by the minute. Things measured one after the
other, each many times, would be told apart by that alone; things measured in
alternation share it.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Sample:
    """Repeated measurements of one thing.

    Args:
        runs: The measurements, in the order they were taken; at least one.

    Example:
        >>> sample = Sample((1.0, 4.0, 2.0, 3.0, 9.0))
        >>> sample.median, sample.low, sample.high
        (3.0, 2.0, 4.0)
    """

    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle measurement."""
        return statistics.median(self.runs)

    @property
    def low(self) -> float:
        """The lower quartile: a quarter of the runs are at or below it."""
        return self._quartiles()[0]

    @property
    def high(self) -> float:
        """The upper quartile."""
        return self._quartiles()[2]

    def _quartiles(self) -> Sequence[float]:
        if len(self.runs) == 1:
            return self.runs * 3
        return statistics.quantiles(self.runs, n=4, method="inclusive")

    def scaled(self, factor: float) -> Sample:
        """Returns the sample in another unit."""
        return Sample(tuple(run * factor for run in self.runs))

    def over(self, other: Sample) -> Sample:
        """Returns the ratios, run by run: each pair shared its moment."""
        pairs = zip(self.runs, other.runs, strict=True)
        return Sample(tuple(mine / theirs for mine, theirs in pairs))

    def minus(self, other: Sample) -> Sample:
        """Returns the differences, run by run."""
        pairs = zip(self.runs, other.runs, strict=True)
        return Sample(tuple(mine - theirs for mine, theirs in pairs))

    def to_json(self) -> dict[str, Any]:
        """Returns the sample as plain values."""
        return {
            "median": self.median,
            "low": self.low,
            "high": self.high,
            "runs": list(self.runs),
        }


def seconds_of(function: Callable[[], Any]) -> float:
    """Returns how long a call takes, in seconds of the wall clock."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def alternate(
    tasks: Mapping[str, Callable[[], float]], *, runs: int, warm_up: int = 1
) -> dict[str, Sample]:
    """Runs tasks in turn, and every other time in the reverse order.

    Args:
        tasks: `{name: function}`; the function does its work and returns how
            many seconds it took, so that it can prepare unmeasured.
        runs: How often each is measured.
        warm_up: How often each is run before, unmeasured. Defaults to 1.

    Returns:
        `{name: Sample}` of `runs` measurements each, in seconds.

    Example:
        >>> found = alternate({"a": lambda: 2.0, "b": lambda: 1.0}, runs=3)
        >>> found["a"].over(found["b"]).median
        2.0
    """
    found: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(-warm_up, runs):
        names = list(tasks) if number % 2 == 0 else list(tasks)[::-1]
        for name in names:
            seconds = tasks[name]()
            if number >= 0:
                found[name].append(seconds)
    return {name: Sample(tuple(runs)) for name, runs in found.items()}
