"""Case `step_tf_keras`: a step of a wrapped tf_keras model over a dense one.

Small networks are measured with and without XLA, large ones with it. Beside
each stands TF-MOT's own wrapper, which tflottery's extends, on the same
network, with the same data, in the same run. The schedule of both asks for a
mask update every 100 steps, as is TF-MOT's default.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import tflottery
from benchmarks.figure import Figure
from benchmarks.measuring import alternate, seconds_of
from benchmarks.stepping import compiled, dense, fit, masked, random_images
from tflottery.tfmot import guard

_SPARSITY = 0.2


@dataclasses.dataclass(frozen=True)
class Network:
    """How a network of the zoo is measured.

    Args:
        shape: Shape of an example.
        batch_size: Examples in a step.
        steps: Steps in one measurement.
        at_most: The aim for the wrapped network.
        jit_compile: Whether with XLA, without it, or first one, then the
            other.
    """

    shape: tuple[int, ...]
    batch_size: int
    steps: int
    at_most: float
    jit_compile: tuple[bool, ...] = (True, False)


TINY = {
    "networks": {"lenet_300_100": Network((28, 28, 1), 4, 2, 1.05)},
    "steps_per_execution": 2,
    "runs": 1,
}
_NETWORKS = {
    "lenet_300_100": Network((28, 28, 1), 60, 400, 1.05),
    "conv2": Network((32, 32, 3), 60, 8, 1.05),
    "conv4": Network((32, 32, 3), 60, 3, 1.02, (True,)),
    "resnet20": Network((32, 32, 3), 32, 3, 1.02, (True,)),
}


def run(
    *,
    networks: dict[str, Network] | None = None,
    steps_per_execution: int = 100,
    runs: int = 11,
) -> list[Figure]:
    """Returns the ratios of each network.

    Args:
        networks: `{name in the zoo: how it is measured}`.
        steps_per_execution: Most steps that one function call runs.
        runs: Measurements of each model.
    """
    figures = []
    for name, network in (networks or _NETWORKS).items():
        for jit in network.jit_compile:
            per_execution = min(network.steps, steps_per_execution)
            found = _measure(name, network, jit, per_execution, runs)
            for kind in ("wrapped", "gradual", "TF-MOT"):
                figures.append(_figure(name, network, jit, kind, found))
    return figures


def _figure(name, network, jit, kind, found):
    xla = "with" if jit else "without"
    return Figure(
        name=f"step_tf_keras/{name}/{'jit' if jit else 'no jit'}/{kind}",
        what=(
            f"{name}, batch {network.batch_size}, {kind} over dense, {xla} XLA"
        ),
        values=found[kind].over(found["dense"]),
        at_most=network.at_most if kind == "wrapped" else None,
        parts={key: found[key] for key in (kind, "dense")},
    )


def _measure(name, network, jit, per_execution, runs):
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
    batch_size, steps = network.batch_size, network.steps
    images = random_images(network.shape, max(10 * batch_size, 100))
    tasks = {}
    for kind, (wrap, callbacks) in ways.items():
        model = compiled(
            name,
            network.shape,
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
