"""Programs: many steps of training, or a whole evaluation, compiled as one.

By itself Keras enters a compiled step once a batch, with a batch that was made
on the host. For data in memory a program can hold the loop and take batches by
row number, so that all that goes in is numbers and all that comes out is the
metrics. The steps are those of the models, and so are the bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tflottery.data.memory import InMemoryDataset
from tflottery.data.resident import Resident
from tflottery.layers import held_zeros

_STEPS = ("train_step", "test_step", "make_train_function", "compute_loss")
_FAMILIES = ("keras", "tf_keras")


def obstacle(model: Any, data: Any) -> str | None:
    """Says why a model's steps cannot be put into a program, if so.

    Args:
        model: Compiled model of either family.
        data: A `tflottery.data.Dataset`.

    Returns:
        What stands in the way, in words; `None` if nothing does.
    """
    jit_compile = bool(getattr(model, "jit_compile", False))
    found = obstacle_around(data, model.distribute_strategy, jit_compile)
    for name in _STEPS:
        if found is None and not _is_stock(model, name):
            found = f"the model has a `{name}` of its own"
    return found


def obstacle_around(data: Any, strategy: Any, jit_compile: Any) -> str | None:
    """Says what stands in the way before there is a model.

    Args:
        data: A `tflottery.data.Dataset`.
        strategy: The `tf.distribute.Strategy` of the model.
        jit_compile: Whether the model is compiled with XLA.

    Returns:
        As `obstacle`.
    """
    if type(data) is not InMemoryDataset:
        return f"the data, {data!r}, is not held in memory as it is"
    is_default = "Default" in type(strategy).__name__
    if tf.distribute.has_strategy() or not is_default:
        return f"{type(strategy).__name__} divides the batches by itself"
    if not jit_compile:
        return "the model is not compiled with jit_compile=True"
    return None


def _is_stock(model, name):
    function = getattr(type(model), name, None)
    return getattr(function, "__module__", "").split(".")[0] in _FAMILIES


def training(model: Any, part: Resident) -> Any:
    """Returns the program that trains a model.

    Args:
        model: Compiled model, whose metrics have their variables.
        part: The data it is trained on, where TensorFlow computes.

    Returns:
        `tf.function` of int32 tensors `rows` (most steps, batch size) and
        `steps` (scalar) that takes so many steps and returns the metrics over
        them, by name.
    """

    @tf.function(jit_compile=True, autograph=False)
    def program(rows, steps):
        _reset(model)
        held_zeros.establish(model)

        def step(number):
            with held_zeros.held():
                model.train_step(part.batch(rows[number]))
            return (number + 1,)

        tf.while_loop(lambda number: number < steps, step, [tf.constant(0)])

    @tf.function(autograph=False)
    def measured(rows, steps):
        program(rows, steps)
        # Outside of XLA, whose division rounds in another way.
        return model.get_metrics_result()

    return measured


def evaluation(model: Any, part: Resident, batch_size: int) -> Any:
    """Returns the program that measures a model.

    Args:
        model: Compiled model, whose metrics have their variables.
        part: The data it is measured on, where TensorFlow computes.
        batch_size: Examples at once; the last batch may have fewer.

    Returns:
        `tf.function` without arguments that returns the metrics by name.
    """
    part = part.in_order()  # a slice is cheaper than a gathering each time
    whole, rest = divmod(part.size, batch_size)

    def measure(begin, count):
        x, y = (
            tf.slice(
                array,
                [begin, *[0] * (len(array.shape) - 1)],
                [count, *array.shape[1:]],
            )
            for array in (part.inputs, part.labels)
        )
        model.test_step((part.scaled(x), y))

    @tf.function(jit_compile=True, autograph=False)
    def program():
        _reset(model)

        def step(number):
            measure(number * batch_size, batch_size)
            return (number + 1,)

        if whole:
            tf.while_loop(lambda number: number < whole, step, [tf.constant(0)])
        if rest:
            measure(whole * batch_size, rest)

    @tf.function(autograph=False)
    def measured():
        program()
        return model.get_metrics_result()

    return measured


def make_metrics(model: Any, part: Resident) -> None:
    """Has a model make the variables of its metrics, which it does late.

    Made by the first step that is traced, they would be part of it.

    Args:
        model: Compiled model.
        part: Any data of it.
    """
    model.test_step(part.batch(tf.constant(part.rows[:1], tf.int32)))


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Returns metrics as numbers."""
    return {name: float(value) for name, value in metrics.items()}


def _reset(model):
    for metric in model.metrics:
        metric.reset_state()
