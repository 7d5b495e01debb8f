"""Case `step_search`: a masked step over a dense one, as a search runs them.

A search keeps all steps between two validations in one program, which begins
with masked weights and masks gradients and updates from there on. The same
program trains the dense network.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from benchmarks.figure import Figure
from benchmarks.measuring import alternate, seconds_of
from benchmarks.stepping import compiled, dense, masked, random_images
from tflottery.lottery.engines import programs

# Inputs, examples in a step, steps in a program, and the aim.
_NETWORKS = {
    "lenet_300_100": ((28, 28, 1), 60, 400, 1.05),
    "conv4": ((32, 32, 3), 60, 3, 1.02),
    "resnet20": ((32, 32, 3), 32, 4, 1.02),
}
_FAMILIES = {"keras": keras, "tf_keras": tf_keras}
TINY = {
    "networks": {
        name: ((4, 4, 3), 2, 2, settings[-1])
        for name, settings in _NETWORKS.items()
    },
    "runs": 1,
}


def run(
    *,
    networks: dict[str, tuple[tuple[int, ...], int, int, float]] | None = None,
    runs: int = 11,
) -> list[Figure]:
    """Returns the ratio of each network, in both families.

    Args:
        networks: `{name in the zoo: (shape of an input, examples in a step,
            steps in a program, aim)}`.
        runs: Measurements of each.
    """
    return [
        _compare(name, family, *settings, runs)
        for name, settings in (networks or _NETWORKS).items()
        for family in _FAMILIES
    ]


def _compare(name, family, input_shape, batch_size, steps, at_most, runs):
    tasks = {
        kind: _step(name, family, input_shape, batch_size, steps, wrap)
        for kind, wrap in (("masked", masked), ("dense", dense))
    }
    found = alternate(tasks, runs=runs, warm_up=2)
    return Figure(
        name=f"step_search/{name}/{family}",
        what=(
            f"{name} of {family}, batch {batch_size}, a step of a search's "
            "program masked over dense"
        ),
        values=found["masked"].over(found["dense"]),
        at_most=at_most,
        parts=found,
    )


def _step(name, family, input_shape, batch_size, steps, wrap):
    model = compiled(
        name,
        input_shape,
        wrap=wrap,
        jit_compile=True,
        steps_per_execution=steps,
        keras_module=_FAMILIES[family],
    )
    model.optimizer.build(model.trainable_variables)
    part = random_images(input_shape, max(10 * batch_size, 100)).resident(
        "train"
    )
    programs.make_metrics(model, part)
    program = programs.training(model, part)
    rows = np.random.default_rng(0).integers(
        0, part.size, (steps, batch_size), np.int32
    )
    rows, count = tf.constant(rows), tf.constant(steps)

    def train():
        loss = programs.numbers(program(rows, count))["loss"]
        if not np.isfinite(loss):
            raise RuntimeError(
                f"{name} was to be trained. Received: loss={loss}. What was "
                "timed did not do the work."
            )

    return lambda: seconds_of(train) / steps
