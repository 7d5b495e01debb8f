"""Figures of what a search leaves: accuracies, training, masks."""

from __future__ import annotations

from collections.abc import Iterator

from tflottery.reports import (
    branch_names,
    density_figures,
    drawn,
    mask_figures,
    training_figures,
)
from tflottery.reports.branch_names import TICKET
from tflottery.reports.lacks import Lack
from tflottery.reports.run import Run

Found = drawn.Drawn | Lack
# Density 1 in every round: a bundle of points at the edge of a figure.
_UNDRAWN = "dense_longer"
_CONTROLS = ("random_reinit", "random_ticket")


def _densities(run: Run) -> Iterator[Found]:
    drawn_branches = [name for name in run.branches if name != _UNDRAWN]
    for group in branch_names.groups(drawn_branches):
        title = " · ".join(part for part in (run.title, group.title) if part)
        chosen = set(group.branches)
        rows = [
            row
            for row in run.rows
            if row["branch"] in chosen
            or (row["branch"], row["round"]) == (TICKET, 0)
        ]
        what = f": {group.title}" if group.title else ""
        notes = ""
        bases = [name.partition("@")[0] for name in group.branches]
        if any(base.endswith("fine_tuning") for base in bases):
            notes += " Fine-tuning counts on from step T."
        if not group.name and _UNDRAWN in run.branches:
            text = branch_names.label(_UNDRAWN).capitalize()
            notes += f" {text}, keeps all weights and is in the table only."
        yield drawn.Drawn(
            f"density_{group.name}" if group.name else "density",
            drawn.ACCURACY,
            "Test accuracy at the early-stopping step (least validation loss, "
            "found afterwards) and at the end of training, and that step, "
            f"against the share of weights that are left{what}."
            + drawn.SPREAD
            + notes,
            density_figures.density_figure(rows, title, group.branches),
            density_figures.density_numbers(rows),
        )
    missing = [name for name in _CONTROLS if name not in run.branches]
    if missing:
        names = " and ".join(branch_names.label(name) for name in missing)
        yield Lack(f"Controls: {names}.", tuple(missing))


def _training(run: Run) -> Iterator[Found]:
    histories = run.histories()
    if not histories:
        return
    chosen = training_figures.choose_rounds(histories)
    yield drawn.Drawn(
        "training_curves",
        drawn.TRAINING,
        "Validation loss and accuracy during training, for some of the rounds."
        + drawn.SPREAD,
        training_figures.training_figure(
            histories, run.densities, chosen, run.title
        ),
        training_figures.training_numbers({TICKET: histories}, chosen),
    )
    controls = {
        name: found
        for name in (*_CONTROLS, "one_shot")
        if name in run.branches and (found := run.histories(name))
    }
    shared = sorted(
        {r for found in controls.values() for r in found if r in histories}
        - {0}
    )
    if not shared:
        return
    chosen = training_figures.choose_rounds(shared, 4)
    every = {TICKET: histories, **controls}
    yield drawn.Drawn(
        "training_controls",
        drawn.TRAINING,
        "Training of tickets and of their controls in the same round; the "
        "dense network is dashed." + drawn.SPREAD,
        training_figures.controls_figure(
            every, run.densities, chosen, run.title
        ),
        training_figures.training_numbers(every, [0, *chosen]),
    )


def _masks(run: Run) -> Iterator[Found]:
    if not run.layer_densities:
        return
    numbers = mask_figures.layer_numbers(run.layer_densities)
    yield drawn.Drawn(
        "layer_densities",
        drawn.MASKS,
        "Share of weights that each layer keeps, round by round, in percent; "
        "mean over replicates.",
        mask_figures.layer_figure(numbers, run.title),
        numbers,
    )
    rounds = sorted({row["round"] for row in numbers} - {0})
    replicate = min(row["replicate"] for row in run.layer_densities)
    counts = {}
    for round in training_figures.choose_rounds(rounds) if rounds else ():
        mask = run.mask(round, replicate)
        inputs = None if mask is None else mask_figures.first_layer(mask)
        if inputs is not None:
            counts[round] = inputs
    shape = (
        run.image_shape(len(next(iter(counts.values())))) if counts else None
    )
    if shape:
        yield drawn.Drawn(
            "first_layer",
            drawn.MASKS,
            "Connections of each pixel of the image to the first layer that "
            f"survive (replicate {replicate}); each picture has a scale of its "
            "own, from 0.",
            mask_figures.inputs_figure(counts, shape, run.densities, run.title),
            mask_figures.inputs_numbers(counts, shape),
        )


ENTRIES = (_densities, _training, _masks)
