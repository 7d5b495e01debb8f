"""The main numbers of an analysis, as text tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tflottery.analysis.distances import ALL
from tflottery.core import text_table

Rows = Sequence[Mapping[str, Any]]


def text(tables: Mapping[str, Rows]) -> str:
    """Writes the main numbers of an analysis.

    Means are over replicates, pairs and draws. What there is for each layer
    is given for the last round.

    Args:
        tables: `{table: rows}`; some may be missing or empty.

    Returns:
        Titled tables with an empty line between; empty if there is nothing.

    Example:
        >>> row = {"replicate": 0, "round": 3, "density": 0.5,
        ...        "branch": "ticket", "to": "pruning", "layer": "all",
        ...        "distance": 12.0, "angle": 30.0}
        >>> print(text({"stability": [row]}))
        Stability: distance and angle of trained survivors
        branch  round  density  to data order  to pruning
        ticket      3    50.0%              -    12 30.0°
    """
    parts = (
        _stability(tables.get("stability", ())),
        _instability(tables.get("instability", ())),
        _overlap(tables.get("overlap", ())),
        _layers(tables),
    )
    return "\n\n".join(part for part in parts if part)


def _of(rows: Rows, **chosen: Any) -> list[Mapping[str, Any]]:
    return [r for r in rows if all(r[k] == v for k, v in chosen.items())]


def _mean(rows: Rows, column: str) -> float:
    values = [float(row[column]) for row in rows]
    values = [value for value in values if not math.isnan(value)]
    return sum(values) / len(values) if values else math.nan


def _groups(rows: Rows, *columns: str) -> list[tuple[Any, ...]]:
    """Returns the combinations of values that occur, in order."""
    return list(dict.fromkeys(tuple(r[name] for name in columns) for r in rows))


def _set(title: str, rows: Iterable[Sequence[str]], num_left: int) -> str:
    return f"{title}\n{text_table.set_table(list(rows), num_left=num_left)}"


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else f"{value:{form}}"


def _percent(value: float) -> str:
    return _number(100 * value, ".1f") + ("" if math.isnan(value) else "%")


def _stability(rows: Rows) -> str:
    rows = _of(rows, layer=ALL)
    if not rows:
        return ""
    lines = [("branch", "round", "density", "to data order", "to pruning")]
    for branch, round in sorted(_groups(rows, "branch", "round")):
        group = _of(rows, branch=branch, round=round)
        cells = []
        for to in ("data_order", "pruning"):
            found = _of(group, to=to)
            distance, angle = (_mean(found, n) for n in ("distance", "angle"))
            cells.append(f"{distance:.3g} {angle:.1f}°" if found else "-")
        density = _percent(_mean(group, "density"))
        lines.append((branch, str(round), density, *cells))
    return _set("Stability: distance and angle of trained survivors", lines, 1)


def _instability(rows: Rows) -> str:
    if not rows:
        return ""
    lines = [
        ("branch", "between", "round", "density", "train", "test", "stable")
    ]
    for branch, to, round in sorted(_groups(rows, "branch", "to", "round")):
        group = _of(rows, branch=branch, to=to, round=round)
        stable = sum(bool(row["is_stable"]) for row in group)
        lines.append(
            (
                branch,
                "initialisations" if to == "initialisation" else "data orders",
                str(round),
                _percent(_mean(group, "density")),
                _percent(_mean(group, "train_instability")),
                _percent(_mean(group, "test_instability")),
                f"{stable} of {len(group)}",
            )
        )
    return _set("Instability: the highest error between two copies", lines, 2)


def _overlap(rows: Rows) -> str:
    rows = [r for r in _of(rows, layer=ALL) if r["kind"] != "rounds"]
    lines = [("masks of", "and", "round", "overlap", "chance")]
    found = _of(rows, kind="replicates")
    for (round,) in _groups(found, "round"):
        lines.append(_overlap_line("replicates", "", round, found))
    found = _of(rows, kind="branches", first="ticket")
    for second, round in sorted(_groups(found, "second", "round")):
        group = _of(found, second=second)
        lines.append(_overlap_line("ticket", second, round, group))
    if len(lines) == 1:
        return ""
    return _set("Overlap of survivors", lines, 2)


def _overlap_line(first, second, round, rows):
    group = _of(rows, round=round)
    shares = (_percent(_mean(group, name)) for name in ("overlap", "chance"))
    return (first, second, str(round), *shares)


def _layers(tables: Mapping[str, Rows]) -> str:
    signs = tables.get("signs", ())
    movement = tables.get("movement", ())
    units = tables.get("connectivity", ())
    every = [*signs, *movement, *units]
    if not every:
        return ""
    last = max(row["round"] for row in every)
    signs, movement, units = (
        _of(rows, round=last) for rows in (signs, movement, units)
    )
    columns = {
        "near zero": lambda layer: _mean(_of(signs, **layer), "centre_ratio"),
        "bimodality": lambda layer: _mean(_of(signs, **layer), "bimodality"),
        "kept sign": lambda layer: _mean(
            _of(signs, **layer), "kept_sign_share"
        ),
        "moved": lambda layer: _moved(_of(movement, **layer)),
        "in": lambda layer: _crowding(_of(units, side="incoming", **layer)),
        "out": lambda layer: _crowding(_of(units, side="outgoing", **layer)),
    }
    lines = [("layer", *columns)]
    for (layer,) in _groups(every, "layer"):
        values = [measure({"layer": layer}) for measure in columns.values()]
        lines.append((layer, *(_number(value, ".2f") for value in values)))
    title = (
        f"Survivors of round {last}: began near zero (1: as all weights), "
        "bimodality (two\nmodes above 0.5), share with the initial sign, "
        "distance moved in dense training\n(of the others: 1), variance of "
        "connections in and out per unit (by chance: 1)"
    )
    return _set(title, lines, 1)


def _moved(rows: Rows) -> float:
    surviving, pruned = (
        _mean(_of(rows, group=group), "mean_distance")
        for group in ("surviving", "pruned")
    )
    return surviving / pruned if pruned else math.nan


def _crowding(rows: Rows) -> float:
    by_chance = _mean(rows, "chance_variance")
    return _mean(rows, "variance") / by_chance if by_chance else math.nan
