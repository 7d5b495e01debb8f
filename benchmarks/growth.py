"""Case `growth`: how the time of a round grows with the size of a search.

An MLP grows wider and deeper; a search grows by rounds and by replicates. A
round here is training, validation, pruning, rewinding and files. Steps are
few, so that what is done once a round shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tflottery
from benchmarks import noise
from benchmarks.figure import Figure
from benchmarks.measuring import Sample, alternate
from benchmarks.searching import seconds_of_a_round

TINY = {
    "examples": noise.Noise(train=60, validation=20, test=20, shape=(8,)),
    "sizes": {
        "width": (2, 4),
        "depth": (1, 2),
        "rounds": (1, 2),
        "replicates": (1, 2),
    },
    "width": 4,
    "steps": 2,
    "batch_size": 4,
    "runs": 1,
}
_SIZES = {
    "width": (64, 128, 256, 512, 1024),
    "depth": (1, 2, 3, 4, 6),
    "rounds": (1, 2, 4, 8, 16),
    "replicates": (1, 2, 4, 8),
}
_EXAMPLES = noise.Noise(train=7000, validation=1000, test=1000, shape=(128,))


def run(
    *,
    examples: noise.Noise = _EXAMPLES,
    sizes: Mapping[str, Sequence[int]] | None = None,
    width: int = 256,
    steps: int = 200,
    batch_size: int = 60,
    runs: int = 3,
) -> list[Figure]:
    """Returns for each way to grow what a unit of work takes at the end.

    Args:
        examples: How many examples there are, and their shape.
        sizes: `{way to grow: sizes, the smallest first}`.
        width: Units of a layer where it is not the width that grows.
        steps: Steps in a round; it is validated twice.
        batch_size: Examples in a step.
        runs: Measurements of each size.
    """
    data = examples.dataset()
    figures = []
    for way, numbers in (sizes or _SIZES).items():
        tasks: dict[str, Callable[[], float]] = {}
        weights = {}
        for number in numbers:
            hidden, changes = _setting(way, number, width)
            config = tflottery.SearchConfig(
                model="mlp",
                model_options={"hidden": hidden},
                steps=steps,
                validate_every=steps // 2,
                batch_size=batch_size,
                **{"rounds": 1, **changes},
            )
            tasks[f"{way} {number}"] = lambda config=config: seconds_of_a_round(
                data, config
            )
            weights[f"{way} {number}"] = _weights(data, hidden)
        found = alternate(tasks, runs=runs, warm_up=0)
        figures.append(_figure(way, found, weights))
    return figures


def _setting(way, number, width) -> tuple[list[int], dict[str, Any]]:
    """Returns the layers of the MLP, and what changes in the search."""
    if way == "width":
        return [number] * 2, {}
    if way == "depth":
        return [width] * number, {}
    return [width] * 2, {way: number}


def _weights(data, hidden):
    sizes = [*data.input_shape, *hidden, data.num_classes]
    return sum(
        rows * columns for rows, columns in zip(sizes, sizes[1:], strict=False)
    )


def _figure(way: str, found: Mapping[str, Sample], weights: Any) -> Figure:
    least, most = list(found)[0], list(found)[-1]
    what, factor = f"time of a round, {most} over {least}", 1.0
    if way in ("width", "depth"):
        what = f"time of a round for each weight, {most} over {least}"
        factor = weights[least] / weights[most]
    return Figure(
        name=f"growth/{way}",
        what=what,
        values=found[most].over(found[least]).scaled(factor),
        parts=dict(found),
    )
