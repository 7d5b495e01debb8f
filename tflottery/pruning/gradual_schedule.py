"""What a schedule over training steps is, for TF-MOT's and users' own alike.

Users of TF-MOT know how to write one: a subclass of `PruningSchedule`, with the
helpers it inherits. Here it is asked on the host, between batches, so answers
are plain Python. TF-MOT's two schedules are in `gradual`; `gradual_names` turns
any into configs and back.
"""

from __future__ import annotations

import abc
import inspect
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.core import checks

_SPARSITY = "It is the share of weights set to zero; use 0.8 for 80 percent."

# The classes that a config can name, by (module, qualified name).
known_classes: dict[tuple[str, str], type] = {}


def remember(cls: type) -> None:
    """Makes a class of schedules loadable by its module and name.

    Args:
        cls: The class. Subclasses of `PruningSchedule` are remembered anyway.
    """
    known_classes[cls.__module__, cls.__qualname__] = cls


def plain(value: Any) -> Any:
    """Returns a tensor or array of rank 0 as a Python number, others as is.

    Args:
        value: Anything; a tensor is recognised by its method `numpy`.

    Returns:
        A Python number or `value` itself.

    Example:
        >>> plain(np.array(3)), plain("three")
        (3, 'three')
    """
    if isinstance(value, (bool, int, float)):
        return value
    numpy = getattr(value, "numpy", None)
    try:
        array = np.asarray(numpy() if callable(numpy) else value)
    except (NotImplementedError, TypeError, ValueError):
        return value  # a symbolic tensor, or nothing like a number at all
    return array.item() if array.ndim == 0 else value


def check_step(name: str, value: Any) -> int:
    """Returns a step as a Python int.

    Args:
        name: The argument as the caller wrote it.
        value: A Python or NumPy integer or an eager tensor of rank 0.

    Raises:
        TypeError: If it is something else, such as a symbolic tensor.

    Example:
        >>> check_step("step", np.int64(3))
        3
    """
    step = plain(value)
    if not isinstance(step, numbers.Integral) or isinstance(step, bool):
        raise TypeError(
            f"`{name}` must be an integer. Received: {name}={value!r}. Pass a "
            "Python or NumPy integer or an eager tensor of rank 0, from "
            "outside of a tf.function: schedules are asked between batches."
        )
    return int(step)


class PruningSchedule(abc.ABC):
    """When to prune, and how sparsely, at each step of training.

    Step t is the t-th batch, counted from 1; its update comes before it. To
    bring a schedule of your own, write `__call__` and `get_config`; it can then
    be saved and loaded. The protected helpers are those of TF-MOT's class of
    this name.

    Example:
        >>> class Once(PruningSchedule):
        ...     def __init__(self, sparsity, at_step):
        ...         self._validate_sparsity(sparsity, "sparsity")
        ...         self.sparsity = sparsity
        ...         self.at_step = at_step
        ...
        ...     def __call__(self, step):
        ...         return int(step) == self.at_step, self.sparsity
        ...
        ...     def get_config(self):
        ...         return {"sparsity": self.sparsity, "at_step": self.at_step}
        >>> schedule = Once.from_config({"sparsity": 0.5, "at_step": 3})
        >>> [step for step in range(9) if schedule(step)[0]]
        [3]
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        remember(cls)

    @abc.abstractmethod
    def __call__(self, step: Any) -> tuple[bool, float]:
        """Returns whether to prune before this step's batch, and how sparsely.

        Args:
            step: A Python or NumPy integer or an eager tensor of rank 0.

        Returns:
            The pair (should_prune, sparsity): a bool, and a float in [0, 1).
        """

    @abc.abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain JSON values."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PruningSchedule:
        """Makes an instance from what `get_config` returned.

        Args:
            config: A mapping from argument to value.

        Returns:
            An instance that does what the one described does.

        Raises:
            ValueError: If an argument is missing or unknown.
        """
        try:
            inspect.signature(cls).bind(**config)
        except TypeError as error:
            raise ValueError(
                f"`config` does not fit {cls.__name__}. Received: config="
                f"{dict(config)!r}; {error}. Its keys must be the arguments "
                "of the constructor."
            ) from error
        return cls(**config)

    def _should_prune_in_step(
        self, step: Any, begin_step: int, end_step: int, frequency: int
    ) -> bool:
        """Returns whether `step` is an update step.

        Args:
            step: The step asked for.
            begin_step: The first update step.
            end_step: No step past this one is; a negative one means no end.
            frequency: The steps from one update to the next.
        """
        step = check_step("step", step)
        in_range = step >= begin_step and (end_step < 0 or step <= end_step)
        return bool(in_range and (step - begin_step) % frequency == 0)

    def _validate_step(
        self,
        begin_step: int,
        end_step: int,
        frequency: int,
        allow_negative_1: bool,
    ) -> None:
        """Refuses steps that make no schedule.

        Args:
            begin_step: The first update step, at least 0.
            end_step: The last possible one, not before the first.
            frequency: The steps from one update to the next, at least 1.
            allow_negative_1: Whether `end_step` may be -1, for no end.

        Raises:
            TypeError: If one of them is not an integer.
            ValueError: If one of them is out of range.
        """
        steps = "Steps are whole batches; use int(...) on a computed number."
        checks.check_non_negative_int("begin_step", begin_step, what=steps)
        checks.check_positive_int(
            "frequency",
            frequency,
            what="It is the number of steps from one update to the next; use "
            "100 to prune every hundredth step.",
        )
        if isinstance(end_step, numbers.Integral) and end_step == -1:
            if allow_negative_1:
                return
            raise ValueError(
                "`end_step` must not be -1 here. Received: end_step=-1. The "
                "sparsity depends on the way left to the end; pass the step "
                "at which the final sparsity is reached."
            )
        if allow_negative_1:
            steps += " Use -1 for no end."
        checks.check_non_negative_int("end_step", end_step, what=steps)
        if end_step < begin_step:
            raise ValueError(
                "`end_step` must be at least `begin_step`. Received: "
                f"begin_step={begin_step!r}, end_step={end_step!r}. {steps}"
            )

    def _validate_sparsity(self, sparsity: float, variable_name: str) -> None:
        """Refuses a sparsity outside of [0, 1).

        Args:
            sparsity: The share of weights set to zero.
            variable_name: The argument as the caller wrote it.

        Raises:
            TypeError: If it is not a real number.
            ValueError: If it is outside of [0, 1).
        """
        checks.check_fraction(variable_name, sparsity, what=_SPARSITY)
