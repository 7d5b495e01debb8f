"""What an analysis has found: rows by table, and what it lacked.

The tables' columns stand here, in one place, since figures and pages are
drawn from these files and from nothing else.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from tflottery.lottery.journal import as_csv

_PAIR = ("replicate", "round", "density", "branch", "to", "first", "second")
_LAYER = ("replicate", "round", "layer")

COLUMNS: dict[str, tuple[str, ...]] = {
    "stability": (*_PAIR, "layer", "distance", "angle"),
    "interpolation": (*_PAIR, "alpha", "train_error", "test_error"),
    "instability": (
        *_PAIR,
        "train_instability",
        "test_instability",
        "is_stable",
    ),
    "overlap": (
        "kind",
        "replicate",
        "first",
        "second",
        "round",
        "layer",
        "first_density",
        "second_density",
        "overlap",
        "chance",
    ),
    "surviving_weights": (*_LAYER, "weights", "low", "high", "count"),
    "signs": (
        *_LAYER,
        "survivors",
        "positive_share",
        "kept_sign_share",
        "median_magnitude_ratio",
        "centre_ratio",
        "bimodality",
        "initial_bimodality",
    ),
    "movement": (
        *_LAYER,
        "group",
        "weights",
        "mean_distance",
        "mean_initial",
        "mean_trained",
        "grew_share",
    ),
    "connectivity": (
        *_LAYER,
        "side",
        "units",
        "mean",
        "least",
        "greatest",
        "variance",
        "chance_variance",
        "dead",
    ),
    "connectivity_units": (*_LAYER, "side", "connections", "units"),
}


@dataclasses.dataclass
class Findings:
    """Rows of one part of an analysis.

    Args:
        tables: `{table: rows}`; a row is a dict by the names in `COLUMNS`.
        lacks: what could not be looked at, one sentence each, with what would
            supply it.

    Example:
        >>> found = Findings({"signs": []}, ["There is no trained round."])
        >>> found.csv("signs").strip()[:21]
        'replicate,round,layer'
    """

    tables: dict[str, list[dict[str, Any]]]
    lacks: list[str] = dataclasses.field(default_factory=list)

    def csv(self, table: str) -> str:
        """Returns a table as text; a number that is not one is left empty."""
        rows = [_written(row) for row in self.tables[table]]
        return as_csv(COLUMNS[table], rows)


def _written(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: "" if isinstance(value, float) and math.isnan(value) else value
        for name, value in row.items()
    }
