"""Learning rates of compiled models: which follow a schedule, and what it says.

A schedule goes by the optimizer's step counter, so a rewind takes it back. A
rate that is a variable is whatever was written there last.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tflottery.layers import slots

_SAMPLES = 50


def schedules(optimizer: Any) -> list[Any]:
    """Returns the schedules that an optimizer, or one it wraps, follows.

    Example:
        >>> import keras
        >>> schedules(keras.optimizers.SGD(0.1))
        []
    """
    rates = [_rate_of(level) for level in slots.inner_optimizers(optimizer)]
    return [rate for rate in rates if callable(rate)]


def written(optimizer: Any) -> list[float]:
    """Returns the rates, of an optimizer or of those it wraps, without one.

    Example:
        >>> import keras
        >>> [round(rate, 3) for rate in written(keras.optimizers.SGD(0.1))]
        [0.1]
    """
    rates = [_rate_of(level) for level in slots.inner_optimizers(optimizer)]
    return [
        float(rate.numpy() if hasattr(rate, "numpy") else rate)
        for rate in rates
        if rate is not None and not callable(rate)
    ]


def between(schedule: Any, first: int, last: int) -> dict[int, float]:
    """Returns what a schedule says at some steps.

    Args:
        schedule: of either Keras family.
        first: the first of the steps.
        last: the last of them.

    Returns:
        `{step: rate}` of at most 50 steps, evenly apart, in order.

    Example:
        >>> import keras
        >>> schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 4, 0.5)
        >>> between(schedule, 3, 6)
        {3: 0.625, 4: 0.5, 5: 0.5, 6: 0.5}
    """
    steps = np.linspace(first, last, min(_SAMPLES, last - first + 1))
    return {int(step): float(schedule(int(step))) for step in steps}


def _rate_of(optimizer: Any) -> Any:
    return getattr(optimizer, "_learning_rate", None)
