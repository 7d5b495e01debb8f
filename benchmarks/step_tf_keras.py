"""Case `step_tf_keras`: a step of a wrapped tf_keras model over a dense one.

Beside it stands TF-MOT's own wrapper, which tflottery's extends, on the same
network, with the same data, in the same run. The schedule of both asks for a
mask update every 100 steps, as is TF-MOT's default.
"""

from __future__ import annotations

from typing import Any

import tflottery
from benchmarks.figure import Figure
from benchmarks.measuring import alternate, seconds_of
from benchmarks.stepping import compiled, dense, fit, masked, random_images
from tflottery.tfmot import guard

TINY = {
    "networks": {"lenet_300_100": ((28, 28, 1), 2)},
    "steps_per_execution": 2,
    "batch_size": 4,
    "runs": 1,
}
_SPARSITY = 0.2
# name: (shape of an example, steps in one measurement)
_NETWORKS = {"lenet_300_100": ((28, 28, 1), 400), "conv2": ((32, 32, 3), 8)}


def run(
    *,
    networks: dict[str, tuple[tuple[int, ...], int]] | None = None,
    batch_size: int = 60,
    steps_per_execution: int = 100,
    runs: int = 11,
) -> list[Figure]:
    """Returns the ratios of each network, with and without XLA.

    Args:
        networks: `{name in the zoo: (shape of an example, steps)}`.
        batch_size: Examples per step.
        steps_per_execution: Most steps that one function call runs.
        runs: Measurements of each model.
    """
    figures = []
    for name, (shape, steps) in (networks or _NETWORKS).items():
        for jit in (True, False):
            found = _measure(
                name,
                shape,
                jit,
                batch_size,
                steps,
                min(steps, steps_per_execution),
                runs,
            )
            for kind in ("wrapped", "gradual", "TF-MOT"):
                figures.append(_figure(name, jit, batch_size, kind, found))
    return figures


def _figure(name, jit, batch_size, kind, found):
    xla = "with" if jit else "without"
    return Figure(
        name=f"step_tf_keras/{name}/{'jit' if jit else 'no jit'}/{kind}",
        what=f"{name}, batch {batch_size}, {kind} over dense, {xla} XLA",
        values=found[kind].over(found["dense"]),
        at_most=1.05 if kind == "wrapped" else None,
        parts={key: found[key] for key in (kind, "dense")},
    )


def _measure(name, shape, jit, batch_size, steps, per_execution, runs):
    tfmot = guard.tfmot()
    ways: dict[str, tuple[Any, list[Any]]] = {
        "wrapped": (masked, []),
        "gradual": (_gradual, [tflottery.UpdatePruningStep()]),
        "TF-MOT": (
            lambda model: tfmot.prune_low_magnitude(
                model, tfmot.ConstantSparsity(_SPARSITY, 0)
            ),
            [tfmot.UpdatePruningStep()],
        ),
        "dense": (dense, []),
    }
    images = random_images(shape, max(10 * batch_size, 100))
    tasks = {}
    for kind, (wrap, callbacks) in ways.items():
        model = compiled(
            name,
            shape,
            wrap=wrap,
            jit_compile=jit,
            steps_per_execution=per_execution,
            keras_module=guard.tf_keras(),
        )
        batches = images.train_batches(batch_size, seed=0)
        tasks[kind] = lambda model=model, batches=batches, c=callbacks: (
            seconds_of(lambda: fit(model, batches, steps, c)) / steps
        )
    return alternate(tasks, runs=runs, warm_up=2)


def _gradual(model):
    return tflottery.prune_low_magnitude(
        model, tflottery.ConstantSparsity(_SPARSITY, 0)
    )
