"""All figures of one run, in the order of the page.

Each entry draws what the run directory has data for, or says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from tflottery.reports import analysis_gallery, search_gallery
from tflottery.reports.drawn import Drawn
from tflottery.reports.lacks import Lack
from tflottery.reports.run import Run

ENTRIES = (*search_gallery.ENTRIES, *analysis_gallery.ENTRIES)


def draw(run: Run) -> Iterator[Drawn | Lack]:
    """Draws all figures of a run, one after the other.

    Args:
        run: The run.

    Yields:
        Figures, and what is missing for others.
    """
    for entry in ENTRIES:
        yield from entry(run)
