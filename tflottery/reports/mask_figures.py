"""Pictures of masks: densities layer by layer, and the inputs that survive.

Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, appendix F.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure

from tflottery.core.mask import Mask
from tflottery.reports import axes as parts
from tflottery.reports import drawing, summary

_MOST_NUMBERS = 260  # cells that still have room for a number each
_MOST_LABELS = 40


def layer_numbers(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Gathers the density of each layer in each round.

    Args:
        rows: Dicts of `replicate`, `round`, `layer`, `kept`, `size` and
            `density`.

    Returns:
        Dicts of `round`, `layer`, `size` and a spread `density` over
        replicates; layers in the order of the network.
    """
    found = summary.grouped(rows, ["round", "layer", "size"], ["density"])
    return sorted(found, key=lambda row: row["round"])


def layer_figure(
    numbers: Sequence[Mapping[str, Any]], title: str = ""
) -> Figure:
    """Draws the densities of layers and rounds as a heat map.

    Args:
        numbers: As `layer_numbers` gathers them.
        title: What is shown. Defaults to nothing.

    Returns:
        A figure with a row per round and a column per layer; colours are
        logarithmic, and cells say the density in percent while there is
        room.
    """
    rounds = sorted({row["round"] for row in numbers})
    layers = list(dict.fromkeys(row["layer"] for row in numbers))
    sizes = {row["layer"]: row["size"] for row in numbers}
    values = np.full((len(rounds), len(layers)), np.nan)
    for row in numbers:
        place = rounds.index(row["round"]), layers.index(row["layer"])
        values[place] = 100 * row["density"].mean
    low = max(float(np.nanmin(values)), 1e-3)
    scale = colors.LogNorm(min(low, 50.0), 100.0)
    shown = len(layers) * len(rounds) <= _MOST_NUMBERS and len(layers) <= 14
    with drawing.style():
        width = min(max(3.2 + 0.75 * len(layers), 5.0), 12.0)
        height = min(max(1.6 + 0.26 * len(rounds), 2.6), 8.0)
        figure = drawing.new_figure(width, height)
        axes = figure.subplots()
        axes.grid(False)
        picture = axes.imshow(
            np.maximum(values, low), norm=scale, cmap="viridis", aspect="auto"
        )
        axes.set_xticks(
            range(len(layers)),
            [f"{_short(name)}\n{sizes[name]:,}" for name in layers]
            if len(layers) <= 8
            else [_short(name) for name in layers],
        )
        if len(layers) > 8:
            axes.tick_params(axis="x", labelrotation=90, labelsize=7)
            axes.set_xlabel("Layer")
        else:
            axes.set_xlabel("Layer and its number of weights")
        step = -(-len(rounds) // _MOST_LABELS)
        axes.set_yticks(range(0, len(rounds), step), rounds[::step])
        axes.set_ylabel("Round")
        for spine in axes.spines.values():
            spine.set_visible(False)
        if shown:
            _write_values(axes, values, scale)
        bar = figure.colorbar(picture, ax=axes, label="Density (%)")
        bar.ax.yaxis.set_major_formatter(
            matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:.12g}")
        )
        bar.ax.yaxis.set_major_locator(
            matplotlib.ticker.LogLocator(subs=(1.0, 2.0, 5.0))
        )
        bar.ax.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        parts.entitle(figure, title)
    return figure


def _short(layer: str) -> str:
    return layer.removesuffix("/kernel")


def _write_values(axes: Any, values: np.ndarray, scale: Any) -> None:
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        text = "100" if value >= 99.95 else f"{value:.1f}"
        dark = scale(max(value, scale.vmin)) < 0.6
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=7,
            color="white" if dark else "black",
        )


def first_layer(mask: Mask) -> np.ndarray | None:
    """Returns the connections that each input of a dense first layer keeps.

    Args:
        mask: A mask whose first tensor is that of the first layer.

    Returns:
        Counts of shape (inputs,), or `None` if that tensor is no matrix.

    Example:
        >>> first_layer(Mask({"fc1/kernel": [[1, 0], [1, 1], [0, 0]]}))
        array([1, 2, 0])
    """
    array = next(iter(mask.values()), None)
    if array is None or array.ndim != 2:
        return None
    return np.count_nonzero(array, axis=1)


def inputs_numbers(
    counts: Mapping[int, np.ndarray], shape: tuple[int, int, int]
) -> list[dict[str, Any]]:
    """Gathers the connections of each pixel, a row per pixel and round.

    Args:
        counts: `{round: connections of shape (inputs,)}`.
        shape: Height, width and channels.

    Returns:
        Dicts of `round`, `row`, `column` and `connections`, of all channels
        of the pixel together.
    """
    return [
        {
            "round": round,
            "row": row,
            "column": column,
            "connections": int(value),
        }
        for round, flat in counts.items()
        for (row, column), value in np.ndenumerate(
            flat.reshape(shape).sum(axis=-1)
        )
    ]


def inputs_figure(
    counts: Mapping[int, np.ndarray],
    shape: tuple[int, int, int],
    densities: Mapping[int, float],
    title: str = "",
) -> Figure:
    """Draws how many connections each pixel keeps, rounds side by side.

    Args:
        counts: `{round: connections of shape (inputs,)}`.
        shape: Height, width and channels of the inputs.
        densities: Density of each round, in (0, 1].
        title: What is shown. Defaults to nothing.

    Returns:
        A figure with a picture per round. Each has a scale of its own, from 0
        to its greatest count, since late rounds would be black on a common
        one.
    """
    columns = min(len(counts), 6)
    rows = -(-len(counts) // columns)
    with drawing.style():
        figure = drawing.new_figure(
            max(0.6 + 1.75 * columns, 5.5), 0.5 + 2.15 * rows
        )
        panels = parts.grid(figure, len(counts), columns)
        for axes, (round, flat) in zip(panels, counts.items(), strict=True):
            picture = axes.imshow(
                flat.reshape(shape).sum(axis=-1),
                cmap="magma",
                vmin=0,
                interpolation="nearest",
            )
            axes.grid(False)
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(True)
            share = densities.get(round, np.nan)
            axes.set_title(f"Round {round}: {share:.1%}")
            bar = figure.colorbar(
                picture, ax=axes, location="bottom", fraction=0.05, pad=0.03
            )
            bar.ax.tick_params(labelsize=7, length=2)
            bar.ax.xaxis.set_major_locator(
                matplotlib.ticker.MaxNLocator(3, integer=True)
            )
            bar.outline.set_visible(False)
        parts.entitle(figure, title)
    return figure
