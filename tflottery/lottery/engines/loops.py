"""Loops of compiled steps: inside of one compiled program, or around many.

Inside is faster for small networks, since nothing but the loop's end leaves the
program. But on CPUs XLA brings convolutions into the form that it has fast code
for only where they are not in a loop (as of TensorFlow 2.21; see
github.com/jax-ml/jax/issues/12868): the gradients of Conv-2 took 80 times as
long in one. Steps with convolutions are therefore compiled one by one there,
and TensorFlow goes around.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tflottery.lottery.engines import operations


def repeat(step: Callable[[tf.Tensor], Any], times: Any) -> None:
    """Takes steps one after the other, in the function that is being traced.

    Args:
        step: Is called with the number of the step, an int32 scalar from 0.
        times: How many steps; may be a tensor.
    """

    def body(number):
        step(number)
        return (number + 1,)

    tf.while_loop(
        lambda number: number < times,
        body,
        [tf.constant(0)],
        parallel_iterations=1,  # no batches in memory ahead of their step
    )


def compiled(loop: Callable[..., Any], step: Any, device: str) -> Any:
    """Returns a function with a loop, compiled as a whole if that is faster.

    Args:
        loop: Calls the step in a loop.
        step: Concrete `tf.function` of one step.
        device: Name of the device that both are for.

    Example:
        >>> total = tf.Variable(0.0)
        >>> @tf.function(jit_compile=True)
        ... def step(number):
        ...     total.assign_add(tf.cast(number, tf.float32))
        >>> scalar = tf.TensorSpec([], tf.int32)
        >>> sums = compiled(
        ...     lambda times: repeat(step, times),
        ...     step.get_concrete_function(scalar),
        ...     total.device,
        ... )
        >>> sums(tf.constant(5))
        >>> float(total)  # 0 + 1 + 2 + 3 + 4
        10.0
    """
    by_xla = "_XlaMustCompile" in step.function_def.attr
    if "CPU" in device and operations.convolves(step):
        by_xla = False
    return tf.function(loop, jit_compile=by_xla or None, autograph=False)
