"""Figures of the tables that `tflottery analyse` writes."""

from __future__ import annotations

from collections.abc import Iterator

from tflottery.reports import (
    branch_names,
    drawn,
    histogram_figures,
    stability_figures,
    unit_figures,
    weight_figures,
)
from tflottery.reports.branch_names import TICKET
from tflottery.reports.lacks import Lack
from tflottery.reports.run import Run

Found = drawn.Drawn | Lack


def _overlap(run: Run) -> Iterator[Found]:
    rows = run.table("overlap")
    panels = unit_figures.overlap_panels(rows, run.densities)
    if panels:
        yield drawn.panels_drawn(
            "overlap",
            drawn.MASKS,
            "Survivors that two masks share, over those that either has; "
            "dotted: independent masks with the same layer-wise densities."
            + drawn.SPREAD,
            panels,
            columns=2,
            title=run.title,
        )
    elif not rows:
        yield Lack("Overlap of masks.", analyse=True)


def _connectivity(run: Run) -> Iterator[Found]:
    panels = unit_figures.connectivity_panels(
        run.table("connectivity"), run.densities
    )
    if not panels:
        yield Lack("Connections per unit.", analyse=True)
        return
    yield drawn.panels_drawn(
        "connectivity",
        drawn.MASKS,
        "How unevenly connections are spread over units, against a random "
        "mask of the same density, and inputs that no connection is left of."
        + drawn.SPREAD,
        panels,
        columns=3,
        title=run.title,
    )
    numbers = unit_figures.units_numbers(run.table("connectivity_units"))
    if numbers:
        yield drawn.Drawn(
            "connectivity_units",
            drawn.MASKS,
            "Share of units that have at least so many connections, over the "
            "mean of their layer; all replicates together.",
            unit_figures.units_figure(numbers, run.densities, run.title),
            numbers,
        )


def _histograms(run: Run) -> Iterator[Found]:
    rows = run.table("surviving_weights")
    if not rows:
        yield Lack("Histograms of surviving weights and signs.", analyse=True)
        return
    for weights, name, label, text in (
        ("surviving", "initial_weights", "Initial weight", "Initial"),
        ("trained", "trained_weights", "Trained weight", "Trained"),
    ):
        numbers = histogram_figures.histogram_numbers(rows, weights)
        if numbers:
            replicate = numbers[0]["replicate"]
            yield drawn.Drawn(
                name,
                drawn.WEIGHTS,
                f"{text} weights of the survivors, layer by layer (replicate "
                f"{replicate}).",
                histogram_figures.histogram_figure(
                    numbers, run.densities, label, run.title
                ),
                numbers,
            )


def _signs(run: Run) -> Iterator[Found]:
    panels = weight_figures.sign_panels(run.table("signs"), run.densities)
    if any(panel.xs for panel in panels):
        yield drawn.panels_drawn(
            "signs",
            drawn.WEIGHTS,
            "Survivors' initial weights: whether they have two modes (more at "
            "0.5 to 1.5 standard deviations than nearer to 0), how many keep "
            "their sign in training, and how large they were." + drawn.SPREAD,
            panels,
            columns=3,
            title=run.title,
        )


def _movement(run: Run) -> Iterator[Found]:
    panels = weight_figures.movement_panels(
        run.table("movement"), run.densities
    )
    if panels:
        yield drawn.panels_drawn(
            "movement",
            drawn.WEIGHTS,
            "How far weights move while the dense network is trained: those "
            "that a round keeps, against those that it prunes." + drawn.SPREAD,
            panels,
            columns=2,
            title=run.title,
        )
    else:
        yield Lack("Movement of weights.", analyse=True)


def _stability(run: Run) -> Iterator[Found]:
    panels = stability_figures.stability_panels(run.table("stability"))
    if panels:
        yield drawn.panels_drawn(
            "stability",
            drawn.STABILITY,
            "Distance and angle of the trained survivors: of two trainings on "
            "other orders of the data, and of the ticket and the dense network "
            "on the same order." + drawn.SPREAD,
            panels,
            columns=2,
            title=run.title,
        )
    missing = tuple(
        name
        for name in ("reordered", "random_ticket", "reordered_random_ticket")
        if name not in run.branches
    )
    if not panels or missing:
        yield Lack("Stability, whole.", missing, analyse=True)


def _interpolation(run: Run) -> Iterator[Found]:
    rows = run.table("interpolation")
    if not rows:
        yield Lack(
            "Errors on the line between two trained networks.",
            () if "reordered" in run.branches else ("reordered",),
            analyse=True,
        )
        return
    for lines, text in (
        (TICKET, "dense and tickets, trained on other orders of the data"),
        ("random_ticket", "random tickets trained on other orders of the data"),
        (
            stability_figures.TWO_STARTS,
            "dense, trained from two initialisations",
        ),
    ):
        numbers = stability_figures.interpolation_numbers(rows, lines)
        if not numbers:
            continue
        short = {TICKET: "", stability_figures.TWO_STARTS: "_initialisations"}
        yield drawn.Drawn(
            f"interpolation{short.get(lines, '_' + lines)}",
            drawn.STABILITY,
            f"Error on the line between two trained networks: {text}."
            + drawn.SPREAD,
            stability_figures.interpolation_figure(
                numbers, f"{run.title} · {branch_names.label(lines)}"
            ),
            numbers,
        )
    panels = stability_figures.instability_panels(run.table("instability"))
    if panels:
        yield drawn.panels_drawn(
            "instability",
            drawn.STABILITY,
            "Instability: how much higher the error is somewhere on the line "
            "than at its ends." + drawn.SPREAD,
            panels,
            columns=2,
            title=run.title,
        )


ENTRIES = (
    _overlap,
    _connectivity,
    _histograms,
    _signs,
    _movement,
    _stability,
    _interpolation,
)
