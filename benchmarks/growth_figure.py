"""Draws what the case `growth` has found, a panel for each way to grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.figure import Figure

_LABELS = {
    "width": "units of each of two layers",
    "depth": "hidden layers",
    "rounds": "rounds after the dense one",
    "replicates": "replicates",
}


def plot(path: Any, figures: Sequence[Figure]) -> None:
    """Draws seconds per round against size, both by their logarithms.

    Points are medians, bars reach from the smallest to the largest run. The
    exponent in a title is the slope of the line of least squares: 1 for what
    grows in proportion, 0 for what does not grow.

    Args:
        path: The image to write, such as `"growth.png"`.
        figures: Of the case `growth`; others are passed over.
    """
    from matplotlib.figure import Figure as Picture

    drawn = {
        figure.name.removeprefix("growth/"): figure
        for figure in figures
        if figure.name.startswith("growth/")
    }
    picture = Picture(figsize=(9, 7), layout="constrained")
    axes = picture.subplots(2, 2, sharey=True).flat
    for axis, (way, figure) in zip(axes, drawn.items(), strict=False):
        _panel(axis, way, figure)
    picture.suptitle("Seconds per round of a search")
    picture.savefig(path, dpi=150)


def _panel(axis, way, figure):
    from matplotlib.ticker import LogLocator, NullFormatter

    numbers = np.array([int(name.split()[-1]) for name in figure.parts])
    samples = list(figure.parts.values())
    medians = np.array([sample.median for sample in samples])
    below = medians - [min(sample.runs) for sample in samples]
    above = [max(sample.runs) for sample in samples] - medians
    axis.errorbar(numbers, medians, yerr=[below, above], marker="o", capsize=3)
    exponent = np.polyfit(np.log(numbers), np.log(medians), 1)[0]
    axis.set(
        xscale="log",
        yscale="log",
        title=f"{way}: exponent {exponent:.2f}",
        xlabel=_LABELS[way],
        ylabel="seconds per round",
    )
    axis.set_xticks(numbers, [str(number) for number in numbers])
    axis.set_xticks([], minor=True)
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_tick_params(labelleft=True)
    axis.grid(True, which="both", alpha=0.3)
