"""How far weights move: survivors against the weights that are pruned.

In the training of the dense network, that is, before anything was pruned.
If the weights of a later ticket move further and grow, the ticket is where
the training of the dense network happens.

Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, appendix
F.5.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tflottery.analysis.findings import Findings
from tflottery.analysis.run_files import Place, RunFiles


def moved(initial: np.ndarray, trained: np.ndarray) -> dict[str, Any]:
    """Describes how a group of weights has moved in training.

    Args:
        initial: their values before training.
        trained: their values after it, of the same shape.

    Returns:
        `weights` (how many), `mean_distance` (of |after - before|),
        `mean_initial` and `mean_trained` (of magnitudes) and `grew_share`
        (those with a greater magnitude after than before, in [0, 1]); NaN
        where there is no weight.

    Example:
        >>> found = moved(np.array([1.0, -2.0]), np.array([3.0, -1.0]))
        >>> found["mean_distance"], found["mean_trained"], found["grew_share"]
        (1.5, 2.0, 0.5)
    """
    before = np.asarray(initial, np.float64)
    after = np.asarray(trained, np.float64)
    return {
        "weights": int(before.size),
        "mean_distance": _mean(np.abs(after - before)),
        "mean_initial": _mean(np.abs(before)),
        "mean_trained": _mean(np.abs(after)),
        "grew_share": _mean(np.abs(after) > np.abs(before)),
    }


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64)) if values.size else math.nan


def examine(run: RunFiles) -> Findings:
    """Describes dense training of survivors and others, in every round.

    Args:
        run: the run directory.

    Returns:
        Rows of the table `movement`.
    """
    rows: list[dict[str, Any]] = []
    for replicate in run.replicates:
        initial = run.initial(replicate)
        dense = Place(replicate, 0)
        if not run.has(dense):
            continue
        trained = run.trained(dense)
        for round in run.sparse_rounds(replicate):
            for path, alive in run.mask(Place(replicate, round)).items():
                for group, chosen in (("surviving", alive), ("pruned", ~alive)):
                    pair = initial[path][chosen], trained[path][chosen]
                    rows.append(
                        {
                            "replicate": replicate,
                            "round": round,
                            "layer": path,
                            "group": group,
                            **moved(*pair),
                        }
                    )
    lacks = []
    if not rows:
        lacks.append(
            "The movement of weights needs round 0 and a finished round after "
            "it; go on with the search."
        )
    return Findings({"movement": rows}, lacks)
