"""Masked over dense: the time of a training step with and without masks.

Shared by the cases that differ in the network only. Both models stand in one
process, read the same stream of batches and are trained by plain `fit`, first
one, then the other, again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

import tflottery
from benchmarks.figure import Figure
from benchmarks.measuring import alternate, seconds_of
from tflottery import data, models
from tflottery.lottery import compiling

_EXAMPLES = 6000
_NUM_CLASSES = 10


def random_images(
    input_shape: Sequence[int], num_examples: int = _EXAMPLES
) -> data.InMemoryDataset:
    """Returns noise in the shape of a dataset; speed asks for no more."""
    generator = np.random.default_rng(0)
    shape = (num_examples, *input_shape)
    pair = (
        generator.integers(0, 256, shape, dtype=np.uint8),
        generator.integers(0, _NUM_CLASSES, num_examples),
    )
    return data.InMemoryDataset(
        "noise", train=pair, test=None, num_classes=_NUM_CLASSES
    )


def compiled(
    name: str,
    input_shape: Sequence[int],
    *,
    wrap: Callable[[Any], Any],
    jit_compile: bool | None,
    steps_per_execution: int,
    keras_module: Any = keras,
) -> Any:
    """Builds a network of the zoo and compiles it as a search does.

    Args:
        name: One of `tflottery.models.names()`.
        input_shape: Shape of an example.
        wrap: What is done to the network before it is compiled.
        jit_compile: Whether the step is compiled with XLA; if `None`, where a
            search does it by itself.
        steps_per_execution: Steps that `fit` runs as one function call.
        keras_module: `keras` or `tf_keras`.
    """
    model = wrap(
        models.build(
            name,
            keras_module,
            input_shape=input_shape,
            num_classes=_NUM_CLASSES,
        )
    )
    if jit_compile is None:
        jit_compile = compiling.is_faster_with_xla(model)
    model.compile(
        optimizer=keras_module.optimizers.Adam(1.2e-3),
        loss=keras_module.losses.SparseCategoricalCrossentropy(
            from_logits=True
        ),
        metrics=["accuracy"],
        jit_compile=jit_compile,
        steps_per_execution=steps_per_execution,
    )
    return model


def dense(model: Any) -> Any:
    """Leaves a network as it is."""
    return model


def masked(model: Any) -> Any:
    """Wraps a network and prunes it to a density of 0.8."""
    return tflottery.prune_once(model, 0.2)


def fit(
    model: Any, batches: Any, steps: int, callbacks: Sequence[Any] = ()
) -> None:
    """Trains so many steps, and prints nothing."""
    model.fit(
        batches,
        steps_per_epoch=steps,
        epochs=1,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )


def masked_over_dense(
    case: str,
    network: str,
    input_shape: Sequence[int],
    *,
    jit_compile: bool,
    at_most: float | None,
    batch_size: int,
    steps: int,
    steps_per_execution: int,
    runs: int,
) -> Figure:
    """Measures one network with and without masks.

    Args:
        case: Name of the case, for the figure's.
        network: Name of the network in the zoo.
        input_shape: Shape of an example.
        jit_compile: Whether the step is compiled with XLA.
        at_most: The aim for the ratio.
        batch_size: Examples per step.
        steps: Steps in one measurement.
        steps_per_execution: Steps that `fit` runs as one function call.
        runs: Measurements of each of the two.

    Returns:
        The ratio of the times of a step, and both times.
    """
    images = random_images(input_shape, max(10 * batch_size, 100))
    tasks = {}
    for kind, wrap in (("masked", masked), ("dense", dense)):
        model = compiled(
            network,
            input_shape,
            wrap=wrap,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
        )
        batches = images.train_batches(batch_size, seed=0)
        tasks[kind] = lambda model=model, batches=batches: (
            seconds_of(lambda: fit(model, batches, steps)) / steps
        )
    found = alternate(tasks, runs=runs, warm_up=2)
    return Figure(
        name=f"{case}/{'jit' if jit_compile else 'no jit'}",
        what=(
            f"{network}, batch {batch_size}, a step masked over dense, "
            f"{'with' if jit_compile else 'without'} XLA"
        ),
        values=found["masked"].over(found["dense"]),
        at_most=at_most,
        parts=found,
    )
