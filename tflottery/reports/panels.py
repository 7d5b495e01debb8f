"""Panels of lines: most figures of an analysis are a few of these.

What is drawn is first a value, so that the numbers of a figure are those that
its CSV file has, and tests can read them without a picture.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib import ticker
from matplotlib.figure import Figure

from tflottery.reports import axes as parts
from tflottery.reports import drawing
from tflottery.reports.summary import Spread


@dataclasses.dataclass(frozen=True)
class Series:
    """One line: means at some places, with bars from least to greatest.

    Args:
        label: What the key says.
        xs: Places on the x axis.
        spreads: A spread for each.
        place: Number of the marker, and of the colour if none is given.
        color: The colour. Defaults to that of `place`.
        linestyle: As Matplotlib has it. Defaults to solid.
    """

    label: str
    xs: Sequence[float]
    spreads: Sequence[Spread]
    place: int = 0
    color: Any = None
    linestyle: str = "-"


@dataclasses.dataclass(frozen=True)
class Panel:
    """One axes of lines.

    Args:
        label: What the y axis says.
        series: The lines.
        title: What stands above. Defaults to nothing.
        scale: What values are multiplied by. Defaults to 1.
        levels: Dotted lines across, as (spread, label).
        limits: Dash-dotted lines across, as (value, label).
        log: Whether the y axis is logarithmic.
        from_zero: Whether the y axis begins at 0.
    """

    label: str
    series: Sequence[Series]
    title: str = ""
    scale: float = 1.0
    levels: Sequence[tuple[Spread, str]] = ()
    limits: Sequence[tuple[float, str]] = ()
    log: bool = False
    from_zero: bool = False

    @property
    def xs(self) -> list[float]:
        """All places on the x axis that have a value."""
        return [
            x
            for series in self.series
            for x, spread in zip(series.xs, series.spreads, strict=True)
            if spread.count
        ]


def panels_numbers(panels: Sequence[Panel], x: str) -> list[dict[str, Any]]:
    """Gathers what is drawn, a row per point.

    Args:
        panels: The panels of a figure.
        x: Name of the column of places, such as `"density"`.

    Returns:
        Dicts of `panel`, `line`, the place and a spread `value`, in the units
        of the axes.

    Example:
        >>> series = Series("ticket", [50.0], [Spread.of([0.1, 0.3])])
        >>> panels_numbers([Panel("Error (%)", [series], scale=100)], "x")[0]
        ... # doctest: +ELLIPSIS
        {'panel': 'Error (%)', 'line': 'ticket', 'x': 50.0, 'value': ...20.0...
    """
    rows = []
    for panel in panels:
        name = ": ".join(part for part in (panel.title, panel.label) if part)
        for series in panel.series:
            for place, spread in zip(series.xs, series.spreads, strict=True):
                if spread.count:
                    rows.append(
                        {
                            "panel": name,
                            "line": series.label,
                            x: place,
                            "value": _scaled(spread, panel.scale),
                        }
                    )
        for spread, label in panel.levels:
            value = _scaled(spread, panel.scale)
            rows.append({"panel": name, "line": label, "value": value})
    return rows


def _scaled(spread: Spread, scale: float) -> Spread:
    return Spread(
        spread.mean * scale,
        spread.low * scale,
        spread.high * scale,
        spread.count,
    )


def panels_figure(
    panels: Sequence[Panel],
    *,
    columns: int,
    title: str = "",
    axis: Callable[[Any, Sequence[float]], None] = parts.density_axis,
) -> Figure:
    """Draws panels in rows, with one key for all below them.

    Args:
        panels: What to draw; one without values stays empty.
        columns: How many stand side by side.
        title: What is shown. Defaults to nothing.
        axis: Makes the x axis, given the axes and all places on it. Defaults
            to an axis of densities, in percent.

    Returns:
        A figure with one axes per panel.
    """
    xs = [x for panel in panels for x in panel.xs]
    rows = -(-len(panels) // columns)
    across = min(columns, len(panels))
    with drawing.style():
        width = max(1.0 + 3.5 * across, 6.0)
        figure = drawing.new_figure(width, 1.0 + 2.7 * rows)
        drawn = parts.grid(figure, len(panels), columns)
        for i, (axes, panel) in enumerate(zip(drawn, panels, strict=True)):
            _draw(axes, panel)
            axis(axes, xs)
            if i + across < len(panels):
                axes.set_xlabel("")
        counts = [s.count for p in panels for e in p.series for s in e.spreads]
        parts.entitle(figure, title, [count for count in counts if count])
        parts.key(figure, drawn)
    return figure


def _draw(axes: Any, panel: Panel) -> None:
    for spread, label in panel.levels:
        parts.level(axes, spread, scale=panel.scale, label=label)
    for value, label in panel.limits:
        axes.axhline(
            value * panel.scale,
            color="#000000",
            linestyle="-.",
            linewidth=0.9,
            label=label,
            zorder=1,
        )
    for series in panel.series:
        parts.line(
            axes,
            series.xs,
            series.spreads,
            scale=panel.scale,
            place=series.place,
            color=series.color,
            label=series.label,
            linestyle=series.linestyle,
        )
    axes.set_ylabel(panel.label)
    axes.set_title(panel.title)
    if panel.log:
        parts.loss_axis(axes)
    elif panel.from_zero:
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    if not panel.log:
        axes.yaxis.set_major_locator(ticker.MaxNLocator(6))
