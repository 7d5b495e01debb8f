"""Learning rates as functions of the step: plain numbers, checked early.

A search checks its settings before anything heavy is loaded, so what a
schedule is stands here without Keras; `learning_rate_schedules` makes of it
what an optimizer takes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.core import checks
from tflottery.core.step import Step

SCHEDULES = ("constant", "step", "linear", "exponential", "cosine")
_OPTIONS = {
    "constant": ("warmup",),
    "step": ("warmup", "boundaries", "factor"),
    "linear": ("warmup", "final"),
    "exponential": ("warmup", "final"),
    "cosine": ("warmup", "final"),
}


@dataclasses.dataclass(frozen=True)
class LearningRate:
    """A learning rate that may change from step to step.

    With eta the rate, t the step and T the length of training:

    - `"constant"`: eta.
    - `"step"`: eta times `factor` to the power of the number of boundaries b
      with b <= t.
    - `"linear"`: eta + (final - eta) t / T.
    - `"exponential"`: eta (final / eta) ** (t / T).
    - `"cosine"`: final + (eta - final) (1 + cos(pi t / T)) / 2.

    After step T the last three stay where they are. Each of the five is
    multiplied by min(1, t / warmup) where there is a warm-up; step 0 is then
    trained at rate 0, as in the papers' code.

    Args:
        peak: The rate eta, greater than 0.
        schedule: One of the names above.
        total_steps: Length of training T, in steps.
        options: `warmup` (default 0); for `"step"` also `boundaries` (a
            list) and `factor` (default 0.1); for the last three `final`, the
            rate at T (default 0; for `"exponential"` it must be given and be
            greater than 0). Boundaries and warm-up are steps: 20000,
            "20000it", or "50%" of T.

    Raises:
        TypeError: If an option is of the wrong type.
        ValueError: If an option is unknown or out of its range.

    Example:
        >>> rate = LearningRate(0.1, "step", 300, {"boundaries": [100, 200]})
        >>> [round(float(rate.at(step)), 3) for step in (0, 99, 100, 299)]
        [0.1, 0.1, 0.01, 0.001]
        >>> warm = LearningRate(0.1, "constant", 300, {"warmup": "10%"})
        >>> [round(float(warm.at(step)), 3) for step in (0, 15, 30, 299)]
        [0.0, 0.05, 0.1, 0.1]

    Reference:
        Frankle and Carbin, "The Lottery Ticket Hypothesis", 2019, section 4
        and appendix I (steps and warm-up); Frankle et al., "Stabilizing the
        Lottery Ticket Hypothesis", 2019, figure 6 (linear and exponential).
    """

    peak: float
    schedule: str
    total_steps: int
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        checks.check_choice("schedule", self.schedule, SCHEDULES)
        checks.check_positive_int("total_steps", self.total_steps)
        for name in self.options:
            checks.check_choice(
                "schedule_options",
                name,
                _OPTIONS[self.schedule],
                way_out=f"These are the options of {self.schedule!r}.",
            )
        _number("factor", self.factor)
        if not self.factor > 0:
            raise ValueError(
                "`factor` must be greater than 0. Received: factor="
                f"{self.factor}. Use 0.1 to divide the rate by ten."
            )
        _number("final", self.final)
        if self.final < 0 or (
            self.schedule == "exponential" and not self.final
        ):
            raise ValueError(
                "`final` must be the rate at the end, at least 0 and for "
                "'exponential' greater than 0. Received: schedule_options="
                f"{dict(self.options)}. Give, for example, "
                '{"final": 0.0001}.'
            )
        edges = self.boundaries
        if self.schedule == "step" and (
            not edges or list(edges) != sorted(set(edges)) or edges[0] < 1
        ):
            raise ValueError(
                "`boundaries` must be steps after 0, in rising order. "
                f"Received: schedule_options={dict(self.options)}. Give, for "
                'example, {"boundaries": [20000, 25000]}.'
            )
        _ = self.warmup  # refuses

    @property
    def factor(self) -> float:
        """What the rate is multiplied by at each boundary."""
        return self.options.get("factor", 0.1)

    @property
    def final(self) -> float:
        """The rate at the end of training."""
        return self.options.get("final", 0.0)

    @property
    def boundaries(self) -> tuple[int, ...]:
        """The steps from which on the rate is another."""
        given = self.options.get("boundaries", ())
        if not isinstance(given, (list, tuple)):
            raise TypeError(
                "`boundaries` must be a list of steps. Received: boundaries="
                f"{given!r}. Give, for example, [20000, 25000]."
            )
        return tuple(self._steps("boundaries", step) for step in given)

    @property
    def warmup(self) -> int:
        """Steps until the rate is what the schedule says."""
        return self._steps("warmup", self.options.get("warmup", 0))

    @property
    def is_constant(self) -> bool:
        """Whether the rate never changes."""
        return self.schedule == "constant" and not self.warmup

    @property
    def unreached(self) -> str:
        """What of the schedule lies beyond the end of training, in words."""
        late = [s for s in self.boundaries if s >= self.total_steps]
        found = [f"boundaries {late}"] if late else []
        if self.warmup > self.total_steps:
            found.append(f"the end of the warm-up at {self.warmup}")
        return " and ".join(found)

    def at(self, steps: Any) -> np.ndarray:
        """Returns the rate at some steps.

        Args:
            steps: An integer, or an array of them, from 0.

        Returns:
            A float32 array of the same shape.

        Example:
            >>> rate = LearningRate(1.0, "linear", 100)
            >>> rate.at([0, 50, 100, 200]).tolist()
            [1.0, 0.5, 0.0, 0.0]
        """
        steps = np.asarray(steps, np.float64)
        part = np.minimum(steps / self.total_steps, 1.0)
        eta, final = self.peak, self.final
        if self.schedule == "constant":
            rate = np.full(steps.shape, eta)
        elif self.schedule == "step":
            passed = np.searchsorted(self.boundaries, steps, side="right")
            rate = eta * self.factor**passed
        elif self.schedule == "linear":
            rate = eta + (final - eta) * part
        elif self.schedule == "exponential":
            rate = eta * (final / eta) ** part
        else:
            rate = final + (eta - final) * (1 + np.cos(np.pi * part)) / 2
        if self.warmup:
            rate = rate * np.minimum(steps / self.warmup, 1.0)
        return rate.astype(np.float32)

    def _steps(self, name: str, value: Any) -> int:
        step = Step.parse(value)
        if step.unit == "ep":
            raise ValueError(
                f"`{name}` must not be in epochs, whose length is not known "
                f"here. Received: {name}={value!r}. Write it in steps, or as a "
                "share of the training, such as '50%'."
            )
        return step.to_steps(total_steps=self.total_steps)


def _number(name: str, value: Any) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise TypeError(
            f"`{name}` must be a number. Received: {name}={value!r}. Write it "
            "as 0.1, without quotes."
        )


def check_end(config: Any, what: str) -> None:
    """Refuses to train on at the last rate of a schedule that ends at 0.

    Args:
        config: Settings of the training.
        what: Who trains on, for the message.

    Raises:
        ValueError: The rate is 0 at the last step.
    """
    if config.rate.at(config.steps) > 0:
        return
    raise ValueError(
        f"{what} trains on at the schedule's last rate. Received: schedule="
        f"{config.schedule!r}, schedule_options="
        f"{dict(config.schedule_options)}, which ends at 0. Give it an end "
        "above 0, such as {\"final\": 1e-4}, or use 'learning_rate_rewinding'."
    )
