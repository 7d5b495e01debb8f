"""Plain text tables for reports that people read in a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def set_table(rows: Sequence[Sequence[str]], *, num_left: int = 1) -> str:
    """Sets rows of text in aligned columns, two spaces apart.

    Args:
        rows: The rows, the heading first; all of one length.
        num_left: How many columns, from the left, are words and start at the
            left edge; the others are numbers and end at the right one.
            Defaults to 1.

    Returns:
        A text of one line a row, without spaces at the line ends.

    Raises:
        ValueError: If the rows differ in length.

    Example:
        >>> print(set_table([("path", "kept"), ("fc1/kernel", "12")]))
        path        kept
        fc1/kernel    12
    """
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise ValueError(
            "`rows` must all have one length. Received: lengths "
            f"{sorted(lengths)}. Fill up short rows with empty texts."
        )
    columns = list(zip(*rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i < num_left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
