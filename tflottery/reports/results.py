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
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tflottery.core import files
from tflottery.reports.summary import Spread

RESULTS_FILE = "results.csv"
HISTORY_FILE = "history.csv"
ANALYSIS_FOLDER = "analysis"

_NUMBERS = ("replicate", "round", "density", "best_step", "test_accuracy_best")


def _number(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
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


def read_histories(
    run_dir: Any, branch: str = "ticket"
) -> dict[int, dict[Any, dict]]:
    """Reads the histories of all finished rounds.

    Args:
        run_dir: The directory, local or remote.
        branch: The ticket, which is the default, or a control.

    Returns:
        `{round: {replicate: history}}`, sorted; empty if there are none. For
        a control the inner keys are (replicate, draw).
    """
    found: dict[int, dict[Any, dict]] = {}
    for key, owner in _owners(files.as_path(run_dir), branch):
        for round, place in numbered(owner, "round"):
            if files.exists(place / HISTORY_FILE):
                runs = found.setdefault(round, {})
                runs[key] = read_history(place / HISTORY_FILE)
    return dict(sorted(found.items()))


def _owners(run_dir: Any, branch: str) -> Iterator[tuple[Any, Any]]:
    """Yields the folders that hold the rounds of a branch, with their keys."""
    for replicate, owner in numbered(run_dir, "replicate"):
        if branch == "ticket":
            yield replicate, owner
            continue
        for draw, place in numbered(owner / "branches" / branch, "draw"):
            yield (replicate, draw), place


def read_table(run_dir: Any, name: str) -> list[dict[str, Any]]:
    """Reads a table of `tflottery analyse`.

    Args:
        run_dir: The directory of the search, local or remote.
        name: Such as `"stability"`.

    Returns:
        A dict per row with numbers as numbers and an empty cell as `""`;
        none if there is no such file.
    """
    path = files.as_path(run_dir) / ANALYSIS_FOLDER / f"{name}.csv"
    return _rows(path) if files.exists(path) else []


def write_table(path: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the numbers of a figure; a `Spread` becomes four columns.

    Args:
        path: The file, local or remote.
        rows: Dicts; each may have columns of its own.
    """
    flat = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    files.write_text(path, stream.getvalue())


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Spread):
            cells[f"{name}_mean"] = value.mean if value.count else ""
            cells[f"{name}_min"] = value.low if value.count else ""
            cells[f"{name}_max"] = value.high if value.count else ""
            cells[f"{name}_count"] = value.count
        else:
            cells[name] = value
    return cells


def numbered(folder: Any, name: str) -> list[tuple[int, Any]]:
    """Finds the folders `name_0`, `name_1`, ... in a folder.

    A pattern would be simpler, but brackets in the folder's own name would be
    taken for a part of it.

    Args:
        folder: Where, local or remote; it need not be there.
        name: Such as `"round"`.

    Returns:
        Numbers with paths, by number.
    """
    if not folder.is_dir():
        return []
    matches = (
        (re.fullmatch(rf"{name}_(\d+)", path.name), path)
        for path in folder.iterdir()
    )
    found = [(int(match[1]), path) for match, path in matches if match]
    return sorted(found, key=lambda entry: entry[0])
