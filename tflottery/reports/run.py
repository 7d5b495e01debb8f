"""`Run`: what a report needs of one run directory, read when it is asked for.

Figures and claims see a run through this and nothing else. What is missing or
damaged counts as not there: a search may still be at work in the directory.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.core import documents, files
from tflottery.core.mask import Mask
from tflottery.core.step import Step
from tflottery.reports import branch_names, results, summary
from tflottery.reports.summary import Point

_UNREADABLE = (
    FileNotFoundError,
    files.DamagedFileError,
    files.ForeignFileError,
)


class Run:
    """One run directory, as reports see it.

    Args:
        run_dir: The directory, local or remote.

    Raises:
        ValueError: If no round has finished, or `results.csv` is not sound.
    """

    def __init__(self, run_dir: Any):
        self.path = files.as_path(run_dir)
        self.rows = results.read_results(self.path)
        stored = self._config()
        settings = stored.get("config", {})
        identity = stored.get("identity", {})
        self.settings = settings if isinstance(settings, dict) else {}
        self.identity = identity if isinstance(identity, dict) else {}
        self._tables: dict[str, list[dict[str, Any]]] = {}
        self._histories: dict[str, dict[int, dict[Any, dict]]] = {}

    def _config(self) -> Mapping[str, Any]:
        return self._document("config.json")

    def _document(self, name: str) -> Mapping[str, Any]:
        try:
            return documents.read_json(self.path / name)
        except _UNREADABLE:
            return {}

    @property
    def own(self) -> tuple[str, ...]:
        """Which of `"build"` and `"data"` the search was given from Python."""
        return tuple(
            name
            for name in ("build", "data")
            if self.identity.get(name) is not None
        )

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        """The settings, with a model and data of one's own by their names.

        What the settings say of a model or data that were not used is left
        out.
        """
        found = dict(self.settings)
        if "build" in self.own:
            name = str(self.identity["build"]).rpartition("<locals>.")[2]
            found["model"] = f"own model {_short(name)}"
            found.pop("model_options", None)
            found.update(self._own_optimizer(found))
        if "data" in self.own:
            text = str(self.identity["data"])
            named = re.match(r"<\w+ '([^']+)':", text)
            found["dataset"] = f"own data {_short(named[1] if named else text)}"
            for name in ("dataset_options", "augmentation", "validation_size"):
                found.pop(name, None)
        return found

    def _own_optimizer(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the settings of the optimizer that `build` has compiled."""
        given = self._document("given.json").get("build", {})
        optimizer = given.get("optimizer")
        if not optimizer:
            return {}
        options = {
            name: value
            for name, value in (optimizer["config"] or {}).items()
            if value not in (None, False)
        }
        rate = options.pop("learning_rate", "")
        schedule = rate if isinstance(rate, Mapping) else {}
        found = {
            "optimizer": optimizer["class_name"],
            "optimizer_options": options,
            "learning_rate": "" if schedule else rate,
            "schedule": schedule.get("class_name", "constant"),
            "schedule_options": schedule.get("config") or {},
        }
        return {name: found[name] for name in found if name in settings}

    @property
    def title(self) -> str:
        """Model and data, or the folder's name if they are not known."""
        if "model" in self.facts and "dataset" in self.facts:
            return f"{self.facts['model']} on {self.facts['dataset']}"
        return self.path.name

    @functools.cached_property
    def points(self) -> list[Point]:
        """The rows of `results.csv`, gathered by branch and round."""
        return summary.summarise(self.rows)

    @functools.cached_property
    def branches(self) -> list[str]:
        """Names of the branches that have rows, the ticket first."""
        return branch_names.ordered(row["branch"] for row in self.rows)

    @functools.cached_property
    def densities(self) -> dict[int, float]:
        """Mean density of the ticket's rounds, in (0, 1]."""
        return {
            point.round: point.density
            for point in self.points
            if point.branch == branch_names.TICKET
        }

    @functools.cached_property
    def rewinding_step(self) -> int | None:
        """The rewinding step k; `None` if the settings do not tell."""
        text = self.settings.get("rewind_to")
        if text is None:
            return None
        try:
            step = Step.parse(text)
            if step.unit != "ep":
                return step.to_steps(total_steps=self.settings.get("steps"))
        except (TypeError, ValueError):
            return None
        return self._epochs_to_steps(step)

    def _epochs_to_steps(self, step: Step) -> int | None:
        return 0 if step.amount == 0 else None

    def table(self, name: str) -> list[dict[str, Any]]:
        """Returns a table of `tflottery analyse`; empty if it is missing."""
        if name not in self._tables:
            self._tables[name] = results.read_table(self.path, name)
        return self._tables[name]

    def histories(
        self, branch: str = branch_names.TICKET
    ) -> dict[int, dict[Any, dict[str, np.ndarray]]]:
        """Returns `{round: {run: history}}` of rounds that were validated."""
        if branch not in self._histories:
            found = results.read_histories(self.path, branch)
            self._histories[branch] = {
                round: kept
                for round, runs in found.items()
                if (kept := {k: h for k, h in runs.items() if h["step"].size})
            }
        return self._histories[branch]

    @functools.cached_property
    def layer_densities(self) -> list[dict[str, Any]]:
        """A row per replicate, round and layer: kept, size and density."""
        rows = []
        for replicate, owner in results.numbered(self.path, "replicate"):
            for round, place in results.numbered(owner, "round"):
                mask = _mask(place / "mask")
                for layer, array in (mask or {}).items():
                    kept = int(np.count_nonzero(array))
                    rows.append(
                        {
                            "replicate": replicate,
                            "round": round,
                            "layer": layer,
                            "kept": kept,
                            "size": array.size,
                            "density": kept / array.size if array.size else 1.0,
                        }
                    )
        return rows

    def mask(self, round: int, replicate: int = 0) -> Mask | None:
        """Returns the ticket's mask of a round, `None` without one."""
        place = self.path / f"replicate_{replicate}" / f"round_{round:02d}"
        return _mask(place / "mask")

    def image_shape(self, inputs: int) -> tuple[int, int, int] | None:
        """Returns height, width and channels of inputs that are an image.

        Args:
            inputs: Number of inputs of a dense first layer.

        Returns:
            The shape if the data are images of the usual kind and so many
            values are a square of pixels with one channel or three; else
            `None`, since a table of numbers has no picture.
        """
        dataset = str(self.settings.get("dataset", ""))
        if self.identity.get("data") is not None:
            return None
        if dataset != "digits" and not dataset.startswith("tfds:"):
            return None
        for channels in (1, 3):
            side = math.isqrt(inputs // channels)
            if side >= 8 and side * side * channels == inputs:
                return side, side, channels
        return None


def _short(text: str, most: int = 32) -> str:
    """Cuts a text that is too long for a title."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _mask(path: Any) -> Mask | None:
    try:
        return Mask.load(path)
    except _UNREADABLE:
        return None
