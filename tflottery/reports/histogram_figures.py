"""Histograms of the survivors' weights, before training and after it.

Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, appendix
F.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from tflottery.reports import axes as parts
from tflottery.reports import drawing
from tflottery.reports.training_figures import choose_rounds
from tflottery.reports.weight_figures import choose_layers, short

Rows = Sequence[Mapping[str, Any]]


def histogram_numbers(
    rows: Rows, weights: str, most: int = 5
) -> list[dict[str, Any]]:
    """Gathers histograms of one replicate's weights.

    Args:
        rows: Rows of `surviving_weights.csv`.
        weights: `"surviving"` for the survivors' initial weights, beside
            which all initial weights are given; `"trained"` for the
            survivors' trained weights.
        most: How many rounds at most.

    Returns:
        Dicts of `replicate`, `layer`, `round`, `weights`, `low`, `high`,
        `count` and `density`: the share of the counted weights per unit of
        weight.
    """
    own = [row for row in rows if row["weights"] == weights]
    if not own:
        return []
    replicate = min(row["replicate"] for row in own)
    own = [row for row in own if row["replicate"] == replicate]
    layers = choose_layers(own)
    rounds = choose_rounds([row["round"] for row in own], most)
    kinds = ("initial", weights) if weights == "surviving" else (weights,)
    first = min(
        (row["round"] for row in rows if row["weights"] == "initial"),
        default=0,
    )
    groups: dict[tuple, list] = {}
    for row in rows:
        wanted = (
            row["round"] == first
            if row["weights"] == "initial"
            else (row["round"] in rounds)
        )
        if (
            row["replicate"] == replicate
            and row["weights"] in kinds
            and row["layer"] in layers
            and wanted
        ):
            key = row["layer"], row["weights"], row["round"]
            groups.setdefault(key, []).append(row)
    return [row for key in groups for row in _densities(groups[key])]


def _densities(rows: Rows) -> list[dict[str, Any]]:
    total = sum(row["count"] for row in rows)
    return [
        {
            **row,
            "density": row["count"] / (total * (row["high"] - row["low"]))
            if total
            else 0.0,
        }
        for row in sorted(rows, key=lambda row: row["low"])
    ]


def histogram_figure(
    numbers: Rows,
    densities: Mapping[int, float],
    label: str,
    title: str = "",
) -> Figure:
    """Draws histograms of weights, a panel per layer, rounds over one another.

    Args:
        numbers: As `histogram_numbers` gathers them.
        densities: Density of each round, in (0, 1].
        label: What the x axis says.
        title: What is shown. Defaults to nothing.

    Returns:
        A figure; all initial weights are a grey area, rounds are outlines.
    """
    layers = list(dict.fromkeys(row["layer"] for row in numbers))
    rounds = sorted(
        {row["round"] for row in numbers if row["weights"] != "initial"}
    )
    shades = dict(zip(rounds, drawing.shades(len(rounds)), strict=True))
    columns = min(len(layers), 3)
    with drawing.style():
        rows = -(-len(layers) // columns)
        figure = drawing.new_figure(
            max(1.0 + 2.9 * columns, 6.0), 1.0 + 2.3 * rows
        )
        panels = parts.grid(figure, len(layers), columns)
        for i, (axes, layer) in enumerate(zip(panels, layers, strict=True)):
            own = [row for row in numbers if row["layer"] == layer]
            _bars(axes, [row for row in own if row["weights"] == "initial"])
            for round in rounds:
                found = [
                    row
                    for row in own
                    if row["round"] == round and row["weights"] != "initial"
                ]
                share = densities.get(round, np.nan)
                text = f"round {round}: {share:.1%}"
                _outline(axes, found, shades[round], text)
            axes.set_title(short(layer))
            axes.xaxis.set_major_locator(ticker.MaxNLocator(5))
            axes.set_ylim(bottom=0)
            if i % columns == 0:
                axes.set_ylabel("Share per unit of weight")
            if i + columns >= len(layers):
                axes.set_xlabel(label)
        parts.entitle(figure, title)
        parts.key(figure, panels)
    return figure


def _steps(rows: Rows) -> tuple[list[float], list[float]]:
    edges = [row["low"] for row in rows] + [rows[-1]["high"]]
    return edges, [row["density"] for row in rows]


def _bars(axes: Any, rows: Rows) -> None:
    if rows:
        edges, heights = _steps(rows)
        axes.stairs(
            heights, edges, fill=True, color="#cccccc", label="all weights"
        )


def _outline(axes: Any, rows: Rows, shade: Any, text: str) -> None:
    if rows and any(row["count"] for row in rows):
        edges, heights = _steps(rows)
        axes.stairs(heights, edges, color=shade, lw=1.3, label=text)
