"""Figures of stability: how alike two trainings of one subnetwork end.

Reference: Frankle et al., Stabilizing the Lottery Ticket Hypothesis, 2019,
figures 3 and 10; Frankle et al., Linear Mode Connectivity and the Lottery
Ticket Hypothesis, 2020, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tflottery.reports import axes as parts
from tflottery.reports import branch_names, drawing, summary
from tflottery.reports.panels import Panel, Series
from tflottery.reports.summary import Spread
from tflottery.reports.training_figures import choose_rounds

Rows = Sequence[Mapping[str, Any]]
DENSE = "dense"
TWO_STARTS = "two initialisations"
STABLE_BELOW = 0.02

_STABILITY = (
    ("data_order", "distance", "To the order of the data", "L2 distance"),
    ("pruning", "distance", "To pruning", "L2 distance"),
    ("data_order", "angle", "To the order of the data", "Angle (degrees)"),
    ("pruning", "angle", "To pruning", "Angle (degrees)"),
)
_INSTABILITY = (
    ("train_instability", "Training data"),
    ("test_instability", "Test data"),
)
_ERRORS = (
    ("train_error", "Training error (%)"),
    ("test_error", "Test error (%)"),
)


def _series(rows: Rows, value: str, x: str, scale: float = 1.0) -> list[Series]:
    """Returns a line per branch over a column of places."""
    branches = branch_names.ordered(row["branch"] for row in rows)
    places = branch_names.places(branches)
    lines = []
    for name in branches:
        own = [row for row in rows if row["branch"] == name]
        # Replicates keep the same counts; means are of equal densities.
        points = summary.grouped(own, ["round"], [value, x])
        points.sort(key=lambda point: -point[x].mean)
        lines.append(
            Series(
                branch_names.label(name),
                [point[x].mean * scale for point in points],
                [point[value] for point in points],
                places[name],
            )
        )
    return lines


def _split(rows: Rows) -> tuple[list, list, list]:
    """Splits rows into sparse, dense, and between two initialisations."""
    starts = [row for row in rows if row["to"] == "initialisation"]
    rest = [row for row in rows if row["to"] != "initialisation"]
    dense = [row for row in rest if row["branch"] == DENSE]
    return [row for row in rest if row["branch"] != DENSE], dense, starts


def _spread(rows: Rows, column: str) -> Spread:
    found = summary.grouped(rows, [], [column])
    return found[0][column] if found else Spread.of(())


def stability_panels(rows: Rows) -> list[Panel]:
    """Makes panels of distance and angle against density.

    Args:
        rows: Rows of `stability.csv`.

    Returns:
        A panel per measure that has values; the dense networks' distance is
        a level across.
    """
    whole = [row for row in rows if row["layer"] == "all"]
    panels = []
    for to, column, title, label in _STABILITY:
        own = [row for row in whole if row["to"] == to]
        sparse, dense, _ = _split(own)
        level = _spread(dense, column)
        if not own:
            continue
        panels.append(
            Panel(
                label,
                _series(sparse, column, "density", 100.0),
                title,
                levels=[(level, DENSE)] if level.count else [],
                from_zero=True,
            )
        )
    return panels


def instability_panels(rows: Rows) -> list[Panel]:
    """Makes panels of instability against density.

    Args:
        rows: Rows of `instability.csv`.

    Returns:
        A panel for the training data and one for the test data. Networks
        from two initialisations are left out: they are so far above all
        others that nothing else could be read.
    """
    sparse, dense, _ = _split(rows)
    panels = []
    for column, title in _INSTABILITY:
        levels = [(_spread(dense, column), DENSE)]
        panels.append(
            Panel(
                "Instability (points of error)",
                _series(sparse, column, "density", 100.0),
                title,
                scale=100.0,
                levels=[level for level in levels if level[0].count],
                limits=[(STABLE_BELOW, "stable below 2 points")],
                from_zero=True,
            )
        )
    return [panel for panel in panels if panel.xs]


def interpolation_numbers(
    rows: Rows, branch: str = branch_names.TICKET, most: int = 4
) -> list[dict[str, Any]]:
    """Gathers the errors on the lines between two trainings.

    Args:
        rows: Rows of `interpolation.csv`.
        branch: Whose lines to show: those of tickets come with those of the
            dense network, and so do those of `TWO_STARTS`, dense networks
            from two initialisations.
        most: How many rounds at most.

    Returns:
        Dicts of `line`, `alpha` and a spread of each error, line after line.
    """
    sparse, dense, starts = _split(rows)
    own = [row for row in sparse if row["branch"] == branch]
    chosen = choose_rounds([row["round"] for row in own], most) if own else []
    lines = []
    if (own and branch == branch_names.TICKET) or (
        starts and branch == TWO_STARTS
    ):
        lines.append((DENSE, dense))
    for round in chosen:
        found = [row for row in own if row["round"] == round]
        density = np.mean([row["density"] for row in found])
        lines.append((f"round {round}: {density:.1%}", found))
    if branch == TWO_STARTS:
        lines.append((TWO_STARTS, starts))
    return [
        {"line": name, **point}
        for name, found in lines
        for point in sorted(
            summary.grouped(found, ["alpha"], [c for c, _ in _ERRORS]),
            key=lambda point: point["alpha"],
        )
    ]


def interpolation_figure(
    numbers: Sequence[Mapping[str, Any]], title: str = ""
) -> Figure:
    """Draws the error on the line between two trained networks.

    Args:
        numbers: As `interpolation_numbers` gathers them.
        title: What is shown. Defaults to nothing.

    Returns:
        A figure with one axes for the training error and one for the test
        error; lines are means, bands go from least to greatest.
    """
    names = list(dict.fromkeys(row["line"] for row in numbers))
    rounds = [name for name in names if name not in (DENSE, TWO_STARTS)]
    shades = dict(zip(rounds, drawing.shades(len(rounds)), strict=True))
    styles = {DENSE: "--", TWO_STARTS: ":"}
    with drawing.style():
        figure = drawing.new_figure(9.0, 3.6)
        panels = figure.subplots(1, len(_ERRORS))
        counts = []
        for axes, (column, label) in zip(panels, _ERRORS, strict=True):
            for name in names:
                own = [row for row in numbers if row["line"] == name]
                own = [row for row in own if row[column].count]
                if not own:
                    continue
                counts += [row[column].count for row in own]
                values = 100 * np.array(
                    [
                        [row[column].mean for row in own],
                        [row[column].low for row in own],
                        [row[column].high for row in own],
                    ]
                )
                shade = shades.get(name, drawing.DENSE_COLOR)
                if name == TWO_STARTS:
                    shade = "#000000"
                alphas = [row["alpha"] for row in own]
                axes.plot(
                    alphas,
                    values[0],
                    color=shade,
                    linestyle=styles.get(name, "-"),
                    label=name,
                )
                axes.fill_between(
                    alphas, values[1], values[2], color=shade, alpha=0.15, lw=0
                )
            axes.set_xlabel("α, from the second network (0) to the first (1)")
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
        parts.entitle(figure, title, counts)
        parts.key(figure, panels, below=False)
    return figure
