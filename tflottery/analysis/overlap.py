"""Do masks agree? The overlap of survivors, against chance.

Rounds of one search, replicates that began with other weights, and other ways
to prune are compared pair by pair. Two masks of a density of one half share a
third of their survivors by pure chance, so a number alone says nothing.

Chance is that of independent masks with the same counts in each tensor: of n
entries k1 and k2 are kept, so both keep `k1 * k2 / n` of them on average (the
mean of a hypergeometric distribution, `d1 * d2 * n` by densities). The overlap
to expect is taken as the ratio of means, `both / (k1 + k2 - both)`; the mean
of the ratio differs from it by the order of 1/n. For all tensors together the
counts are summed first, so that agreement on how dense each layer is does not
pass as agreement on which weights survive.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from tflottery.analysis.distances import ALL
from tflottery.analysis.findings import Findings
from tflottery.analysis.run_files import Place, RunFiles
from tflottery.core.mask import Mask

ROUNDS = "rounds"
REPLICATES = "replicates"
BRANCHES = "branches"


def chance_overlap(first: Mask, second: Mask) -> float:
    """Returns the overlap to expect of independent masks of these counts.

    Args:
        first: a mask.
        second: a mask of the same tensors.

    Returns:
        A Jaccard index in [0, 1]; 1 if neither keeps anything.

    Example:
        >>> half = Mask({"w": [1, 1, 0, 0]})
        >>> round(chance_overlap(half, half), 4)
        0.3333
    """
    both = sum(
        np.count_nonzero(alive) * np.count_nonzero(second[path]) / alive.size
        for path, alive in first.items()
        if alive.size
    )
    either = first.kept + second.kept - both
    return float(both / either) if either else 1.0


def by_layer(first: Mask, second: Mask) -> dict[str, dict[str, float]]:
    """Compares two masks, as wholes and tensor by tensor.

    Args:
        first: a mask.
        second: a mask of the same tensors.

    Returns:
        `{path: {"first_density", "second_density", "overlap", "chance"}}`,
        `"all"` first.

    Raises:
        ValueError: the masks differ in their paths or shapes.

    Example:
        >>> a, b = Mask({"w": [1, 1, 0, 0]}), Mask({"w": [1, 0, 1, 0]})
        >>> found = by_layer(a, b)["w"]
        >>> round(found["overlap"], 4), round(found["chance"], 4)
        (0.3333, 0.3333)
    """
    found = {ALL: _compared(first, second)}
    for path in first:
        pair = Mask({path: first[path]}), Mask({path: second[path]})
        found[path] = _compared(*pair)
    return found


def _compared(first: Mask, second: Mask) -> dict[str, float]:
    return {
        "first_density": first.density,
        "second_density": second.density,
        "overlap": first.overlap(second),
        "chance": chance_overlap(first, second),
    }


def examine(run: RunFiles) -> Findings:
    """Compares the masks of rounds, replicates and branches.

    A control that has the ticket's mask in all its rounds, such as one that
    starts from other weights, is left out: there is nothing to compare.

    Args:
        run: the run directory.

    Returns:
        Rows of the table `overlap`.
    """
    rows: list[dict[str, Any]] = []
    for replicate in run.replicates:
        rows += _of_rounds(run, replicate)
    rows += _of_replicates(run)
    for replicate in run.replicates:
        rows += _of_branches(run, replicate)
    return Findings({"overlap": rows}, list(_lacks(rows)))


def _of_rounds(run, replicate):
    masks = {
        number: run.mask(Place(replicate, number))
        for number in run.rounds(replicate)
    }
    for a, b in itertools.combinations(masks, 2):
        yield from _rows(ROUNDS, replicate, a, b, "", masks[a], masks[b])


def _of_replicates(run):
    rounds = {n for number in run.replicates for n in run.sparse_rounds(number)}
    for round in sorted(rounds):
        places = [Place(number, round) for number in run.replicates]
        masks = {p.replicate: run.mask(p) for p in places if run.has(p)}
        for a, b in itertools.combinations(masks, 2):
            yield from _rows(REPLICATES, "", a, b, round, masks[a], masks[b])


def _of_branches(run, replicate):
    found: dict[int, dict[str, Mask]] = {}
    differ = set()
    for round in run.sparse_rounds(replicate):
        ticket = run.mask(Place(replicate, round))
        found[round] = {"ticket": ticket}
        for place in run.draws(replicate, round):
            mask = found[round][place.label] = run.mask(place)
            if mask != ticket:
                differ.add(place.label)
    for round, masks in found.items():
        named = {n: m for n, m in masks.items() if n in {"ticket", *differ}}
        for a, b in itertools.combinations(named, 2):
            pair = named[a], named[b]
            yield from _rows(BRANCHES, replicate, a, b, round, *pair)


def _rows(
    kind: str,
    replicate: Any,
    first: Any,
    second: Any,
    round: Any,
    mask: Mask,
    other: Mask,
) -> Iterator[dict[str, Any]]:
    for layer, values in by_layer(mask, other).items():
        yield {
            "kind": kind,
            "replicate": replicate,
            "first": first,
            "second": second,
            "round": round,
            "layer": layer,
            **values,
        }


def _lacks(rows: list[dict[str, Any]]) -> Iterator[str]:
    kinds = {row["kind"] for row in rows}
    for kind, what in (
        (ROUNDS, "of rounds needs two finished rounds; go on with the search."),
        (
            REPLICATES,
            "of replicates needs two of them with a finished round after "
            "round 0; search with --replicates=2 or more.",
        ),
        (
            BRANCHES,
            "of branches needs a control with a mask of its own. Run "
            "`tflottery controls --run_dir=DIR "
            "--branch=one_shot,random_ticket`.",
        ),
    ):
        if kind not in kinds:
            yield f"The overlap {what}"
