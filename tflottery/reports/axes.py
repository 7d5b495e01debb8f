"""Parts that figures share: axes of densities, steps and losses, lines, keys.

Each part is drawn in one way only, so that all figures of a report read alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from tflottery.reports import drawing
from tflottery.reports.summary import Spread

# Up to here, an axis that goes 1, 2, 5, 10 would have too few ticks.
_DECADE = 10.0
_PLAIN = ticker.FuncFormatter(lambda value, _: f"{value:.12g}")


def density_axis(axes: Any, densities: Sequence[float]) -> None:
    """Makes the x axis one of densities, logarithmic, from dense to sparse.

    Args:
        axes: Where.
        densities: In percent.
    """
    axes.set_xscale("log")
    low, high = min(densities), max(densities)
    axes.set_xlim(high * 1.15, low / 1.15)  # Pruning goes on to the right.
    narrow = high / low <= _DECADE
    subs = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0) if narrow else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(_PLAIN)
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_xlabel("Density: weights remaining (%)")


def loss_axis(axes: Any) -> None:
    """Makes the y axis logarithmic, with ticks written plainly."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(
        ticker.MaxNLocator(6)
        if high / low <= _DECADE
        else ticker.LogLocator(subs=(1.0, 2.0, 5.0))
    )
    axes.yaxis.set_major_formatter(_PLAIN)
    axes.yaxis.set_minor_locator(ticker.NullLocator())


def step_axis(axes: Any, ticks: int = 6) -> None:
    """Makes the x axis one of steps of training."""
    axes.set_xlabel("Step")
    axes.xaxis.set_major_locator(ticker.MaxNLocator(ticks))
    axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))


def rewinding_axis(axes: Any, steps: Sequence[float]) -> None:
    """Makes the x axis one of rewinding steps; 0 has a place on it.

    Args:
        axes: Where.
        steps: The steps k that were tried; they become the ticks.
    """
    ks = sorted(set(steps))
    positive = [k for k in ks if k > 0]
    if positive and max(positive) / min(positive) > 2:
        axes.set_xscale("symlog", linthresh=min(positive), linscale=0.7)
        scale = axes.xaxis.get_transform()
        low, high = scale.transform([ks[0], ks[-1]])
        margin = 0.06 * (high - low)
        inverse = scale.inverted()
        axes.set_xlim(*inverse.transform([low - margin, high + margin]))
    axes.xaxis.set_major_locator(ticker.FixedLocator(ks))
    axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    if len(ks) > 4:
        axes.tick_params(axis="x", labelrotation=45)
    axes.set_xlabel("Rewinding step k")


def line(
    axes: Any,
    xs: Sequence[float],
    spreads: Sequence[Spread],
    *,
    scale: float = 1.0,
    place: int = 0,
    color: Any = None,
    label: str = "",
    linestyle: str = "-",
) -> None:
    """Draws means with bars from the least to the greatest value.

    Args:
        axes: Where.
        xs: Places on the x axis.
        spreads: A spread for each; those without values are left out.
        scale: What values are multiplied by.
        place: Number of the marker, and of the colour if none is given.
        color: The colour. Defaults to that of `place`.
        label: What the key says.
        linestyle: As Matplotlib has it.
    """
    known = [(x, s) for x, s in zip(xs, spreads, strict=True) if s.count]
    if not known:
        return
    mean, low, high = (
        np.asarray([getattr(s, end) for _, s in known]) * scale
        for end in ("mean", "low", "high")
    )
    bars = None
    if any(s.count > 1 for _, s in known):
        # The mean of equal numbers may lie an ulp outside them.
        bars = np.maximum([mean - low, high - mean], 0)
    axes.errorbar(
        [x for x, _ in known],
        mean,
        yerr=bars,
        color=drawing.color(place) if color is None else color,
        marker=drawing.marker(place),
        capsize=2,
        elinewidth=0.9,
        linestyle=linestyle,
        label=label,
    )


def level(axes: Any, spread: Spread, *, scale: float = 1.0, label: str) -> None:
    """Draws a dotted line across at a mean; a band from least to greatest."""
    if not spread.count:
        return
    axes.axhline(
        spread.mean * scale,
        color=drawing.DENSE_COLOR,
        linestyle=":",
        label=label,
        zorder=1,
    )
    if spread.count > 1:
        axes.axhspan(
            spread.low * scale,
            spread.high * scale,
            color=drawing.DENSE_COLOR,
            alpha=0.10,
            lw=0,
            zorder=0,
        )


def curve(
    axes: Any, xs: Any, values: np.ndarray, shade: Any, text: str, style: str
) -> None:
    """Draws the mean of some curves, a band from least to greatest.

    Args:
        axes: Where.
        xs: Places, shape (n,).
        values: Shape (runs, n).
        shade: The colour.
        text: What the key says.
        style: Line style as Matplotlib has it.
    """
    axes.plot(xs, values.mean(axis=0), color=shade, linestyle=style, label=text)
    if len(values) > 1:
        low, high = values.min(axis=0), values.max(axis=0)
        axes.fill_between(xs, low, high, color=shade, alpha=0.15, lw=0)


def entitle(figure: Figure, title: str, counts: Sequence[int] = ()) -> None:
    """Writes the title, and how many runs stand behind the means."""
    spread = ""
    if counts and max(counts) > 1:
        least, most = min(counts), max(counts)
        runs = f"{most}" if least == most else f"{least} to {most}"
        spread = f"mean and min–max of {runs} runs"
    text = " · ".join(part for part in (title, spread) if part)
    if text:
        figure.suptitle(text)


def key(
    figure: Figure,
    panels: Sequence[Any],
    *,
    title: str = "",
    below: bool = True,
) -> None:
    """Puts one key for all panels outside of them; each label stands once."""
    found: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        found.update(
            (text, handle)
            for handle, text in zip(handles, labels, strict=True)
            if text not in found
        )
    if not found:
        return
    place: Mapping[str, Any] = {"loc": "outside right center"}
    if below:
        longest = max(len(text) for text in found)
        width = figure.get_figwidth()
        # An entry needs about 0.075 inches a letter and 0.6 for its line.
        most = max(1, int(width / (0.075 * longest + 0.6)))
        rows = -(-len(found) // most)
        figure.set_figheight(figure.get_figheight() + 0.19 * (rows - 1))
        place = {
            "loc": "outside lower center",
            "ncols": -(-len(found) // rows),
        }
    figure.legend(
        list(found.values()), list(found), title=title or None, **place
    )


def grid(figure: Figure, count: int, columns: int, **options: Any) -> list[Any]:
    """Makes panels in rows and removes those that stay empty."""
    rows = -(-count // columns)
    panels = figure.subplots(
        rows, min(columns, count), squeeze=False, **options
    ).ravel()
    for axes in panels[count:]:
        axes.remove()
    return list(panels[:count])
