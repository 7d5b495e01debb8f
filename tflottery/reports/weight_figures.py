"""Figures of survivors, layer by layer: modes, signs, and how far they move.

Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, appendix F.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tflottery.reports import summary
from tflottery.reports.panels import Panel, Series
from tflottery.reports.summary import Spread
from tflottery.reports.training_figures import choose_rounds

Rows = Sequence[Mapping[str, Any]]
MOST_LAYERS = 6
GAUSSIAN_BIMODALITY = 0.387
FLAT_BIMODALITY = 0.5
_GAUSSIAN = [(Spread.of([GAUSSIAN_BIMODALITY]), "Gaussian")]
_FLAT = [(FLAT_BIMODALITY, "two modes above this")]


def choose_layers(rows: Rows, most: int = MOST_LAYERS) -> list[str]:
    """Chooses layers to show: the first, the last, and evenly between.

    Args:
        rows: Rows with a column `layer`; `"all"` is no layer.
        most: How many at most. Defaults to 6.

    Returns:
        Their paths, in the order of the network.

    Example:
        >>> rows = [{"layer": f"conv{i}"} for i in range(9)]
        >>> choose_layers(rows, most=3)
        ['conv0', 'conv4', 'conv8']
    """
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    layers = [name for name in layers if name != "all"]
    if not layers:
        return []
    return [layers[i] for i in choose_rounds(range(len(layers)), most)]


def short(layer: str) -> str:
    """Returns the name of a layer without that of its kernel."""
    return layer.removesuffix("/kernel")


def layer_series(
    rows: Rows,
    value: str,
    densities: Mapping[int, float],
    layers: Sequence[str],
    *,
    suffix: str = "",
    linestyle: str = "-",
) -> list[Series]:
    """Makes a line per layer over density.

    Args:
        rows: Rows with `layer` and `round`.
        value: Column to draw.
        densities: Density of each round, in (0, 1].
        layers: Which layers, in the order of their colours.
        suffix: What the key says after the layer's name.
        linestyle: As Matplotlib has it.
    """
    lines = []
    for place, layer in enumerate(layers):
        own = [row for row in rows if row["layer"] == layer]
        points = [
            point
            for point in summary.grouped(own, ["round"], [value])
            if point["round"] in densities and point[value].count
        ]
        lines.append(
            Series(
                short(layer) + suffix,
                [100 * densities[point["round"]] for point in points],
                [point[value] for point in points],
                place,
                linestyle=linestyle,
            )
        )
    return [line for line in lines if line.xs]


def sign_panels(rows: Rows, densities: Mapping[int, float]) -> list[Panel]:
    """Makes panels of `signs.csv`: modes, signs and sizes of survivors.

    Args:
        rows: Rows of `signs.csv`.
        densities: Density of each round, in (0, 1].

    Returns:
        Three panels with a line per layer.
    """
    layers = choose_layers(rows)
    wanted = (
        (
            "bimodality",
            "Bimodality of initial weights",
            1.0,
            True,
        ),
        (
            "kept_sign_share",
            "Survivors with their initial sign (%)",
            100.0,
            False,
        ),
        (
            "median_magnitude_ratio",
            "Initial |w| of survivors\n(median; of all weights: 1)",
            1.0,
            False,
        ),
    )
    return [
        Panel(
            label,
            layer_series(rows, column, densities, layers),
            scale=scale,
            levels=_GAUSSIAN if has_modes else (),
            limits=_FLAT if has_modes else (),
        )
        for column, label, scale, has_modes in wanted
    ]


def movement_panels(rows: Rows, densities: Mapping[int, float]) -> list[Panel]:
    """Makes panels of `movement.csv`.

    Args:
        rows: Rows of `movement.csv`.
        densities: Density of each round, in (0, 1].

    Returns:
        A panel of how much further weights of the ticket move than others,
        and one of the share that grows in magnitude.
    """
    layers = choose_layers(rows)
    moved: dict[tuple, dict[str, float]] = {}
    for row in rows:
        key = row["replicate"], row["round"], row["layer"]
        moved.setdefault(key, {})[row["group"]] = row["mean_distance"]
    ratios = [
        {
            "round": round,
            "layer": layer,
            "ratio": found["surviving"] / found["pruned"],
        }
        for (_, round, layer), found in moved.items()
        if {"surviving", "pruned"} <= found.keys()
        and all(isinstance(v, int | float) for v in found.values())
        and found["pruned"]
    ]
    grew = [
        line
        for group, style, suffix in (
            ("surviving", "-", ""),
            ("pruned", ":", ", pruned"),
        )
        for line in layer_series(
            [row for row in rows if row["group"] == group],
            "grew_share",
            densities,
            layers,
            suffix=suffix,
            linestyle=style,
        )
    ]
    panels = [
        Panel(
            "Distance moved in dense training\n(survivors over pruned)",
            layer_series(ratios, "ratio", densities, layers),
            levels=[(Spread.of([1.0]), "as far as the others")],
        ),
        Panel("Grow in magnitude (%)", grew, scale=100.0),
    ]
    return [panel for panel in panels if panel.xs]
