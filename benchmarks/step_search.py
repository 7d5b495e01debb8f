"""Case `step_search`: a step as a search runs it, over a dense one and `fit`'s.

A search keeps all steps between two validations in one program, which begins
with masked weights and masks gradients and updates from there on. The same
program trains the dense network, and Keras' own `fit` the masked one.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from benchmarks.figure import Figure
from benchmarks.measuring import Sample, alternate, seconds_of
from benchmarks.stepping import compiled, dense, fit, masked, random_images
from tflottery.lottery.engines import programs

# Inputs, examples in a step, steps in a program, and the aim. A program begins
# by zeroing what is pruned, so it must not be much shorter than in a search.
_NETWORKS = {
    "lenet_300_100": ((28, 28, 1), 60, 400, 1.05),
    "conv4": ((32, 32, 3), 60, 20, 1.02),
    "resnet20": ((32, 32, 3), 32, 30, 1.02),
}
_FAMILIES = {"keras": keras, "tf_keras": tf_keras}
TINY = {
    "networks": {
        name: ((4, 4, 3), 2, 2, settings[-1])
        for name, settings in _NETWORKS.items()
    },
    "builds": 2,
    "runs": 1,
}


def run(
    *,
    networks: dict[str, tuple[tuple[int, ...], int, int, float]] | None = None,
    builds: int = 4,
    runs: int = 4,
) -> list[Figure]:
    """Returns the ratios of each network, in both families.

    Args:
        networks: `{name in the zoo: (shape of an input, examples in a step,
            steps in a program, aim)}`.
        builds: How often each is built anew. Two equal networks differ by up
            to two percent for as long as they live.
        runs: Measurements of each build.
    """
    return [
        figure
        for name, settings in (networks or _NETWORKS).items()
        for family in _FAMILIES
        for figure in _compare(name, family, *settings, builds, runs)
    ]


def _compare(
    name, family, input_shape, batch_size, steps, at_most, builds, runs
):
    images = random_images(input_shape, max(10 * batch_size, 100))

    def network(wrap):
        return compiled(
            name,
            input_shape,
            wrap=wrap,
            jit_compile=None,
            steps_per_execution=steps,
            keras_module=_FAMILIES[family],
        )

    def fitted():
        model = network(masked)
        batches = images.train_batches(batch_size, seed=0)
        return lambda: seconds_of(lambda: fit(model, batches, steps)) / steps

    makers = {
        "masked": lambda: _step(network(masked), images, batch_size, steps),
        "dense": lambda: _step(network(dense), images, batch_size, steps),
        "fit": fitted,
    }
    measured = []
    for number in range(builds):
        # In another order each time: who is made first may be better placed.
        order = list(makers)[:: -1 if number % 2 else 1]
        tasks = {kind: makers[kind]() for kind in order}
        measured.append(alternate(tasks, runs=runs))
    found = {
        kind: Sample(tuple(run for new in measured for run in new[kind].runs))
        for kind in makers
    }
    where = f"{name} of {family}, batch {batch_size}, a step of a search's"
    return [
        Figure(
            name=f"step_search/{name}/{family}",
            what=f"{where} program masked over dense",
            values=found["masked"].over(found["dense"]),
            at_most=at_most,
            parts={kind: found[kind] for kind in ("masked", "dense")},
        ),
        Figure(
            name=f"step_search/{name}/{family}/over fit",
            what=f"{where} program over one of `fit`, both masked",
            values=found["masked"].over(found["fit"]),
            at_most=1.05,
            parts={kind: found[kind] for kind in ("masked", "fit")},
        ),
    ]


def _step(model, images, batch_size, steps):
    model.optimizer.build(model.trainable_variables)
    part = images.resident("train")
    programs.make_metrics(model, part)
    program = programs.training(model, part, batch_size)
    rows = np.random.default_rng(0).integers(
        0, part.size, (steps, batch_size), np.int32
    )
    rows, count = tf.constant(rows), tf.constant(steps)

    def train():
        loss = programs.numbers(program(rows, count))["loss"]
        if not np.isfinite(loss):
            raise RuntimeError(
                f"The network was to be trained. Received: loss={loss}. What "
                "was timed did not do the work."
            )

    return lambda: seconds_of(train) / steps
