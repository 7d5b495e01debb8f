"""`Figure`: one result of a benchmark, with its aim and what it is made of.

All cases return the same kind of thing, so that one table shows them and a
later run can be compared with a stored one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measuring import Sample


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number that says how fast something is.

    Args:
        name: Case and part, such as `"step_lenet/jit"`.
        what: What is measured, in words.
        values: The number, once per run; its median is the figure.
        unit: `"ratio"`, `"%"` or `"s"`. Defaults to `"ratio"`.
        at_most: The aim, if smaller is better.
        at_least: The aim, if larger is better.
        parts: What the figure was made of, by name.
        parts_in: `"seconds"` or `"bytes"`. Defaults to `"seconds"`.

    Example:
        >>> figure = Figure("a/b", "a over b", Sample((1.0, 1.1)), at_most=1.2)
        >>> figure.is_met, figure.aim
        (True, '<= 1.2')
    """

    name: str
    what: str
    values: Sample
    unit: str = "ratio"
    at_most: float | None = None
    at_least: float | None = None
    parts: Mapping[str, Sample] = dataclasses.field(default_factory=dict)
    parts_in: str = "seconds"

    @property
    def aim(self) -> str:
        """The aim in words; empty if there is none."""
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return "" if self.at_least is None else f">= {self.at_least:g}"

    @property
    def is_met(self) -> bool | None:
        """Whether the median meets the aim; `None` without one."""
        if self.at_most is not None:
            return self.values.median <= self.at_most
        if self.at_least is not None:
            return self.values.median >= self.at_least
        return None

    def to_json(self) -> dict[str, Any]:
        """Returns the figure as plain values."""
        return {
            "name": self.name,
            "what": self.what,
            "unit": self.unit,
            "aim": self.aim,
            "is_met": self.is_met,
            **self.values.to_json(),
            f"parts_in_{self.parts_in}": {
                name: sample.to_json() for name, sample in self.parts.items()
            },
        }


def from_json(values: Mapping[str, Any]) -> Figure:
    """Returns the figure that `Figure.to_json` has been called on.

    Example:
        >>> figure = Figure("a/b", "a over b", Sample((1.0, 1.1)), at_most=1.2)
        >>> from_json(figure.to_json()) == figure
        True
    """
    (parts_in,) = (
        key.removeprefix("parts_in_")
        for key in values
        if key.startswith("parts_in_")
    )
    direction, _, aim = values["aim"].partition(" ")
    return Figure(
        values["name"],
        values["what"],
        Sample(tuple(values["runs"])),
        unit=values["unit"],
        at_most=float(aim) if direction == "<=" else None,
        at_least=float(aim) if direction == ">=" else None,
        parts={
            name: Sample(tuple(part["runs"]))
            for name, part in values[f"parts_in_{parts_in}"].items()
        },
        parts_in=parts_in,
    )


def as_table(figures: Sequence[Figure]) -> str:
    """Sets figures in a Markdown table, ratios first.

    Args:
        figures: The figures, in any order.

    Returns:
        One line a figure: its median, its quartiles, the aim, whether it is
        met, and the medians of its parts.
    """
    order = {"ratio": 0, "%": 1, "s": 2}
    rows = [("figure", "median", "quartiles", "aim", "met", "made of"), ()]
    for figure in sorted(figures, key=lambda figure: order[figure.unit]):
        unit = "" if figure.unit == "ratio" else f" {figure.unit}"
        values = figure.values
        rows.append(
            (
                f"`{figure.name}`: {figure.what}",
                f"{values.median:.3g}{unit}",
                f"{values.low:.3g} to {values.high:.3g}",
                figure.aim.replace("<=", "≤").replace(">=", "≥"),
                {True: "yes", False: "**no**", None: ""}[figure.is_met],
                ", ".join(
                    f"{name} {_WORDS[figure.parts_in](part.median)}"
                    for name, part in figure.parts.items()
                ),
            )
        )
    rows[1] = ("---", "---:", "---:", "---:", "---", "---")
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _size(size: float) -> str:
    return f"{size / 1e6:.4g} MB"


_WORDS = {"seconds": _time, "bytes": _size}
