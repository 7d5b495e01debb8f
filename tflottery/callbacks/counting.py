"""Counting optimizer steps inside `fit`, exactly and without slowing it.

Keras calls batch hooks once per execution, which may hold many steps; and a
loss-scaling optimizer skips updates. The optimizer's own counter is the truth,
but reading it every batch would wait for the device, so it is read only when
a wanted step may have been reached.
"""

from __future__ import annotations

import math
from typing import Any

from tflottery.layers import slots, state


class StepCounter:
    """Follows `optimizer.iterations` through a `fit`.

    Args:
        model: the model in training.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> counter = StepCounter(model)
        >>> counter.batch_ended(3)  # four steps in one execution
        >>> counter.at_most
        4
    """

    def __init__(self, model: Any):
        self._model = model
        self._last_batch = -1
        self.reset()

    def reset(self) -> None:
        """Reads the optimizer's counter, as after a rewind."""
        self.at_most = state.iterations(self._model)

    def epoch_began(self) -> None:
        """Starts counting batches from zero."""
        self._last_batch = -1

    def batch_ended(self, batch: int) -> None:
        """Takes the index of the last batch of an execution."""
        self.at_most += batch - self._last_batch
        self._last_batch = batch

    def reached(self, step: int) -> bool:
        """Tells whether the optimizer has made `step` updates.

        Raises:
            RuntimeError: the step was passed within one execution.
        """
        if self.at_most < step:
            return False
        self.reset()
        if self.at_most > step:
            raise RuntimeError(
                f"Step {step} was passed without a stop there: the optimizer "
                f"is at step {self.at_most}. Set `steps_per_execution` to a "
                "divisor of the step."
            )
        return self.at_most == step


def steps_per_epoch(model: Any, batches: int | None) -> int | None:
    """Returns how many optimizer updates an epoch makes.

    Args:
        model: compiled model.
        batches: batches of an epoch, as `fit` plans them; `None` if unknown.

    Raises:
        ValueError: gradients are accumulated, and an epoch ends between two
            updates.
    """
    accumulated = slots.batches_per_update(model.optimizer)
    if batches and batches % accumulated:
        raise ValueError(
            "An epoch must hold whole optimizer updates. Received: "
            f"{batches} batches an epoch, gradient_accumulation_steps="
            f"{accumulated}. Pass `steps_per_epoch` to `fit`, a multiple of "
            f"{accumulated}."
        )
    return batches // accumulated if batches else batches


def updates_between_stops(model: Any) -> int:
    """Returns the smallest number of updates that ends with an execution.

    Raises:
        ValueError: Keras changes that number while it trains.
    """
    if getattr(model, "autotune_steps_per_execution", False):
        raise ValueError(
            "`steps_per_execution` must be a fixed number: training cannot be "
            "stopped at an exact step while Keras tunes it. Received: a model "
            'compiled with steps_per_execution="auto". Use a number such as '
            "10, or 1."
        )
    per_execution = steps_per_execution(model)
    accumulated = slots.batches_per_update(model.optimizer)
    return per_execution // math.gcd(per_execution, accumulated)


def steps_per_execution(model: Any) -> int:
    """Returns how many batches one call of the train function takes.

    Under tf_keras, where it is a variable, that is the present execution.
    """
    value = getattr(model, "steps_per_execution", None)
    value = value.numpy() if hasattr(value, "numpy") else value
    return int(value or 1)


def set_steps_per_execution(model: Any, count: int) -> None:
    """Sets that number where Keras may have changed it; see `Callback`."""
    variable = getattr(model, "steps_per_execution", None)
    tuned = getattr(model, "autotune_steps_per_execution", False)
    if hasattr(variable, "assign") and not tuned:
        variable.assign(count)


def check_stops_exactly(
    argument: str, step: int, steps_per_epoch: int | None, per_execution: int
) -> None:
    """Refuses a step at which `fit` makes no stop.

    Args:
        argument: what the step is called in the message.
        step: steps from the beginning of `fit`.
        steps_per_epoch: steps of an epoch, if known; executions start anew
            with each epoch.
        per_execution: steps of an execution.

    Raises:
        ValueError: the step lies inside an execution.
    """
    offset = step % steps_per_epoch if steps_per_epoch else step
    if offset % per_execution == 0:
        return
    below = step - offset % per_execution
    raise ValueError(
        f"`{argument}` must be a multiple of `steps_per_execution` within its "
        f"epoch: weights cannot be read inside an execution. Received: "
        f"{argument}={step}, steps_per_execution={per_execution}, "
        f"steps_per_epoch={steps_per_epoch}. Use step {below} or "
        f"{below + per_execution}, or a `steps_per_execution` that divides "
        f"{offset}."
    )
