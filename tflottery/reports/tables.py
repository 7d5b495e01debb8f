"""Tables of a search: a table per branch, a line per round.

The same cells are set as aligned text for a terminal and as HTML for the page,
so that the two cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tflottery.core import checks
from tflottery.core.text_table import set_table
from tflottery.reports import branch_names, summary
from tflottery.reports.summary import Point, Spread


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _loss(value: float) -> str:
    return f"{value:.4f}"


def _seconds(value: float) -> str:
    return f"{value:,.1f}"


# Column of results.csv -> (two lines of heading, how a value is written).
_COLUMNS: dict[str, tuple[tuple[str, str], Callable[[float], str]]] = {
    "density": (("density", "%"), _percent),
    "best_step": (("early stop", "step"), _whole),
    "validation_loss": (("validation loss", "at early stop"), _loss),
    "validation_accuracy": (("validation", "accuracy %"), _percent),
    "test_accuracy_best": (("test accuracy %", "at early stop"), _percent),
    "test_accuracy_final": (("test accuracy %", "at the end"), _percent),
    "seconds": (("training", "seconds"), _seconds),
}
TEXT_COLUMNS = (
    "density",
    "best_step",
    "test_accuracy_best",
    "test_accuracy_final",
)
ALL_COLUMNS = tuple(_COLUMNS)


def format_spread(spread: Spread, write: Callable[[float], str]) -> str:
    """Writes a mean with its ends.

    Args:
        spread: The values.
        write: How one value is written.

    Returns:
        The mean alone if there is one value; `n/a` if there is none.

    Example:
        >>> format_spread(Spread.of([0.5, 1.5]), "{:.1f}".format)
        '1.0 (0.5–1.5)'
    """
    if math.isnan(spread.mean):
        return "n/a"
    if spread.count == 1:
        return write(spread.mean)
    ends = f"{write(spread.low)}–{write(spread.high)}"
    return f"{write(spread.mean)} ({ends})"


def cells(
    points: Sequence[Point], columns: Sequence[str] = ALL_COLUMNS
) -> list[list[str]]:
    """Writes the cells of one branch's table.

    Args:
        points: The rounds of one branch.
        columns: Columns of `results.csv`. Defaults to all that are known.

    Returns:
        Two rows of heading, then a row per round; the round comes first.

    Raises:
        ValueError: If a column has no known way to be written.
    """
    for name in columns:
        checks.check_choice("column", name, ALL_COLUMNS)
    rows = [["round", ""], *(list(_COLUMNS[name][0]) for name in columns)]
    table = [list(line) for line in zip(*rows, strict=True)]
    for point in points:
        values = [
            _COLUMNS[name][1](point.density)
            if name == "density"
            else format_spread(point[name], _COLUMNS[name][1])
            for name in columns
        ]
        table.append([str(point.round), *values])
    return table


def caption(points: Sequence[Point]) -> str:
    """Says of whom a table speaks and how many runs stand behind it.

    Example:
        >>> caption([Point("random_reinit", 3, 0.5, 15, {})])
        'random reinit: mean (least–greatest) of 15 runs'
    """
    name = branch_names.label(points[0].branch)
    counts = sorted({point.count for point in points})
    if counts == [1]:
        return f"{name}: one run"
    numbers = str(counts[0])
    if len(counts) > 1:
        numbers += f" to {counts[-1]}"
    return f"{name}: mean (least–greatest) of {numbers} runs"


def text_tables(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = TEXT_COLUMNS
) -> str:
    """Sets the rows of `results.csv` as text, a table per branch.

    Args:
        rows: Rows as `results.read_results` gives them.
        columns: Columns to show beside the round. Defaults to those that
            fit a terminal of 80 columns.

    Returns:
        Text without a newline at its end; shares are in percent.

    Example:
        >>> row = dict(replicate=0, branch="ticket", round=0, density=1.0,
        ...            best_step=1300, test_accuracy_best=0.975)
        >>> print(text_tables([row], ["density", "best_step"]))
        ticket: one run
        round  density  early stop
                     %        step
            0   100.00       1,300
    """
    found = summary.branches(summary.summarise(rows))
    blocks = [
        f"{caption(points)}\n{set_table(cells(points, columns), num_left=0)}"
        for points in found.values()
    ]
    return "\n\n".join(blocks)
