"""Figures on disk: for `--output`, `--update` and `--compare`.

A file is from one machine. Its cases may be from several days, so date and
load stand with each.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.figure import Figure

_EACH_TIME = ("load",)


def content(
    cases: Sequence[str],
    figures: Sequence[Figure],
    *,
    date: str,
    machine: Mapping[str, Any],
    tiny: bool = False,
) -> dict[str, Any]:
    """Returns a run of some cases as plain values.

    Args:
        cases: Names of the cases that were run.
        figures: What they have found.
        date: When, as text.
        machine: What `machine.describe` returns.
        tiny: Whether it was in the smallest setting.

    Example:
        >>> run = content(["a"], [], date="today", machine={"load": 0.1})
        >>> run["cases"]
        {'a': {'date': 'today', 'load': 0.1}}
    """
    each = {name: machine[name] for name in _EACH_TIME if name in machine}
    return {
        "date": date,
        "tiny": tiny,
        "machine": {k: v for k, v in machine.items() if k not in each},
        "cases": {case: {"date": date, **each} for case in cases},
        "figures": [figure.to_json() for figure in figures],
    }


def read(path: Any) -> dict[str, Any]:
    """Reads a file of figures.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
        ValueError: It holds something else.
    """
    found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    if not isinstance(found, dict) or "figures" not in found:
        raise ValueError(
            "`path` must be a file that `--output` has written. Received: "
            f"path={str(path)!r}, which has no figures."
        )
    return found


def write(path: Any, values: Mapping[str, Any]) -> None:
    """Writes a file of figures, whole or not at all."""
    path = pathlib.Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def check_same_machine(
    old: Mapping[str, Any], machine: Mapping[str, Any], *, tiny: bool
) -> None:
    """Refuses to put figures of two machines into one file.

    Args:
        old: What the file holds.
        machine: What `machine.describe` returns now.
        tiny: Whether the smallest setting is run now.

    Raises:
        ValueError: They differ.
    """
    there = {**old.get("machine", {}), "tiny": bool(old.get("tiny"))}
    here = {**machine, "tiny": tiny}
    names = (there.keys() | here.keys()) - set(_EACH_TIME)
    for name in sorted(names):
        if there.get(name) != here.get(name):
            raise ValueError(
                f"the file is of another machine or setting: its {name} is "
                f"{there.get(name)!r}, not {here.get(name)!r}. Give --output "
                "another file."
            )


def updated(
    old: Mapping[str, Any], new: Mapping[str, Any], order: Sequence[str]
) -> dict[str, Any]:
    """Returns a run with the figures of another in the place of its own.

    Args:
        old: What the file holds.
        new: A later run of some cases, on the same machine.
        order: Names of all cases, in the order they are to stand in; what
            `old` has of others is left out.

    Example:
        >>> def run(date, *cases):
        ...     figures = [{"name": case, "of": date} for case in cases]
        ...     return {"cases": dict.fromkeys(cases, date), "figures": figures}
        >>> found = updated(run("old", "a", "b"), run("new", "b"), ["a", "b"])
        >>> found["cases"], [figure["of"] for figure in found["figures"]]
        ({'a': 'old', 'b': 'new'}, ['old', 'new'])
    """
    cases = {**old.get("cases", {}), **new["cases"]}
    gone = new["cases"].keys() | {_case(f) for f in old["figures"]} - {*order}
    kept = [f for f in old["figures"] if _case(f) not in gone]
    return {
        **new,
        "cases": {name: cases[name] for name in order if name in cases},
        "figures": sorted(
            [*kept, *new["figures"]], key=lambda f: order.index(_case(f))
        ),
    }


def _case(figure):
    return figure["name"].split("/")[0]
