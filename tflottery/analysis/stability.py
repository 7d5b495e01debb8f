"""Stability of training: how far apart copies of one network end.

To data order: copies that differ in nothing but the order of their batches.
To pruning: the dense network against the sparse one that was trained on the
same batches, both looked at through the mask. A stable network has small
distances and angles.

Reference: Frankle et al., Stabilizing the Lottery Ticket Hypothesis, 2019,
section 2 and appendix B. With four copies a replicate has six pairs to data
order and one to pruning; three replicates have 18 and 3, which are the numbers
of samples the paper gives.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tflottery.analysis import distances
from tflottery.analysis.findings import Findings
from tflottery.analysis.run_files import TICKET, Place, RunFiles
from tflottery.core.mask import Mask

DENSE = "dense"
RANDOM = "random_ticket"
REORDERED = "reordered"
REORDERED_RANDOM = "reordered_random_ticket"

DATA_ORDER = "data_order"
PRUNING = "pruning"


def copies(run: RunFiles, replicate: int, round: int) -> dict[str, list[Place]]:
    """Returns the networks that differ in the order of the data only.

    Args:
        run: the run directory.
        replicate: number of the replicate.
        round: number of the round.

    Returns:
        `{branch: places}`: `"dense"` in round 0, else `"ticket"` and
        `"random_ticket"`; the first of each is the network itself.
    """
    found = {
        TICKET if round else DENSE: [
            Place(replicate, round),
            *run.draws(replicate, round, [REORDERED]),
        ]
    }
    if round:
        found[RANDOM] = [
            Place(replicate, round, RANDOM, 0),
            *run.draws(replicate, round, [REORDERED_RANDOM]),
        ]
    return {
        branch: [place for place in places if run.has(place)]
        for branch, places in found.items()
    }


def pairs_to_pruning(
    run: RunFiles, replicate: int, round: int
) -> Iterator[tuple[str, Place, Place]]:
    """Yields `(branch, dense, sparse)` trained on the same batches.

    Those are the batches the dense network and the ticket have seen in the
    search, in every round; the ticket's mask was found on them too.
    """
    dense = Place(replicate, 0)
    for branch, sparse in [
        (TICKET, Place(replicate, round)),
        *((RANDOM, place) for place in run.draws(replicate, round, [RANDOM])),
    ]:
        if run.has(dense) and run.has(sparse):
            yield branch, dense, sparse


def examine(run: RunFiles) -> Findings:
    """Measures all pairs of copies that a run directory has.

    Args:
        run: the run directory.

    Returns:
        Rows of the table `stability`.
    """
    rows: list[dict[str, Any]] = []
    for replicate in run.replicates:
        for round in run.rounds(replicate):
            rows += _of_round(run, replicate, round)
    return Findings({"stability": rows}, list(_lacks(rows)))


def _of_round(run, replicate, round):
    rows = []
    groups = copies(run, replicate, round)
    pairs = list(pairs_to_pruning(run, replicate, round)) if round else []
    weights = _Weights(run)
    for branch, places in groups.items():
        if len(places) > 1:
            mask = run.mask(places[0])
            for pair in itertools.combinations(places, 2):
                rows += _rows(weights, branch, DATA_ORDER, mask, *pair)
    for branch, dense, sparse in pairs:
        rows += _rows(weights, branch, PRUNING, run.mask(sparse), dense, sparse)
    return rows


class _Weights(dict):
    """The prunable weights of networks, each read once a round."""

    def __init__(self, run: RunFiles):
        super().__init__()
        self._run = run
        self._paths = set(run.mask(Place(run.replicates[0], 0)))

    def __missing__(self, place: Place) -> dict[str, np.ndarray]:
        found = self._run.trained(place)
        self[place] = {path: found[path] for path in self._paths}
        return self[place]


def _rows(
    weights: Mapping[Place, Any],
    branch: str,
    to: str,
    mask: Mask,
    first: Place,
    second: Place,
) -> Iterator[dict[str, Any]]:
    found = distances.by_layer(weights[first], weights[second], mask)
    for layer, (distance, angle) in found.items():
        yield {
            "replicate": second.replicate,
            "round": second.round,
            "density": mask.density,
            "branch": branch,
            "to": to,
            "first": first.label,
            "second": second.label,
            "layer": layer,
            "distance": distance,
            "angle": angle,
        }


def _lacks(rows: list[dict[str, Any]]) -> Iterator[str]:
    found = {(row["branch"], row["to"]) for row in rows}
    for key, what, supply in (
        ((DENSE, DATA_ORDER), "of the dense network to data order", REORDERED),
        ((TICKET, DATA_ORDER), "of the ticket to data order", REORDERED),
        ((TICKET, PRUNING), "of the ticket to pruning", None),
        ((RANDOM, PRUNING), "of a random ticket to pruning", RANDOM),
        (
            (RANDOM, DATA_ORDER),
            "of a random ticket to data order",
            f"{RANDOM},{REORDERED_RANDOM}",
        ),
    ):
        if key in found:
            continue
        way_out = "Finish a round after round 0."
        if supply is not None:
            way_out = (
                f"Run `tflottery controls --run_dir=DIR --branch={supply}`."
            )
        yield f"Stability {what} was not measured. {way_out}"
