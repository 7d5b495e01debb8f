"""Figures of accuracy and early stopping against density.

They are the figures by which the lottery-ticket hypothesis was argued: where a
ticket stops being as good as the dense network, and how fast it learns on the
way there.

Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, figures 1
and 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import ticker
from matplotlib.figure import Figure

from tflottery.reports import axes as parts
from tflottery.reports import branch_names, drawing, summary

_PANELS = (
    ("test_accuracy_best", 100.0, "Test accuracy at early stop (%)"),
    ("test_accuracy_final", 100.0, "Test accuracy at the end (%)"),
    ("best_step", 1.0, "Early-stopping step"),
)
_COLUMNS = tuple(column for column, _, _ in _PANELS)


def density_numbers(
    rows: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Gathers what the figures of densities show, a row per point.

    Args:
        rows: Rows as `results.read_results` gives them.

    Returns:
        Dicts of `branch`, `round`, `density` and a spread of each column.
    """
    return [
        {
            "branch": point.branch,
            "round": point.round,
            "density": point.density,
            **{name: point[name] for name in _COLUMNS},
        }
        for point in summary.summarise(rows)
    ]


def density_figure(
    rows: Sequence[Mapping[str, Any]],
    title: str = "",
    branches: Sequence[str] | None = None,
) -> Figure:
    """Draws test accuracy and early-stopping step against density.

    Lines are means over replicates and draws, bars go from the least to the
    greatest value; branches lie over one another, and the dense network's
    level is a dotted line in a grey band. The axis of densities is
    logarithmic and runs from dense to sparse.

    Args:
        rows: Rows as `results.read_results` gives them.
        title: What is shown. Defaults to nothing.
        branches: Which to draw, in order. Defaults to all.

    Returns:
        A figure with one axes each for the accuracy at the early-stopping
        step, the accuracy at the end and that step; columns that the rows
        lack are left out.

    Example:
        >>> rows = [
        ...     dict(replicate=0, branch="ticket", round=r, density=0.8**r,
        ...          best_step=900, test_accuracy_best=0.9)
        ...     for r in range(3)
        ... ]
        >>> len(density_figure(rows).axes)
        2
    """
    points = summary.summarise(rows)
    dense = summary.dense_point(points)
    by_branch = summary.branches(points)
    chosen = branch_names.ordered(by_branch) if branches is None else branches
    lines = {name: by_branch[name] for name in chosen if name in by_branch}
    drawn = [point for group in lines.values() for point in group]
    known = [p for p in _PANELS if any(point[p[0]].count for point in drawn)]
    places = branch_names.places(lines)
    with drawing.style():
        figure = drawing.new_figure(1.0 + 3.4 * len(known), 3.9)
        panels = figure.subplots(1, len(known), squeeze=False)[0]
        for axes, (column, scale, label) in zip(panels, known, strict=True):
            if dense is not None:
                parts.level(axes, dense[column], scale=scale, label="dense")
            for name, group in lines.items():
                parts.line(
                    axes,
                    [100 * point.density for point in group],
                    [point[column] for point in group],
                    scale=scale,
                    place=places[name],
                    label=branch_names.label(name),
                )
            parts.density_axis(axes, [100 * point.density for point in drawn])
            axes.set_ylabel(label)
            if column == "best_step":
                axes.set_ylim(0, 1.03 * axes.get_ylim()[1])
                axes.yaxis.set_major_formatter(
                    ticker.StrMethodFormatter("{x:,g}")
                )
        _same_accuracies(panels, known)
        parts.entitle(figure, title, [point.count for point in drawn])
        parts.key(figure, panels)
    return figure


def _same_accuracies(panels: Sequence[Any], known: Sequence[tuple]) -> None:
    """Gives both panels of accuracies one axis, so that they compare."""
    limits = [
        axes
        for axes, (column, _, _) in zip(panels, known, strict=True)
        if column.startswith("test_accuracy")
    ]
    low = min(axes.get_ylim()[0] for axes in limits)
    high = max(axes.get_ylim()[1] for axes in limits)
    for axes in limits:
        axes.set_ylim(low, high)


def runs_figure(
    runs: Mapping[str, Sequence[Mapping[str, Any]]], title: str = ""
) -> Figure:
    """Draws the tickets of several searches over one another.

    Args:
        runs: `{what to call it: rows}`, in order.
        title: What is shown. Defaults to nothing.

    Returns:
        A figure as that of `density_figure`, a line per search.
    """
    shades = drawing.shades(len(runs))
    with drawing.style():
        figure = drawing.new_figure(1.0 + 3.4 * len(_PANELS), 3.9)
        panels = figure.subplots(1, len(_PANELS))
        for axes, (column, scale, label) in zip(panels, _PANELS, strict=True):
            densities = []
            for place, (name, rows) in enumerate(runs.items()):
                points = summary.branches(summary.summarise(rows)).get(
                    branch_names.TICKET, []
                )
                densities += [100 * point.density for point in points]
                parts.line(
                    axes,
                    [100 * point.density for point in points],
                    [point[column] for point in points],
                    scale=scale,
                    place=place,
                    color=shades[place] if len(runs) > 2 else None,
                    label=name,
                )
            parts.density_axis(axes, densities)
            axes.set_ylabel(label)
        panels[-1].set_ylim(0, 1.03 * panels[-1].get_ylim()[1])
        panels[-1].yaxis.set_major_formatter(
            ticker.StrMethodFormatter("{x:,g}")
        )
        _same_accuracies(panels, _PANELS)
        parts.entitle(figure, title)
        parts.key(figure, panels)
    return figure
