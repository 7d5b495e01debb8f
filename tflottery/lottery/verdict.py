"""The verdict: which rounds are winning tickets, and how that reads in words.

A winning ticket, strictly: a subnetwork that reaches its lowest validation
loss no later than the dense network, with a test accuracy there that is no
lower (Frankle and Carbin, 2019, section 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any


def mean_rounds(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Averages the rows of the branch `ticket` over replicates.

    Args:
        rows: rows of `results.csv` with numbers as numbers.

    Returns:
        A dict per round, in order: `round`, `density`, `best_step`,
        `test_accuracy_best`, `replicates`; only rounds that every replicate
        has finished.
    """
    by_round: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("branch", "ticket") == "ticket":
            by_round.setdefault(int(row["round"]), []).append(row)
    if not by_round:
        return []
    replicates = len(by_round.get(0, ()))
    return [
        {
            "round": round,
            "density": fmean(float(r["density"]) for r in group),
            "best_step": fmean(float(r["best_step"]) for r in group),
            "test_accuracy_best": fmean(
                float(r["test_accuracy_best"]) for r in group
            ),
            "replicates": len(group),
        }
        for round, group in sorted(by_round.items())
        if len(group) == replicates
    ]


def winning_round(rows: Iterable[Mapping[str, Any]]) -> int | None:
    """Returns the sparsest round that is a winning ticket, if there is one.

    Example:
        >>> dense = dict(round=0, density=1.0, best_step=900,
        ...              test_accuracy_best=0.9)
        >>> winning_round([dense, dense | dict(round=1, best_step=700)])
        1
        >>> winning_round([dense, dense | dict(round=1, best_step=950)])
    """
    rounds = mean_rounds(rows)
    if not rounds:
        return None
    dense = rounds[0]
    winners = [
        found["round"]
        for found in rounds[1:]
        if found["best_step"] <= dense["best_step"]
        and found["test_accuracy_best"] >= dense["test_accuracy_best"]
    ]
    return winners[-1] if winners else None


def matching_round(rows: Iterable[Mapping[str, Any]]) -> int | None:
    """Returns the sparsest round whose accuracy is no lower than dense."""
    rounds = mean_rounds(rows)
    matching = [
        found["round"]
        for found in rounds[1:]
        if found["test_accuracy_best"] >= rounds[0]["test_accuracy_best"]
    ]
    return matching[-1] if matching else None


def ticket_round(rows: Iterable[Mapping[str, Any]]) -> int:
    """Returns the round whose ticket to keep: winning, matching, or dense."""
    rows = list(rows)
    for chosen in (winning_round(rows), matching_round(rows)):
        if chosen is not None:
            return chosen
    return 0


def verdict(rows: Iterable[Mapping[str, Any]]) -> str:
    """Says in words what a search found.

    Args:
        rows: rows of `results.csv`.

    Returns:
        One to three sentences: density, accuracy and early-stopping step of
        the best ticket against the dense network.
    """
    rows = list(rows)
    rounds = mean_rounds(rows)
    if len(rounds) < 2:
        return "No round of pruning has finished yet."
    dense = rounds[0]
    over = (
        f"; means over {dense['replicates']} replicates"
        if dense["replicates"] > 1
        else ""
    )
    found = winning_round(rows)
    opening = "Winning ticket"
    if found is None:
        found = matching_round(rows)
        opening = "No winning ticket in the strict sense. Sparsest match"
    if found is None:
        best = max(rounds[1:], key=lambda r: r["test_accuracy_best"])
        return (
            "No winning ticket: no pruned network reached the dense test "
            f"accuracy of {dense['test_accuracy_best']:.2%}; the best has "
            f"{best['test_accuracy_best']:.2%} at {best['density']:.1%} of "
            f"the weights (round {best['round']}){over}."
        )
    row = next(r for r in rounds if r["round"] == found)
    gain = row["test_accuracy_best"] - dense["test_accuracy_best"]
    ratio = (
        row["best_step"] / dense["best_step"] - 1 if dense["best_step"] else 0
    )
    when = "earlier" if ratio < 0 else "later"
    speed = "at the same step" if ratio == 0 else f"{abs(ratio):.0%} {when}"
    return (
        f"{opening}: round {row['round']} keeps {row['density']:.1%} of the "
        f"weights, reaches {row['test_accuracy_best']:.2%} test accuracy "
        f"(dense: {dense['test_accuracy_best']:.2%}, {gain * 100:+.2f} points) "
        f"and its lowest validation loss at step {row['best_step']:.0f} "
        f"(dense: {dense['best_step']:.0f}, {speed}){over}."
    )
