"""Latency: how long a run takes, measured beside the dense network's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.export.interpreter import Interpreter


@dataclasses.dataclass(frozen=True)
class Latency:
    """Milliseconds of one run of one example on this machine.

    Args:
        median: of all runs.
        lower: the lower quartile.
        upper: the upper quartile.
        runs: how many.
        threads: how many threads each might use.
    """

    median: float
    lower: float
    upper: float
    runs: int
    threads: int

    def __str__(self):
        return f"{self.median:.3g} ({self.lower:.3g} to {self.upper:.3g})"


def measure(
    interpreter: Interpreter,
    paths: Mapping[str, Any],
    inputs: Mapping[str, np.ndarray],
    seconds: float = 1.0,
) -> dict[str, Latency]:
    """Times files in turn, so that whatever else runs disturbs all alike.

    Args:
        interpreter: it has loaded them.
        paths: `{name: file}`.
        inputs: the first example is used.
        seconds: how long to go on, for all together.

    Returns:
        `{name: Latency}`.
    """
    found = interpreter.seconds(list(paths.values()), inputs, seconds)
    quartiles = np.percentile(found * 1e3, [50, 25, 75], axis=1).T
    return {
        name: Latency(
            *(float(value) for value in row),
            runs=found.shape[1],
            threads=interpreter.threads,
        )
        for name, row in zip(paths, quartiles, strict=True)
    }
