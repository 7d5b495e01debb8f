"""Figures of strong tickets: error against neurons, accuracy against density.

They are drawn from certificates and from the rows of trained supermasks, and
serve whoever compares constructions, data or laws of the weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from tflottery.reports import drawing
from tflottery.supermasks.certificate import Certificate


def draw_errors(certificates: Iterable[Certificate]) -> Figure:
    """Draws the largest error of a weight against the random units per weight.

    On the left the units are on a linear axis, where what is logarithmic
    falls in a straight line and what takes many more leaves the picture; on
    the right on a logarithmic one, with all of it. A ticket that something
    is missing from has a hollow marker, a control a cross.

    Args:
        certificates: Of tickets for one target, with other errors allowed;
            each construction becomes a line.

    Returns:
        The figure.

    Raises:
        ValueError: There are none.

    Reference: Orseau et al., Logarithmic Pruning is All You Need, 2020;
    Pensia et al., 2020; Malach et al., 2020.
    """
    found = sorted(certificates, key=lambda c: (c.construction, -_units(c)))
    if not found:
        raise ValueError(
            "`certificates` must hold one at least. Received: none. Pass "
            "[ticket.certificate, ...]."
        )
    with drawing.style():
        figure = drawing.new_figure(9.6, 4.4)
        linear, logarithmic = figure.subplots(1, 2, sharey=True)
        groups = [
            (name, list(group))
            for name, group in itertools.groupby(
                found, key=lambda c: c.construction
            )
        ]
        for number, (name, group) in enumerate(groups):
            for axes in (linear, logarithmic):
                _draw_construction(axes, number, name, group)
        most = sorted(max(map(_units, group)) for _, group in groups)
        linear.set(
            yscale="log",
            ylabel="Largest error of a weight",
            xlim=(0, 1.1 * most[max(len(most) - 2, 0)]),
        )
        logarithmic.set(xscale="log")
        figure.supxlabel(
            "Random units sampled for each weight of the target", fontsize=10
        )
        handles, labels = linear.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def _draw_construction(axes, number, name, group):
    color = drawing.color(number)
    units = [_units(c) for c in group]
    errors = [c.largest_weight_error for c in group]
    axes.plot(
        units, errors, color=color, marker=drawing.marker(number), label=name
    )
    missed = [
        (u, e)
        for c, u, e in zip(group, units, errors, strict=True)
        if c.missing
    ]
    if missed:
        axes.plot(
            *zip(*missed, strict=True),
            linestyle="none",
            color=color,
            marker=drawing.marker(number),
            markerfacecolor="white",
            label=f"{name}: something is missing",
        )
    controls = [
        (u, c.control)
        for c, u in zip(group, units, strict=True)
        if c.control is not None
    ]
    if controls:
        axes.plot(
            [u for u, _ in controls],
            [control.largest_weight_error for _, control in controls],
            linestyle=":",
            color=color,
            marker="x",
            label=f"{name}: control ({controls[0][1].name})",
        )


def _units(certificate: Certificate) -> float:
    """Returns the units per weight of a whole network."""
    weights = sum(layer.weights for layer in certificate.layers)
    return sum(layer.units_sampled for layer in certificate.layers) / weights


def draw_accuracies(
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    dense_accuracy: float | None = None,
) -> Figure:
    """Draws the test accuracy of trained supermasks against their density.

    Args:
        rows: `{label: rows}`; rows as of `train_supermask`, with `density` and
            `test_accuracy_best`. Rows of one density are averaged, with bars
            from the least to the greatest.
        dense_accuracy: Of the network with trained weights, in [0, 1]; drawn
            as a line.

    Returns:
        The figure.
    """
    with drawing.style():
        figure = drawing.new_figure(6.4, 4.2)
        axes = figure.subplots()
        for number, (label, of_label) in enumerate(rows.items()):
            groups: dict[float, list[float]] = {}
            for row in of_label:
                accuracy = 100 * float(row["test_accuracy_best"])
                density = round(float(row["density"]), 3)
                groups.setdefault(density, []).append(accuracy)
            points = sorted(groups.items())
            means = [fmean(values) for _, values in points]
            spread = [
                [m - min(v) for m, (_, v) in zip(means, points, strict=True)],
                [max(v) - m for m, (_, v) in zip(means, points, strict=True)],
            ]
            axes.errorbar(
                [100 * density for density, _ in points],
                means,
                yerr=spread,
                color=drawing.color(number),
                marker=drawing.marker(number),
                capsize=3,
                label=label,
            )
        if dense_accuracy is not None:
            axes.axhline(
                100 * dense_accuracy,
                color=drawing.DENSE_COLOR,
                linestyle="--",
                label="weights trained, dense",
            )
        axes.set(
            xlabel="Weights used (%)",
            ylabel="Test accuracy (%)",
        )
        axes.legend()
    return figure
