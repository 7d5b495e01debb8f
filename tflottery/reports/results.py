"""Reads the tables of a run directory and checks what reports need of them.

Tables, figures and pages all begin here, so that all of them see the same
numbers, and a file that was edited by hand is refused in words. The journal,
which writes these tables, stands on Keras; a report must not wait for that, so
the tables are read here.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tflottery.core import files

RESULTS_FILE = "results.csv"
HISTORY_FILE = "history.csv"

_NUMBERS = ("replicate", "round", "density", "best_step", "test_accuracy_best")


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _rows(path: Any) -> list[dict[str, Any]]:
    """Reads a CSV file; what looks like a number becomes one."""
    reader = csv.DictReader(io.StringIO(files.read_text(path)), restval="")
    rows = []
    for row in reader:
        row.pop(None, None)  # Cells beyond the heading.
        rows.append({name: _number(text) for name, text in row.items()})
    return rows


def _check(rows: Sequence[Mapping], names: Sequence[str], source: Any) -> None:
    """Refuses rows that lack a column or have words in it."""
    for i, row in enumerate(rows):
        missing = [name for name in names if name not in row]
        if missing:
            raise ValueError(
                f"{source} has no column {', '.join(map(repr, missing))}. "
                f"Received: columns {list(row)}. Was another file meant?"
            )
        for name in names:
            if not isinstance(row[name], int | float):
                raise ValueError(
                    f"`{name}` must be a number in line {i + 2} of {source}. "
                    f"Received: {name}={row[name]!r}. Was the file edited by "
                    "hand?"
                )


def read_results(run_dir: Any) -> list[dict[str, Any]]:
    """Reads the `results.csv` of a run directory.

    Args:
        run_dir: The directory, local or remote.

    Returns:
        A dict per row, in the file's order, with numbers as numbers; at least
        one. `draw` is 0 where the column is missing.

    Raises:
        ValueError: If there are no finished rounds, a needed column is
            missing or one of its values is no number.
    """
    path = files.as_path(run_dir) / RESULTS_FILE
    rows = _rows(path) if files.exists(path) else []
    if not rows:
        raise ValueError(
            "`run_dir` must hold the results of at least one finished round. "
            f"Received: run_dir={str(run_dir)!r}, where {RESULTS_FILE} is "
            f"{'empty' if files.exists(path) else 'missing'}. Run "
            "`tflottery find` with this `--run_dir` first."
        )
    _check(rows, _NUMBERS, path)
    return [{"branch": "ticket", "draw": 0, **row} for row in rows]


def read_history(path: Any) -> dict[str, np.ndarray]:
    """Reads the `history.csv` of a round.

    Args:
        path: The file, local or remote.

    Returns:
        A float array of shape (validations,) per column, in the order of
        `step`; empty if nothing was validated.

    Raises:
        ValueError: If there is no column `step`, or a column holds words.
    """
    rows = _rows(path)
    names = dict.fromkeys(["step", *(rows[0] if rows else ())])
    rows = [{k: np.nan if v == "" else v for k, v in r.items()} for r in rows]
    _check(rows, list(names), path)
    rows.sort(key=lambda row: row["step"])
    return {
        name: np.asarray([row[name] for row in rows], dtype=float)
        for name in names
    }


def read_histories(run_dir: Any) -> dict[int, dict[int, dict]]:
    """Reads the histories of all finished rounds.

    Args:
        run_dir: The directory, local or remote.

    Returns:
        `{round: {replicate: history}}`, sorted; empty if there are none.
    """
    found: dict[int, dict[int, dict]] = {}
    for replicate, owner in _numbered(files.as_path(run_dir), "replicate"):
        for round, place in _numbered(owner, "round"):
            if files.exists(place / HISTORY_FILE):
                replicates = found.setdefault(round, {})
                replicates[replicate] = read_history(place / HISTORY_FILE)
    return dict(sorted(found.items()))


def _numbered(folder: Any, name: str) -> list[tuple[int, Any]]:
    """Returns the numbers and paths of `name_0`, `name_1`, ... in a folder.

    A pattern would be simpler, but brackets in the folder's own name would be
    taken for a part of it.
    """
    if not folder.is_dir():
        return []
    matches = (
        (re.fullmatch(rf"{name}_(\d+)", path.name), path)
        for path in folder.iterdir()
    )
    found = [(int(match[1]), path) for match, path in matches if match]
    return sorted(found, key=lambda entry: entry[0])
