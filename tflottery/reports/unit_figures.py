"""Figures of what masks connect, and of what they have in common.

Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, appendix
F.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from tflottery.reports import axes as parts
from tflottery.reports import branch_names, drawing, summary
from tflottery.reports.panels import Panel, Series
from tflottery.reports.summary import Spread
from tflottery.reports.training_figures import choose_rounds
from tflottery.reports.weight_figures import choose_layers, layer_series, short

Rows = Sequence[Mapping[str, Any]]
SIDES = ("incoming", "outgoing")
_CHANCE = "by chance"
_REPLICATES = "tickets of two replicates"


def connectivity_panels(
    rows: Rows, densities: Mapping[int, float]
) -> list[Panel]:
    """Makes panels of `connectivity.csv`: how uneven units are connected.

    Args:
        rows: Rows of `connectivity.csv`.
        densities: Density of each round, in (0, 1].

    Returns:
        A panel of the variance of connections per unit over that of a random
        mask of the same density, for each side, and one of units without any
        connection.
    """
    layers = choose_layers(rows)
    ratios = [
        {**row, "ratio": row["variance"] / row["chance_variance"]}
        for row in rows
        if isinstance(row["chance_variance"], int | float)
        and row["chance_variance"] > 0
        and row["variance"] > 0
    ]
    panels = [
        Panel(
            "Variance over that of chance",
            layer_series(
                [row for row in ratios if row["side"] == side],
                "ratio",
                densities,
                layers,
            ),
            f"{side.capitalize()} connections per unit",
            levels=[(Spread.of([1.0]), _CHANCE)],
            log=True,
        )
        for side in SIDES
    ]
    shares = [
        {**row, "share": row["dead"] / row["units"]}
        for row in rows
        if row["units"] and row["side"] == "outgoing"
    ]
    panels.append(
        Panel(
            "Share (%)",
            layer_series(shares, "share", densities, layers),
            "Inputs of a layer without connection",
            scale=100.0,
            from_zero=True,
        )
    )
    return [panel for panel in panels if panel.xs]


def units_numbers(rows: Rows, most: int = 4) -> list[dict[str, Any]]:
    """Gathers how many units have how many connections.

    Args:
        rows: Rows of `connectivity_units.csv`.
        most: How many rounds at most, and how many layers.

    Returns:
        Dicts of `side`, `layer`, `round`, `connections` (over the mean of the
        units), `share` of the units that have at least so many, and so on
        downwards: the tail of the distribution, over all replicates.
    """
    layers = choose_layers(rows, most)
    rounds = [row["round"] for row in rows if row["round"]]
    if not rounds:
        return []
    chosen = choose_rounds(rounds, most)
    found = []
    for side in SIDES:
        for layer in layers:
            for round in chosen:
                own = [
                    row
                    for row in rows
                    if row["side"] == side
                    and row["layer"] == layer
                    and row["round"] == round
                ]
                found += _tail(side, layer, round, own)
    return found


def _tail(side: str, layer: str, round: int, rows: Rows) -> list[dict]:
    if not rows:
        return []
    counts = np.repeat(
        [row["connections"] for row in rows], [row["units"] for row in rows]
    )
    mean = counts.mean()
    values = np.sort(np.unique(counts))
    return [
        {
            "side": side,
            "layer": layer,
            "round": round,
            "connections": int(value),
            "over_mean": float(value / mean) if mean else 0.0,
            "share": float((counts >= value).mean()),
        }
        for value in values
    ]


def units_figure(
    numbers: Rows, densities: Mapping[int, float], title: str = ""
) -> Figure:
    """Draws the share of units with at least so many connections.

    Args:
        numbers: As `units_numbers` gathers them.
        densities: Density of each round, in (0, 1].
        title: What is shown. Defaults to nothing.

    Returns:
        A figure with a row of panels per side and a column per layer. A step
        down at 1 means that all units have as many.
    """
    layers = list(dict.fromkeys(row["layer"] for row in numbers))
    rounds = sorted({row["round"] for row in numbers})
    shades = dict(zip(rounds, drawing.shades(len(rounds)), strict=True))
    with drawing.style():
        figure = drawing.new_figure(max(1.0 + 2.7 * len(layers), 6.0), 5.4)
        panels = figure.subplots(
            len(SIDES), len(layers), squeeze=False, sharey=True, sharex="col"
        )
        for row, side in zip(panels, SIDES, strict=True):
            for axes, layer in zip(row, layers, strict=True):
                for round in rounds:
                    own = [
                        r
                        for r in numbers
                        if (r["side"], r["layer"], r["round"])
                        == (side, layer, round)
                    ]
                    if own:
                        axes.step(
                            [0.0, *(r["over_mean"] for r in own)],
                            [100.0, *(100 * r["share"] for r in own)],
                            where="pre",
                            color=shades[round],
                            label=f"round {round}: "
                            f"{densities.get(round, np.nan):.1%}",
                        )
                axes.set_title(f"{short(layer)}, {side}")
                axes.xaxis.set_major_locator(ticker.MaxNLocator(5))
            row[0].set_ylabel("Units with as many\nor more (%)")
        for axes in panels[-1]:
            axes.set_xlabel("Connections of a unit\nover the mean")
        parts.entitle(figure, title)
        parts.key(figure, panels.ravel())
    return figure


def overlap_panels(rows: Rows, densities: Mapping[int, float]) -> list[Panel]:
    """Makes panels of `overlap.csv`: what masks share, against chance.

    Masks of two rounds of one ticket are nested, so their overlap is a ratio
    of densities and is not drawn.

    Args:
        rows: Rows of `overlap.csv`.
        densities: Density of each round, in (0, 1].

    Returns:
        A panel for the tickets of two replicates, if there are several, and
        one for the ticket and each branch with a mask of its own.
    """
    whole = [row for row in rows if row["layer"] == "all"]
    replicates = [row for row in whole if row["kind"] == "replicates"]
    panels = [
        _overlap_panel(
            "Tickets of two replicates",
            {_REPLICATES: replicates},
            densities,
        )
    ]
    others: dict[str, list] = {}
    for row in whole:
        if row["kind"] == "branches" and row["first"] == branch_names.TICKET:
            name = str(row["second"]).rpartition("/")[0] or str(row["second"])
            if name.startswith("reordered"):  # The same mask, trained anew.
                continue
            others.setdefault(name, []).append(row)
    others = {
        name: others[name]
        for name in branch_names.ordered(others)[: branch_names.MOST_LINES + 1]
    }
    panels.append(
        _overlap_panel("The ticket and another mask", others, densities)
    )
    return [panel for panel in panels if panel.xs]


def _overlap_panel(
    title: str, lines: Mapping[str, Rows], densities: Mapping[int, float]
) -> Panel:
    places = {**branch_names.places(lines), _REPLICATES: 0}
    series = []
    every = [row for rows in lines.values() for row in rows]
    for name, rows in lines.items():
        series.append(
            _overlap_series(
                branch_names.label(name),
                rows,
                "overlap",
                densities,
                places[name],
            )
        )
    if every:
        chance = _overlap_series(_CHANCE, every, "chance", densities, 8)
        series.append(
            Series(
                chance.label,
                chance.xs,
                chance.spreads,
                8,
                drawing.DENSE_COLOR,
                ":",
            )
        )
    return Panel(
        "Overlap of survivors (Jaccard)", series, title, from_zero=True
    )


def _overlap_series(
    label: str,
    rows: Rows,
    column: str,
    densities: Mapping[int, float],
    place: int,
) -> Series:
    points = [
        point
        for point in summary.grouped(rows, ["round"], [column])
        if point["round"] in densities and point["round"]
    ]
    points.sort(key=lambda point: point["round"])
    return Series(
        label,
        [100 * densities[point["round"]] for point in points],
        [point[column] for point in points],
        place,
    )
