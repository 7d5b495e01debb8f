"""Figures of a search: the densities' figure and the training curves.

They are the two kinds of figure by which the lottery-ticket hypothesis was
argued: where a ticket stops being as good as the dense network, and how fast
each learns on the way there.

Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, figures 3
and 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from tflottery.reports import drawing, summary
from tflottery.reports.summary import Point

_PANELS = (
    ("test_accuracy_best", 100.0, "Test accuracy at early stop (%)"),
    ("best_step", 1.0, "Early-stopping step"),
)
_CURVES = (
    ("validation_loss", 1.0, "Validation loss"),
    ("validation_accuracy", 100.0, "Validation accuracy (%)"),
)
# Up to here, an axis that goes 1, 2, 5, 10 would have too few ticks.
_DECADE = 10.0


def _density_axis(axes: Any, densities: Sequence[float]) -> None:
    axes.set_xscale("log")
    low, high = min(densities), max(densities)
    axes.set_xlim(high * 1.15, low / 1.15)  # Pruning goes on to the right.
    narrow = high / low <= _DECADE
    subs = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0) if narrow else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(
        ticker.FuncFormatter(lambda value, _: f"{value:.12g}")
    )
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_xlabel("Density: weights remaining (%)")


def _draw_branch(
    axes: Any, points: Sequence[Point], column: str, scale: float, index: int
) -> None:
    spreads = [point[column] for point in points]
    mean = np.asarray([s.mean for s in spreads]) * scale
    bars = None
    if any(s.count > 1 for s in spreads):
        low = np.asarray([s.low for s in spreads]) * scale
        high = np.asarray([s.high for s in spreads]) * scale
        # The mean of equal numbers may lie an ulp outside them.
        bars = np.maximum([mean - low, high - mean], 0)
    axes.errorbar(
        [100 * point.density for point in points],
        mean,
        yerr=bars,
        color=drawing.color(index),
        marker=drawing.marker(index),
        capsize=2,
        elinewidth=1,
        label=points[0].branch.replace("_", " "),
    )


def density_figure(
    rows: Sequence[Mapping[str, Any]], title: str = ""
) -> Figure:
    """Draws test accuracy and early-stopping step against density.

    Lines are means over replicates and draws, bars go from the least to the
    greatest value; branches lie over one another, and the dense network's
    level is a dotted line. The axis of densities is logarithmic and runs from
    dense to sparse.

    Args:
        rows: Rows as `results.read_results` gives them.
        title: What is shown. Defaults to nothing.

    Returns:
        A figure with one axes for each of the two.

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
    densities = [100 * point.density for point in points]
    with drawing.style():
        figure = drawing.new_figure(9.0, 4.0)
        panels = figure.subplots(1, len(_PANELS))
        for axes, (column, scale, label) in zip(panels, _PANELS, strict=True):
            if dense is not None:
                axes.axhline(
                    dense[column].mean * scale,
                    color=drawing.DENSE_COLOR,
                    linestyle=":",
                    label="dense",
                    zorder=1,
                )
            branches = summary.branches(points).values()
            for index, group in enumerate(branches):
                _draw_branch(axes, group, column, scale, index)
            _density_axis(axes, densities)
            axes.set_ylabel(label)
        panels[1].set_ylim(0, 1.03 * panels[1].get_ylim()[1])
        panels[1].yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
        _entitle(figure, title, [point.count for point in points])
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=min(len(labels), 5),
        )
    return figure


def _entitle(figure: Figure, title: str, counts: Sequence[int]) -> None:
    least, most = min(counts), max(counts)
    runs = f"{most}" if least == most else f"{least} to {most}"
    spread = f"mean and min–max of {runs} runs" if most > 1 else ""
    text = " · ".join(part for part in (title, spread) if part)
    if text:
        figure.suptitle(text)


def choose_rounds(rounds: Sequence[int], most: int = 6) -> list[int]:
    """Chooses rounds to show: the first, the last, and evenly between.

    Args:
        rounds: Numbers to choose from.
        most: How many at most; at least 2. Defaults to 6, about as many
            shades as an eye can tell apart.

    Returns:
        The chosen numbers, ascending.

    Example:
        >>> choose_rounds(range(17))
        [0, 3, 6, 10, 13, 16]
    """
    ordered = sorted(set(rounds))
    count = min(most, len(ordered))
    places = np.linspace(0, len(ordered) - 1, count).round().astype(int)
    return [ordered[place] for place in places]


def _curve(
    histories: Mapping[int, Mapping[str, np.ndarray]], column: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns steps and values (replicate, step) where all replicates are."""
    known = [h for h in histories.values() if column in h and h["step"].size]
    if not known:
        return np.empty(0), np.empty((0, 0))
    steps = known[0]["step"]
    for history in known[1:]:
        steps = np.intersect1d(steps, history["step"])
    values = [h[column][np.isin(h["step"], steps)] for h in known]
    return steps, np.stack(values)


def _accuracy_limits(
    lines: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[float, float]:
    """Returns the ends of an accuracy axis that leaves out the first climb."""
    late = np.concatenate(
        [
            values[:, steps >= steps[0] + 0.2 * (steps[-1] - steps[0])].ravel()
            for steps, values in lines
        ]
    )
    late = late[np.isfinite(late)]
    low, high = (late.min(), late.max()) if late.size else (0.0, 100.0)
    margin = max(0.05 * (high - low), 0.1)
    return low - margin, high + margin


def training_figure(
    histories: Mapping[int, Mapping[int, Mapping[str, np.ndarray]]],
    densities: Mapping[int, float],
    rounds: Sequence[int] | None = None,
    title: str = "",
) -> Figure:
    """Draws validation loss and accuracy against the step, round by round.

    Lines are means over replicates; the shade around one goes from the least
    to the greatest value. Darker is denser; the dense round is dashed.

    Args:
        histories: `{round: {replicate: {column: values}}}`, as
            `results.read_histories` gives them.
        densities: Density of each round, in (0, 1].
        rounds: Which rounds to draw. Defaults to `None`, those of
            `choose_rounds`.
        title: What is shown. Defaults to nothing.

    Returns:
        A figure with one axes for the loss (logarithmic) and one for the
        accuracy, whose axis leaves out what is below the values after a
        fifth of the training.

    Raises:
        ValueError: If a round is asked for that has no history.
    """
    chosen = choose_rounds(histories) if rounds is None else sorted(rounds)
    missing = [number for number in chosen if number not in histories]
    if missing or not chosen:
        raise ValueError(
            "`rounds` must have a history each. Received: rounds="
            f"{list(chosen)}, of which {missing} have none. Rounds to choose "
            f"from: {sorted(histories)}."
        )
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(chosen)))
    with drawing.style():
        figure = drawing.new_figure(9.0, 3.6)
        panels = figure.subplots(1, len(_CURVES))
        for axes, (column, scale, label) in zip(panels, _CURVES, strict=True):
            lines = []
            for number, shade in zip(chosen, shades, strict=True):
                steps, values = _curve(histories[number], column)
                if not steps.size:
                    continue
                lines.append((steps, values * scale))
                text = f"round {number}: {densities.get(number, np.nan):.1%}"
                _draw_curve(axes, *lines[-1], shade, text, dashed=number == 0)
            axes.set_xlabel("Step")
            axes.set_ylabel(label)
            axes.xaxis.set_major_locator(ticker.MaxNLocator(6))
            axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
            if column == "validation_loss":
                _loss_axis(axes)
            elif lines:
                axes.set_ylim(*_accuracy_limits(lines))
        _entitle(figure, title, [len(histories[n]) for n in chosen])
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside right center",
            title="Weights remaining",
        )
    return figure


def _draw_curve(axes, steps, values, shade, text, *, dashed) -> None:
    axes.plot(
        steps,
        values.mean(axis=0),
        color=shade,
        linestyle="--" if dashed else "-",
        label=text,
    )
    if len(values) > 1:
        low, high = values.min(axis=0), values.max(axis=0)
        axes.fill_between(steps, low, high, color=shade, alpha=0.15, lw=0)


def _loss_axis(axes: Any) -> None:
    axes.set_yscale("log")
    plain = ticker.FuncFormatter(lambda value, _: f"{value:.12g}")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(
        ticker.MaxNLocator(6)
        if high / low <= _DECADE
        else ticker.LogLocator(subs=(1.0, 2.0, 5.0))
    )
    axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_minor_locator(ticker.NullLocator())
