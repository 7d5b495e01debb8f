"""What has changed since a stored run: `python -m benchmarks --compare`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_table(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Sets the medians of two runs side by side, in a Markdown table.

    Args:
        old: What the earlier run has stored (`stored.read`).
        new: The same of the later run; its figures are shown.

    Returns:
        A line a figure: both medians and the new one over the old one; a
        figure that the earlier run lacks has neither.

    Example:
        >>> def run(median):
        ...     figure = {"name": "a", "unit": "s", "median": median}
        ...     return {"date": "today", "figures": [figure]}
        >>> print(as_table(run(2.0), run(1.0)).splitlines()[-1])
        | `a` | 2 s | 1 s | 0.5 |
    """
    before = {figure["name"]: figure for figure in old["figures"]}
    head = (f"{_words(old)} (old)", f"{_words(new)} (new)", "new over old")
    rows = [("figure", *head), ("---", "---:", "---:", "---:")]
    for figure in new["figures"]:
        name = figure["name"]
        was, ratio = "", ""
        if name in before:
            was = _number(before[name])
            ratio = _ratio(figure["median"], before[name]["median"])
        rows.append((f"`{name}`", was, _number(figure), ratio))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _words(run):
    return f"{run.get('date', '')}{', tiny' * bool(run.get('tiny'))}"


def _number(figure):
    unit = "" if figure["unit"] == "ratio" else f" {figure['unit']}"
    return f"{figure['median']:.3g}{unit}"


def _ratio(new, old):
    return f"{new / old:.3g}" if old else ""
