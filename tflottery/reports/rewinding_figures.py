"""Figures over the rewinding step k, from several searches.

Reference: Frankle et al., Stabilizing the Lottery Ticket Hypothesis, 2019,
figures 4 and 5; Frankle et al., Linear Mode Connectivity and the Lottery
Ticket Hypothesis, 2020, section 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tflottery.reports import branch_names, summary
from tflottery.reports.branch_names import TICKET
from tflottery.reports.panels import Panel, Series
from tflottery.reports.run import Run
from tflottery.reports.stability_figures import DENSE, STABLE_BELOW
from tflottery.reports.summary import Spread
from tflottery.reports.training_figures import choose_rounds

Rows = Sequence[Mapping[str, Any]]
Steps = Mapping[int, Sequence[Run]]

_COMPARED = (TICKET, "random_reinit", "random_ticket")


def by_step(runs: Sequence[Run]) -> dict[int, list[Run]]:
    """Sorts runs by their rewinding step k; those without one are left out."""
    found: dict[int, list[Run]] = {}
    for run in runs:
        if run.rewinding_step is not None:
            found.setdefault(run.rewinding_step, []).append(run)
    return dict(sorted(found.items()))


def shared_rounds(steps: Steps, table: str = "", most: int = 3) -> list[int]:
    """Chooses sparse rounds that all runs have.

    Args:
        steps: `{k: runs}`.
        table: A table of the analysis that has to have them. Defaults to
            `results.csv`.
        most: How many at most.

    Returns:
        Numbers of rounds; the sparsest is among them.
    """
    every = [run for runs in steps.values() for run in runs]
    found = None
    for run in every:
        rows = run.table(table) if table else run.rows
        own = {
            row["round"]
            for row in rows
            if row["branch"] == TICKET and row["round"]
        }
        if own:
            found = own if found is None else found & own
    if not found:
        return []
    chosen = sorted(found)
    if len(chosen) <= most:
        return chosen
    return [chosen[i] for i in choose_rounds(range(len(chosen)), most + 1)][1:]


def _title(steps: Steps, round: int) -> str:
    shares = [
        run.densities[round]
        for runs in steps.values()
        for run in runs
        if round in run.densities
    ]
    share = f"{sum(shares) / len(shares):.1%}" if shares else "?"
    return f"Round {round}: {share} of the weights"


def _line(
    rows_at: Mapping[int, Rows], branch: str, column: str, places: Mapping
) -> Series:
    spreads = {
        k: summary.grouped(rows, [], [column])[0][column]
        for k, rows in rows_at.items()
        if rows
    }
    return Series(
        branch_names.label(branch),
        list(spreads),
        list(spreads.values()),
        places.get(branch, 6),
    )


def accuracy_panels(
    steps: Steps, rounds: Sequence[int], column: str = "test_accuracy_final"
) -> list[Panel]:
    """Makes panels of accuracy against k, one per round.

    Args:
        steps: `{k: runs}`.
        rounds: Which rounds.
        column: Which accuracy. Defaults to that at the end of training, which
            is what the paper compares.

    Returns:
        Panels with a line for the ticket and each plain control; the dense
        networks' level is over all runs.
    """
    places = branch_names.places(_COMPARED)
    every = [row for runs in steps.values() for run in runs for row in run.rows]
    dense = Spread.of(
        row[column]
        for row in every
        if row["branch"] == TICKET and row["round"] == 0 and column in row
    )
    panels = []
    for round in rounds:
        lines = []
        for branch in _COMPARED:
            rows_at = {
                k: [
                    row
                    for run in runs
                    for row in run.rows
                    if row["branch"] == branch and row["round"] == round
                ]
                for k, runs in steps.items()
            }
            if any(rows_at.values()):
                lines.append(_line(rows_at, branch, column, places))
        panels.append(
            Panel(
                "Test accuracy (%)",
                lines,
                _title(steps, round),
                scale=100.0,
                levels=[(dense, DENSE)],
            )
        )
    return panels


def _table_panels(
    steps: Steps,
    table: str,
    round: int,
    wanted: Sequence[tuple[str, str, str, str, float]],
    **options: Any,
) -> list[Panel]:
    """Makes panels of a table's columns against k, at one round."""
    branches = (TICKET, "random_ticket", DENSE)
    places = {**branch_names.places(branches[:2]), DENSE: 6}
    panels = []
    for to, column, title, label, scale in wanted:
        lines = []
        for branch in branches:
            rows_at = {
                k: [
                    row
                    for run in runs
                    for row in run.table(table)
                    if row["branch"] == branch
                    and row["to"] == to
                    and row.get("layer", "all") == "all"
                    and row["round"] == (0 if branch == DENSE else round)
                ]
                for k, runs in steps.items()
            }
            if any(rows_at.values()):
                lines.append(_line(rows_at, branch, column, places))
        if lines:
            panels.append(
                Panel(label, lines, title, scale, from_zero=True, **options)
            )
    return panels


def stability_panels(steps: Steps, round: int) -> list[Panel]:
    """Makes panels of distance and angle against k, at one round."""
    order, pruning = "To the order of the data", "To pruning"
    return _table_panels(
        steps,
        "stability",
        round,
        (
            ("data_order", "distance", order, "L2 distance", 1.0),
            ("pruning", "distance", pruning, "L2 distance", 1.0),
            ("data_order", "angle", order, "Angle (degrees)", 1.0),
            ("pruning", "angle", pruning, "Angle (degrees)", 1.0),
        ),
    )


def instability_panels(steps: Steps, round: int) -> list[Panel]:
    """Makes panels of instability against k, at one round."""
    label = "Instability (points of error)"
    return _table_panels(
        steps,
        "instability",
        round,
        (
            ("data_order", "train_instability", "Training data", label, 100.0),
            ("data_order", "test_instability", "Test data", label, 100.0),
        ),
        limits=[(STABLE_BELOW, "stable below 2 points")],
    )
