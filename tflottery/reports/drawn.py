"""`Drawn`: one figure of a report, with its caption and its numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from tflottery.reports.panels import Panel, panels_figure, panels_numbers

ACCURACY, TRAINING = "Accuracy and speed", "Training"
MASKS, WEIGHTS = "Masks", "Weights"
STABILITY = "Stability"
REWINDING = "Rewinding"
SPREAD = " Lines are means, bars or bands go from the least to the greatest."


@dataclasses.dataclass(frozen=True)
class Drawn:
    """One figure of a report.

    Args:
        name: Of its files, without an ending.
        section: Heading on the page.
        caption: What it shows.
        figure: The figure.
        numbers: What is drawn, as rows of a CSV file.
    """

    name: str
    section: str
    caption: str
    figure: Figure
    numbers: Sequence[Mapping[str, Any]]


def panels_drawn(
    name: str,
    section: str,
    caption: str,
    panels: Sequence[Panel],
    *,
    columns: int,
    title: str,
    x: str = "density",
    **options: Any,
) -> Drawn:
    """Makes an entry of panels of lines; their numbers are the panels' own."""
    figure = panels_figure(panels, columns=columns, title=title, **options)
    return Drawn(name, section, caption, figure, panels_numbers(panels, x))
