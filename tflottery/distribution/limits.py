"""Limits: what each Keras family can do under a distribution strategy.

Keras 3 and tf_keras fail under some strategies, mostly deep inside the first
step and in words that nobody can act on. What fails is written down here, so
that it is chosen around, or refused before any work is done. The tests run what
is refused: they say when a limit can go.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import tensorflow as tf

from tflottery.core.checks import check_choice, check_positive_int

_logger = logging.getLogger("tflottery")

_FAMILIES = ("keras", "tf_keras")


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a Keras family can do under a strategy.

    Attributes:
        steps_per_execution: whether more than one step per execution works.
        jit_compile: whether `jit_compile=True` works.
        reasons: why not, a sentence for each that does not.

    Example:
        >>> limits(tf.distribute.get_strategy(), "keras")
        Limits(steps_per_execution=True, jit_compile=True, reasons=())
    """

    steps_per_execution: bool
    jit_compile: bool
    reasons: tuple[str, ...] = ()


def limits(strategy: Any, keras_name: str) -> Limits:
    """Returns what a Keras family can do under a strategy.

    | strategy | Keras 3 | tf_keras |
    |---|---|---|
    | default, one device, any of one replica | all | all |
    | mirrored over two or more replicas | neither | no `jit_compile` |
    | multi-worker of two or more workers | refused | no `jit_compile` |
    | TPU | refused | no `jit_compile`: it compiles by itself |

    Args:
        strategy: a `tf.distribute.Strategy`, such as `strategies.get` returns.
        keras_name: the family, "keras" (Keras 3) or "tf_keras".

    Returns:
        The `Limits`.

    Raises:
        ValueError: the family cannot train under the strategy at all.
    """
    check_choice("keras_name", keras_name, _FAMILIES)
    is_keras_3 = keras_name == "keras"
    name = type(strategy).__name__
    if isinstance(strategy, tf.distribute.TPUStrategy):
        if is_keras_3:
            _refuse("a TPU strategy", "Keras 3 is not known to train there")
        return Limits(True, False, ("A TPU compiles every step by itself.",))
    workers = _count_workers(strategy)
    if workers > 1:
        where = f"a multi-worker strategy ({workers} workers)"
        if is_keras_3:
            _refuse(where, "the `fit` of Keras 3 fails there")
        return Limits(True, False, (f"XLA has no collectives under {where}.",))
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return Limits(True, True)
    where = f"{name} with {replicas} replicas"
    no_jit = f"`jit_compile=True` fails under {where}."
    if is_keras_3:
        no_loop = f"Keras 3 runs one step per execution under {where}."
        return Limits(False, False, (no_loop, no_jit))
    return Limits(True, False, (no_jit,))


def choose(
    strategy: Any,
    keras_name: str,
    steps_per_execution: int,
    jit_compile: bool | str | None,
) -> tuple[int, bool | str | None]:
    """Returns what to compile a model with, as asked for or what works instead.

    Each thing chosen around is logged, one line each.

    Args:
        strategy: a `tf.distribute.Strategy`.
        keras_name: the family, "keras" (Keras 3) or "tf_keras".
        steps_per_execution: steps asked for per execution, at least 1.
        jit_compile: whether to compile with XLA; "auto" and `None` leave it to
            Keras.

    Returns:
        `(steps_per_execution, jit_compile)`, for `model.compile`.

    Raises:
        ValueError: the family cannot train under the strategy at all.

    Example:
        >>> choose(tf.distribute.get_strategy(), "keras", 10, True)
        (10, True)
    """
    check_positive_int("steps_per_execution", steps_per_execution)
    found = limits(strategy, keras_name)
    reasons = " ".join(found.reasons)
    if steps_per_execution > 1 and not found.steps_per_execution:
        _logger.info(
            "steps_per_execution=1 instead of %d. %s",
            steps_per_execution,
            reasons,
        )
        steps_per_execution = 1
    if jit_compile and not found.jit_compile:
        if jit_compile is True:
            _logger.info("jit_compile=False instead of True. %s", reasons)
        jit_compile = False
    return steps_per_execution, jit_compile


def check_compiled(
    strategy: Any,
    keras_name: str,
    steps_per_execution: int,
    jit_compile: bool,
) -> None:
    """Refuses a compiled model that cannot train under its strategy.

    Args:
        strategy: a `tf.distribute.Strategy`.
        keras_name: the family, "keras" (Keras 3) or "tf_keras".
        steps_per_execution: what the model was compiled with.
        jit_compile: what the model was compiled with.

    Raises:
        ValueError: Keras would fail in the first step, in words of its own.
    """
    found = limits(strategy, keras_name)
    if steps_per_execution > 1 and not found.steps_per_execution:
        received = f"steps_per_execution={steps_per_execution}"
    elif jit_compile and not found.jit_compile:
        received = "jit_compile=True"
    else:
        return
    raise ValueError(
        "The model must be compiled for what its strategy can do. Received: "
        f"{received}. {' '.join(found.reasons)} Leave it out of `compile`."
    )


def _refuse(where: str, why: str) -> None:
    raise ValueError(
        f"`keras` must be 'tf_keras' under {where}. Received: keras='keras'. "
        f"{why[0].upper() + why[1:]}; use keras='tf_keras', or on the command "
        "line --keras=tf_keras, with a model of tf_keras."
    )


def _count_workers(strategy: Any) -> int:
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    here = len(strategy.extended.worker_devices)
    return strategy.num_replicas_in_sync // here
