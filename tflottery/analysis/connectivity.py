"""How connected units are: connections in and out, against chance.

Each survivor is a connection from an input to an output. If survivors fell at
random, the counts of units would scatter as draws without replacement do: of
n entries of a tensor k are kept, a unit has s of them, and the variance of
its count is `s * d * (1 - d) * (n - s) / (n - 1)` with `d = k / n` (of a
hypergeometric distribution). The mean over units is fixed, so this is also
what to expect of the variance about it. A greater one says that survivors
crowd at some units.

Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, appendix
F.6.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tflottery.analysis.findings import Findings
from tflottery.analysis.run_files import Place, RunFiles

INCOMING = "incoming"
OUTGOING = "outgoing"


def connections(alive: np.ndarray) -> dict[str, np.ndarray]:
    """Counts the connections of every unit on both sides of a kernel.

    Args:
        alive: bool array `(..., inputs, outputs)`, as Keras lays kernels out;
            in a convolution the leading axes are those of its window, and
            units are channels.

    Returns:
        `{"incoming": (outputs,), "outgoing": (inputs,)}`, arrays of int64.

    Raises:
        ValueError: the array has fewer than two axes.

    Example:
        >>> found = connections(np.array([[1, 1, 0], [1, 0, 0]], bool))
        >>> found["incoming"].tolist(), found["outgoing"].tolist()
        ([2, 1, 0], [2, 1])
    """
    alive = np.asarray(alive)
    if alive.ndim < 2:
        raise ValueError(
            "`alive` must be the mask of a kernel, (..., inputs, outputs). "
            f"Received: an array of shape {alive.shape}. Use a kernel of rank "
            "2 or more."
        )
    window = tuple(range(alive.ndim - 2))
    between = np.count_nonzero(alive, axis=window) if window else alive
    return {
        INCOMING: np.sum(between, axis=0, dtype=np.int64),
        OUTGOING: np.sum(between, axis=1, dtype=np.int64),
    }


def chance_variance(size: int, kept: int, share: int) -> float:
    """Returns the variance of a unit's connections under a random mask.

    Args:
        size: entries of the tensor.
        kept: survivors among them.
        share: entries that belong to the unit.

    Returns:
        Variance of a hypergeometric distribution, at least 0.

    Example:
        >>> chance_variance(size=4, kept=2, share=2)
        0.3333333333333333
    """
    if size < 2:
        return 0.0
    density = kept / size
    spread = share * density * (1 - density)
    return spread * (size - share) / (size - 1)


def describe(alive: np.ndarray) -> dict[str, dict[str, Any]]:
    """Describes the connections of the units on both sides of a kernel.

    Args:
        alive: bool array `(..., inputs, outputs)`.

    Returns:
        For `"incoming"` and `"outgoing"`: `units`, `mean`, `least` and
        `greatest` count, `variance` about the mean, `chance_variance`, and
        how many units are `dead`, without any connection there.

    Example:
        >>> found = describe(np.array([[1, 1, 0], [1, 0, 0]], bool))
        >>> found["incoming"]["mean"], found["incoming"]["dead"]
        (1.0, 1)
    """
    found = {}
    for side, counts in connections(alive).items():
        units, size = counts.size, alive.size
        share = size // units if units else 0
        found[side] = {
            "units": int(units),
            "mean": float(counts.mean()) if units else 0.0,
            "least": int(counts.min(initial=size)) if units else 0,
            "greatest": int(counts.max(initial=0)),
            "variance": float(counts.var()) if units else 0.0,
            "chance_variance": chance_variance(size, int(counts.sum()), share),
            "dead": int(np.count_nonzero(counts == 0)),
        }
    return found


def examine(run: RunFiles) -> Findings:
    """Describes the units of every layer and round of the tickets.

    Args:
        run: the run directory.

    Returns:
        Rows of the tables `connectivity` and `connectivity_units`; the latter
        says how many units have so many connections.
    """
    rows: list[dict[str, Any]] = []
    counted: list[dict[str, Any]] = []
    for replicate in run.replicates:
        for round in run.sparse_rounds(replicate):
            for path, alive in run.mask(Place(replicate, round)).items():
                if alive.ndim < 2:
                    continue
                where = {"replicate": replicate, "round": round, "layer": path}
                for side, values in describe(alive).items():
                    rows.append({**where, "side": side, **values})
                for side, counts in connections(alive).items():
                    counted += _histogram({**where, "side": side}, counts)
    lacks = []
    if not rows:
        lacks.append(
            "Connections need a finished round after round 0; go on with the "
            "search."
        )
    tables = {"connectivity": rows, "connectivity_units": counted}
    return Findings(tables, lacks)


def _histogram(where, counts):
    for value, units in zip(
        *np.unique(counts, return_counts=True), strict=True
    ):
        yield {**where, "connections": int(value), "units": int(units)}
