"""Programs: many steps of training, compiled as one.

By itself Keras enters a compiled step once a batch, with a batch that was made
on the host. For data in memory a program can hold the loop and take batches by
row number, so that all that goes in is numbers and all that comes out is the
metrics. The steps are those of the models, and so are the bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.core import measurements
from tflottery.data.memory import InMemoryDataset
from tflottery.data.resident import Resident
from tflottery.layers import held_zeros
from tflottery.lottery.engines import loops

_STEPS = (
    "train_step",
    "test_step",
    "make_train_function",
    "make_test_function",
    "compute_loss",
    "compute_metrics",
    "get_metrics_result",
    "reset_metrics",
    "fit",
    "evaluate",
)
_FAMILIES = ("keras", "tf_keras")


def obstacle(model: Any, data: Any) -> str | None:
    """Says why a model's steps cannot be put into a program, if so.

    Args:
        model: Compiled model of either family.
        data: A `tflottery.data.Dataset`.

    Returns:
        What stands in the way, in words; `None` if nothing does.
    """
    found = obstacle_around(data, model.distribute_strategy)
    if found is None and (
        getattr(model, "run_eagerly", False)
        or tf.config.functions_run_eagerly()
    ):
        found = "the model is run eagerly"
    for name in _STEPS:
        if found is None and not _is_stock(model, name):
            found = f"the model has a `{name}` of its own"
    return found


def obstacle_around(data: Any, strategy: Any) -> str | None:
    """Says what stands in the way before there is a model.

    Args:
        data: A `tflottery.data.Dataset`.
        strategy: The `tf.distribute.Strategy` of the model.

    Returns:
        As `obstacle`.
    """
    if type(data) is not InMemoryDataset:
        return f"the data, {data!r}, is not held in memory as it is"
    is_default = "Default" in type(strategy).__name__
    if tf.distribute.has_strategy() or not is_default:
        return f"{type(strategy).__name__} divides the batches by itself"
    return None


def jit_compile(model: Any) -> bool | None:
    """Returns the argument of that name for functions of a model's steps.

    Args:
        model: Compiled model.
    """
    return bool(getattr(model, "jit_compile", False)) or None


def _is_stock(model, name):
    function = getattr(type(model), name, None)
    return getattr(function, "__module__", "").split(".")[0] in _FAMILIES


def training(model: Any, part: Resident, batch_size: int) -> Any:
    """Returns the program that trains a model.

    Args:
        model: Compiled model, whose metrics have their variables.
        part: The data it is trained on, where TensorFlow computes.
        batch_size: Examples in a step.

    Returns:
        `tf.function` of int32 tensors `rows` (most steps, batch size) and
        `steps` (scalar) that takes so many steps and returns the metrics over
        them, by name.
    """

    @tf.function(jit_compile=jit_compile(model), autograph=False)
    def step(rows):
        with held_zeros.held(model):
            model.train_step(part.batch(rows))

    def steps_in_turn(rows, steps):
        reset_metrics(model)
        held_zeros.establish(model)
        loops.repeat(lambda number: step(rows[number]), steps)

    one = step.get_concrete_function(tf.TensorSpec([batch_size], tf.int32))
    stretch = loops.compiled(steps_in_turn, one, part.inputs.device)

    @tf.function(autograph=False)
    def program(rows, steps):
        stretch(rows, steps)
        # Never by XLA, whose division rounds in another way.
        return model.get_metrics_result()

    return program


def arguments(steps: int, batch_size: int) -> tuple[Any, Any]:
    """Returns the types of the arguments of a program of `training`.

    Args:
        steps: Most steps in a stretch.
        batch_size: Examples in a step.
    """
    shape = [steps, batch_size]
    return tf.TensorSpec(shape, tf.int32), tf.TensorSpec([], tf.int32)


def padded(rows: np.ndarray, steps: int) -> tuple[Any, Any]:
    """Returns the arguments for a stretch, in the shape of the longest.

    With one shape there is one program for stretches of every length.

    Args:
        rows: Int32 array (at most `steps`, batch size).
        steps: Most steps in a stretch.
    """
    count = len(rows)
    rows = np.pad(rows, [(0, steps - count), (0, 0)])
    return tf.constant(rows), tf.constant(count)


def make_metrics(model: Any, part: Resident) -> None:
    """Has a model make the variables of its metrics, which it does late.

    Made by the first step that is traced, they would be part of it.

    Args:
        model: Compiled model.
        part: Any data of it.
    """
    model.test_step(part.batch(tf.constant(part.rows[:1], tf.int32)))


def numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Returns metrics as numbers."""
    return measurements.as_numbers(metrics)


def reset_metrics(model: Any) -> None:
    """Has the metrics of a model begin anew, in a function that is traced.

    Args:
        model: Compiled model.
    """
    for metric in model.metrics:
        metric.reset_state()
