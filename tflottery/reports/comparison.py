"""Figures of several searches beside one another: over runs, and over k."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tflottery.reports import axes as parts
from tflottery.reports import (
    branch_names,
    density_figures,
    drawn,
    rewinding_figures,
)
from tflottery.reports.run import Run

# Settings that a label need not name: they follow from others, or from none.
_DULL = {"replicates", "seed", "jit_compile"}
# Runs that differ in these are points of one curve over k.
_OVER_STEPS = {*_DULL, "rewind_to", "rounds"}


def different_settings(runs: Sequence[Run]) -> list[str]:
    """Returns the names of settings in which runs differ.

    Args:
        runs: At least one.

    Returns:
        Names, in the order of the settings; those that change nothing but
        chance come last.
    """
    names = dict.fromkeys(name for run in runs for name in run.facts)
    found = [
        name
        for name in names
        if any(run.facts.get(name) != runs[0].facts.get(name) for run in runs)
    ]
    return sorted(found, key=lambda name: name in _DULL)


def labels(runs: Sequence[Run]) -> list[str]:
    """Names runs by what they differ in, else by their folders.

    Args:
        runs: The runs.

    Returns:
        A label per run; no two are the same.
    """
    names = [name for name in different_settings(runs) if name not in _DULL]
    found = []
    for run in runs:
        if names == ["rewind_to"] and run.rewinding_step is not None:
            found.append(f"k = {run.rewinding_step:,}")
        elif 0 < len(names) <= 2:
            found.append(", ".join(f"{n}: {run.facts.get(n)}" for n in names))
        else:
            found.append(run.path.name)
    if len(set(found)) == len(found):
        return found
    folders = [run.path.name for run in runs]
    if len(set(folders)) < len(folders):
        folders = [str(run.path) for run in runs]
    return folders


def _title(runs: Sequence[Run]) -> str:
    titles = list(dict.fromkeys(run.title for run in runs))
    return titles[0] if len(titles) == 1 else "several searches"


def draw(runs: Sequence[Run]) -> Iterator[drawn.Drawn]:
    """Draws the figures that need several runs.

    Args:
        runs: At least two.

    Yields:
        The runs' tickets over density; and, if they differ in nothing but
        their rewinding step, accuracy, stability and instability over k.
    """
    title = _title(runs)
    by_label = dict(zip(labels(runs), [run.rows for run in runs], strict=True))
    yield drawn.Drawn(
        "density_by_run",
        drawn.ACCURACY,
        "Tickets of several searches: test accuracy and early-stopping step "
        "against the share of weights that are left." + drawn.SPREAD,
        density_figures.runs_figure(by_label, title),
        [
            {"run": name, **row}
            for name, rows in by_label.items()
            for row in density_figures.density_numbers(rows)
            if row["branch"] == branch_names.TICKET
        ],
    )
    steps = rewinding_figures.by_step(runs)
    if len(steps) > 1 and not why_not_over_steps(runs):
        yield from _over_steps(steps, title)


def why_not_over_steps(runs: Sequence[Run]) -> str:
    """Says why runs of several rewinding steps are not drawn over k.

    Args:
        runs: At least one.

    Returns:
        A sentence that names the other settings in which they differ; nothing
        if there are none, or if all are rewound to one step.
    """
    steps = rewinding_figures.by_step(runs)
    known = [run for group in steps.values() for run in group]
    if len(steps) < 2:
        return ""
    others = [n for n in different_settings(known) if n not in _OVER_STEPS]
    if not others:
        return ""
    return (
        "No figure against the rewinding step k was drawn, since the searches "
        f"also differ in {', '.join(others)}."
    )


def _over_steps(
    steps: Mapping[int, Sequence[Run]], title: str
) -> Iterator[drawn.Drawn]:
    common: dict[str, Any] = {
        "title": title,
        "x": "rewinding_step",
        "axis": parts.rewinding_axis,
    }
    rounds = rewinding_figures.shared_rounds(steps)
    if rounds:
        yield drawn.panels_drawn(
            "rewinding_accuracy",
            drawn.REWINDING,
            "Test accuracy at the end of training against the step k that "
            "weights are rewound to." + drawn.SPREAD,
            rewinding_figures.accuracy_panels(steps, rounds),
            columns=3,
            **common,
        )
    for table, make, text in (
        (
            "stability",
            rewinding_figures.stability_panels,
            "Distance and angle of trained survivors against the step k that "
            "weights are rewound to",
        ),
        (
            "instability",
            rewinding_figures.instability_panels,
            "Instability (how much higher the error is on the line between "
            "two trainings than at its ends) against the step k that copies "
            "share",
        ),
    ):
        shared = rewinding_figures.shared_rounds(steps, table)
        panels = make(steps, shared[-1]) if shared else []
        if panels:
            runs = [run for group in steps.values() for run in group]
            share = runs[0].densities.get(shared[-1], 1.0)
            yield drawn.panels_drawn(
                f"rewinding_{table}",
                drawn.REWINDING,
                f"{text}; round {shared[-1]}, {share:.1%} of the weights."
                + drawn.SPREAD,
                panels,
                columns=2,
                **{**common, "title": f"{title} at {share:.1%} of the weights"},
            )
