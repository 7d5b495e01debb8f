"""Keras schedules made from a `LearningRate`, for either Keras family.

An optimizer asks its schedule for the rate at its own step counter. Rewinding
puts that counter back, and the rate with it; nothing else has to be restored.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import tensorflow as tf

from tflottery.lottery.learning_rates import LearningRate


def make(rate: LearningRate, keras: Any) -> Any:
    """Returns what an optimizer of a family takes as its `learning_rate`.

    Keras' momentum remembers the rate of each step with its gradient, while
    PyTorch's multiplies the sum by the present rate. After a drop the former
    takes a few steps to follow; the papers' code is of the second kind.

    Args:
        rate: The rate by steps.
        keras: The module `keras` or `tf_keras`.

    Returns:
        A float if the rate is constant, else a `LearningRateSchedule` of that
        family, float32, which can be serialised and compiled by XLA.

    Example:
        >>> import keras
        >>> rate = LearningRate(1.0, "linear", 100, {"warmup": 10})
        >>> [float(make(rate, keras)(step)) for step in (0, 5, 50)]
        [0.0, 0.4749999940395355, 0.5]
    """
    if rate.is_constant:
        return rate.peak
    return schedule_class(keras)(
        rate.peak, rate.schedule, rate.total_steps, dict(rate.options)
    )


@functools.cache
def schedule_class(keras: Any) -> type:
    """Returns the schedule's class in a Keras family, and registers it.

    Call it before an optimizer with such a schedule is loaded from a file.

    Args:
        keras: The module `keras` or `tf_keras`.

    Example:
        >>> import keras
        >>> schedule = schedule_class(keras)(0.1, "cosine", 10)
        >>> schedule.get_config()["schedule"]
        'cosine'
    """

    @keras.saving.register_keras_serializable(package="tflottery")
    class LearningRateByStep(keras.optimizers.schedules.LearningRateSchedule):
        """The rate at each step, see `LearningRate` for the arguments."""

        def __init__(self, peak, schedule, total_steps, options=None):
            super().__init__()
            self.peak = peak
            self.schedule = schedule
            self.total_steps = total_steps
            self.options = dict(options or {})
            self._rate = LearningRate(peak, schedule, total_steps, self.options)

        def __call__(self, step):
            return _rate_at(self._rate, step)

        def get_config(self):
            return {
                "peak": self.peak,
                "schedule": self.schedule,
                "total_steps": self.total_steps,
                "options": dict(self.options),
            }

    return LearningRateByStep


def _rate_at(rate: LearningRate, step: Any) -> tf.Tensor:
    """Computes `rate.at(step)` in TensorFlow; float32 all the way."""
    counted = tf.cast(step, tf.int64)
    step = tf.cast(counted, tf.float32)
    part = tf.minimum(step / rate.total_steps, 1.0)
    eta, final = rate.peak, rate.final
    if rate.schedule == "constant":
        value = tf.constant(eta, tf.float32)
    elif rate.schedule == "step":
        edges = rate.boundaries
        values = [eta * rate.factor**n for n in range(len(edges) + 1)]
        passed = tf.reduce_sum(
            tf.cast(counted >= tf.constant(edges, tf.int64), tf.int32)
        )
        value = tf.gather(tf.constant(values, tf.float32), passed)
    elif rate.schedule == "linear":
        value = eta + (final - eta) * part
    elif rate.schedule == "exponential":
        value = eta * tf.exp(math.log(final / eta) * part)
    else:
        # (1 + cos(pi t / T)) / 2, which would cancel near the end.
        left = tf.maximum(rate.total_steps - step, 0.0) / rate.total_steps
        value = final + (eta - final) * tf.sin(math.pi / 2 * left) ** 2
    if rate.warmup:
        value *= tf.minimum(step / rate.warmup, 1.0)
    return value
