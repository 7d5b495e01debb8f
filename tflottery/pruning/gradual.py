"""How sparse each step is: pruning that goes on while a model trains.

A round of a lottery search prunes between two trainings; these schedules prune
within one. They are TF-MOT's, by name, argument and value. A schedule names all
its update steps, of which a training may ask about few: `last_update` and
`next_update` find them without a walk over every step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from tflottery.core import checks
from tflottery.pruning import gradual_schedule
from tflottery.pruning.gradual_schedule import PruningSchedule


def _fix(schedule: PruningSchedule, convert: Callable, *names: str) -> None:
    """Makes NumPy numbers plain, in the frozen instances below."""
    for name in names:
        object.__setattr__(schedule, name, convert(getattr(schedule, name)))


@dataclasses.dataclass(frozen=True)
class ConstantSparsity(PruningSchedule):
    """The same sparsity at every update.

    Args:
        target_sparsity: The share of weights set to zero, in [0, 1).
        begin_step: The first update step, at least 0.
        end_step: No update comes after this step; -1, the default, for no end.
        frequency: The steps from one update to the next. Defaults to 100.

    Example:
        >>> schedule = ConstantSparsity(0.5, 2, end_step=6, frequency=2)
        >>> [step for step in range(12) if schedule(step)[0]]
        [2, 4, 6]
        >>> schedule(6)
        (True, 0.5)
    """

    target_sparsity: float
    begin_step: int
    end_step: int = -1
    frequency: int = 100

    def __post_init__(self) -> None:
        self._validate_step(
            self.begin_step, self.end_step, self.frequency, True
        )
        self._validate_sparsity(self.target_sparsity, "target_sparsity")
        _fix(self, int, "begin_step", "end_step", "frequency")
        _fix(self, float, "target_sparsity")

    def __call__(self, step: Any) -> tuple[bool, float]:
        """Returns whether `step` is an update step, and `target_sparsity`."""
        turn = self._should_prune_in_step(
            step, self.begin_step, self.end_step, self.frequency
        )
        return turn, self.target_sparsity

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class PolynomialDecay(PruningSchedule):
    """The sparsity rises fast at first, then ever more slowly, to its end.

    With s_i and s_f the initial and final sparsities, t_0 and t_n the begin and
    end steps and q the power, step t has s_f + (s_i - s_f) (1 - p)**q, where
    p = (t - t_0) / (t_n - t_0), held to [0, 1]: s_i up to t_0, s_f from t_n on.

    The last update may come before t_n and so fall short of s_f: choose t_n a
    multiple of `frequency` after t_0. A final sparsity below the initial one is
    allowed, as in TF-MOT, but brings no weight back: what is pruned stays so.

    Args:
        initial_sparsity: The sparsity s_i at `begin_step`, in [0, 1).
        final_sparsity: The sparsity s_f at `end_step`, in [0, 1).
        begin_step: The first update step t_0, at least 0.
        end_step: The step t_n, at least `begin_step`. If it is `begin_step`,
            the one update there has s_f (in TF-MOT it is not a number).
        power: The exponent q, at least 0; with 0 it is s_i all the way.
            Defaults to 3.
        frequency: The steps from one update to the next. Defaults to 100.

    Example:
        >>> schedule = PolynomialDecay(0.0, 0.8, 10, 50, frequency=10)
        >>> [round(schedule(step)[1], 4) for step in range(0, 70, 10)]
        [0.0, 0.0, 0.4625, 0.7, 0.7875, 0.8, 0.8]

    Reference: Zhu and Gupta, To prune, or not to prune, 2017, section 3; its
    cubic law is the default power.
    """

    initial_sparsity: float
    final_sparsity: float
    begin_step: int
    end_step: int
    power: float = 3.0
    frequency: int = 100

    def __post_init__(self) -> None:
        self._validate_step(
            self.begin_step, self.end_step, self.frequency, False
        )
        self._validate_sparsity(self.initial_sparsity, "initial_sparsity")
        self._validate_sparsity(self.final_sparsity, "final_sparsity")
        what = "Use 3 for the cubic law, 1 for a straight line."
        if checks.check_finite("power", self.power, what=what) < 0:
            raise ValueError(
                "`power` must be at least 0. Received: power="
                f"{self.power!r}. {what}"
            )
        _fix(self, int, "begin_step", "end_step", "frequency")
        _fix(self, float, "initial_sparsity", "final_sparsity", "power")

    def __call__(self, step: Any) -> tuple[bool, float]:
        """Returns whether `step` is an update step, and its sparsity."""
        step = gradual_schedule.check_step("step", step)
        turn = self._should_prune_in_step(
            step, self.begin_step, self.end_step, self.frequency
        )
        return turn, self._sparsity(step)

    def _sparsity(self, step: int) -> float:
        gone, way = step - self.begin_step, self.end_step - self.begin_step
        if way == 0:
            return self.initial_sparsity if gone < 0 else self.final_sparsity
        left = (1.0 - min(max(gone / way, 0.0), 1.0)) ** self.power
        if left == 1.0:
            return self.initial_sparsity  # to the last bit
        span = self.initial_sparsity - self.final_sparsity
        return self.final_sparsity + span * left

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return dataclasses.asdict(self)


def evaluate(schedule: Callable, step: Any) -> tuple[bool, float]:
    """Asks any schedule about a step, and checks its answer.

    Args:
        schedule: A `PruningSchedule`, TF-MOT's or a subclass of it, or what
            else is called with a step.
        step: What the schedule takes as a step; passed on as it is.

    Returns:
        The pair (should_prune, sparsity) as a Python bool and float, whatever
        tensors the schedule made.

    Raises:
        TypeError: If the answer is not a pair of a truth value and a number.
        ValueError: If the sparsity is outside of [0, 1) or not a number (NaN).

    Example:
        >>> import numpy as np
        >>> evaluate(lambda step: (step % 2 == 0, np.float32(0.5)), 4)
        (True, 0.5)
    """
    answer = schedule(step)
    name, step = type(schedule).__name__, gradual_schedule.plain(step)
    where = f"from {name} at step {step}"
    try:
        turn, sparsity = map(gradual_schedule.plain, answer)
    except (TypeError, ValueError) as error:
        raise TypeError(
            "`schedule` must return the pair (should_prune, sparsity). "
            f"Received: {answer!r} {where}. A schedule of learning rates, "
            "which returns one number, will not do."
        ) from error
    if not isinstance(turn, (bool, int)) or turn not in (0, 1):
        raise TypeError(
            "`schedule` must return should_prune as a bool. Received: "
            f"should_prune={turn!r} {where}. It is the first of the pair."
        )
    way_out = f"It came {where}; return the share of weights set to zero."
    return bool(turn), checks.check_fraction("sparsity", sparsity, what=way_out)


def is_arithmetic(schedule: Any) -> bool:
    """Tells whether the steps of a schedule can be computed, not searched."""
    # A subclass may ask differently, so its class is not looked into.
    return type(schedule) in (ConstantSparsity, PolynomialDecay)


def last_update(schedule: Callable, after: Any, until: Any) -> int | None:
    """Returns the latest update step in (after, until], if there is one.

    Of several updates that fall between two looks at a model only the last
    decides its sparsity.

    Args:
        schedule: What `evaluate` takes. TF-MOT's two are computed; any other is
            asked step by step, backwards from `until`.
        after: The step before the first that counts.
        until: The last step that counts.

    Returns:
        A step, or `None`.

    Raises:
        TypeError: If `after` or `until` is not an integer.

    Example:
        >>> schedule = ConstantSparsity(0.5, 10, end_step=40, frequency=10)
        >>> last_update(schedule, 0, 35), last_update(schedule, 30, 35)
        (30, None)
    """
    after = gradual_schedule.check_step("after", after)
    until = gradual_schedule.check_step("until", until)
    if not is_arithmetic(schedule):
        steps = range(until, after, -1)
        return next((s for s in steps if evaluate(schedule, s)[0]), None)
    if schedule.end_step != -1:
        until = min(until, schedule.end_step)
    if until < schedule.begin_step:
        return None
    step = until - (until - schedule.begin_step) % schedule.frequency
    return step if step > after else None


def next_update(schedule: Callable, after: Any) -> int | None:
    """Returns the first step past `after` that may be an update step.

    Args:
        schedule: What `evaluate` takes.
        after: The step before the first that counts.

    Returns:
        For TF-MOT's two the next update step, `None` if there are no more. For
        any other schedule after + 1: what it will say is not known.

    Raises:
        TypeError: If `after` is not an integer.

    Example:
        >>> schedule = ConstantSparsity(0.5, 10, end_step=40, frequency=10)
        >>> [next_update(schedule, after) for after in (0, 10, 35, 40)]
        [10, 20, 40, None]
    """
    after = gradual_schedule.check_step("after", after)
    if not is_arithmetic(schedule):
        return after + 1
    if after < schedule.begin_step:
        return schedule.begin_step
    gone = (after - schedule.begin_step) % schedule.frequency
    step = after - gone + schedule.frequency
    ended = schedule.end_step != -1 and step > schedule.end_step
    return None if ended else step
