"""Figures of training: how loss and accuracy go, round by round.

Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, figure 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tflottery.reports import axes as parts
from tflottery.reports import branch_names, drawing

_CURVES = (
    ("validation_loss", 1.0, "Validation loss"),
    ("validation_accuracy", 100.0, "Validation accuracy (%)"),
)
Histories = Mapping[int, Mapping[Any, Mapping[str, np.ndarray]]]


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


def mean_curve(
    histories: Mapping[Any, Mapping[str, np.ndarray]], column: str
) -> tuple[np.ndarray, np.ndarray]:
    """Brings the histories of some runs together.

    Args:
        histories: `{run: {column: values}}`.
        column: Which values.

    Returns:
        Steps that all runs have, shape (n,), and values, shape (runs, n).
    """
    known = [h for h in histories.values() if column in h and h["step"].size]
    if not known:
        return np.empty(0), np.empty((0, 0))
    steps = known[0]["step"]
    for history in known[1:]:
        steps = np.intersect1d(steps, history["step"])
    values = [h[column][np.isin(h["step"], steps)] for h in known]
    return steps, np.stack(values)


def training_numbers(
    histories: Mapping[str, Histories], rounds: Sequence[int]
) -> list[dict[str, Any]]:
    """Gathers what a figure of training shows, a row per step of a line.

    Args:
        histories: `{branch: {round: {run: {column: values}}}}`.
        rounds: Which rounds are shown.

    Returns:
        Dicts of `branch`, `round`, `step`, `runs`, and mean, least and
        greatest of each column.
    """
    rows = []
    for branch, by_round in histories.items():
        for round in rounds:
            lines = {
                column: mean_curve(by_round.get(round, {}), column)
                for column, _, _ in _CURVES
            }
            rows += _numbers(branch, round, lines)
    return rows


def _numbers(branch: str, round: int, lines: Mapping[str, tuple]) -> list[dict]:
    steps = next(iter(lines.values()))[0]
    rows = []
    for i, step in enumerate(steps):
        row = {"branch": branch, "round": round, "step": int(step)}
        for column, (_, values) in lines.items():
            if len(values):
                row["runs"] = len(values)
                row[f"{column}_mean"] = values[:, i].mean()
                row[f"{column}_min"] = values[:, i].min()
                row[f"{column}_max"] = values[:, i].max()
        rows.append(row)
    return rows


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
    histories: Histories,
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
    shades = drawing.shades(len(chosen))
    with drawing.style():
        figure = drawing.new_figure(9.0, 3.6)
        panels = figure.subplots(1, len(_CURVES))
        for axes, (column, scale, label) in zip(panels, _CURVES, strict=True):
            lines = []
            for number, shade in zip(chosen, shades, strict=True):
                steps, values = mean_curve(histories[number], column)
                if not steps.size:
                    continue
                lines.append((steps, values * scale))
                text = f"round {number}: {densities.get(number, np.nan):.1%}"
                style = "-" if number else "--"
                parts.curve(axes, *lines[-1], shade, text, style)
            axes.set_ylabel(label)
            _finish(axes, column, lines)
        parts.entitle(figure, title, [len(histories[n]) for n in chosen])
        parts.key(figure, panels, title="Weights remaining", below=False)
    return figure


def _finish(
    axes: Any, column: str, lines: Sequence[tuple], ticks: int = 6
) -> None:
    parts.step_axis(axes, ticks)
    if column == "validation_loss":
        parts.loss_axis(axes)
    elif lines:
        axes.set_ylim(*_accuracy_limits(lines))


def controls_figure(
    histories: Mapping[str, Histories],
    densities: Mapping[int, float],
    rounds: Sequence[int],
    title: str = "",
) -> Figure:
    """Draws the training of tickets beside that of their controls.

    Args:
        histories: `{branch: {round: {run: {column: values}}}}`; round 0 of
            the ticket is the dense network, dashed in every panel.
        densities: Density of each round, in (0, 1].
        rounds: A column of panels each.
        title: What is shown. Defaults to nothing.

    Returns:
        A figure with a row of panels for the loss and one for the accuracy.
    """
    places = branch_names.places(histories)
    dense = histories.get(branch_names.TICKET, {}).get(0, {})
    with drawing.style():
        width = max(1.2 + 2.9 * len(rounds), 5.5)
        figure = drawing.new_figure(width, 5.6)
        panels = figure.subplots(
            len(_CURVES), len(rounds), sharex=True, sharey="row", squeeze=False
        )
        for i, (column, scale, label) in enumerate(_CURVES):
            row, lines = panels[i], []
            for axes, round in zip(row, rounds, strict=True):
                found = {
                    name: mean_curve(by_round.get(round, {}), column)
                    for name, by_round in histories.items()
                }
                steps, values = mean_curve(dense, column)
                if steps.size:
                    shade = drawing.DENSE_COLOR
                    parts.curve(
                        axes, steps, values * scale, shade, "dense", "--"
                    )
                for name, (steps, values) in found.items():
                    if not steps.size:
                        continue
                    lines.append((steps, values * scale))
                    shade = drawing.color(places[name])
                    text = branch_names.label(name)
                    parts.curve(axes, *lines[-1], shade, text, "-")
            row[0].set_ylabel(label)
            for axes in row:
                _finish(axes, column, lines, ticks=4)
                if i + 1 < len(_CURVES):
                    axes.set_xlabel("")
        for axes, round in zip(panels[0], rounds, strict=True):
            share = densities.get(round, np.nan)
            axes.set_title(f"Round {round}: {share:.1%} of the weights")
        counts = [
            len(by_round[round])
            for by_round in histories.values()
            for round in rounds
            if round in by_round
        ]
        parts.entitle(figure, title, counts)
        parts.key(figure, panels.ravel())
    return figure
