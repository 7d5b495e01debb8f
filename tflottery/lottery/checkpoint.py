"""Checkpoints inside a round: all that the rest of the round depends on."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from tflottery.layers import evidence, state
from tflottery.lottery.journal import CURVE_COLUMNS, ReplicateJournal
from tflottery.rewinding.snapshot import remask

_KIND = "checkpoint"


@dataclasses.dataclass
class RoundProgress:
    """How far a round has come, beside the training state itself.

    Args:
        step: step that the training state stands at.
        curve: a dict per validation, columns as in `history.csv`.
        best_step: step of the lowest validation loss so far.
        best: the model's variables at that step.
        seconds: time spent so far.
    """

    step: int
    curve: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best_step: int = -1
    best: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0

    @property
    def best_loss(self) -> float:
        """Lowest validation loss so far."""
        return min(
            (row["validation_loss"] for row in self.curve), default=math.inf
        )


@dataclasses.dataclass(frozen=True)
class CheckpointFile:
    """The place of a round's checkpoint.

    Of several workers all must call `save` and `resume`, in the same order.

    Args:
        journal: of the replicate.
        name: of the file in the replicate's folder.
    """

    journal: ReplicateJournal
    name: str

    def remove(self) -> None:
        """Removes the checkpoint, if there is one."""
        self.journal.remove(self.name)


def save(place: CheckpointFile, model: Any, progress: RoundProgress) -> None:
    """Writes a checkpoint, in place of the one before.

    Args:
        place: where to.
        model: stands at `progress.step`.
        progress: how far the round has come.
    """
    arrays = {
        f"state/{name}": value for name, value in state.read(model).items()
    }
    arrays.update(
        (f"best/{name}", value) for name, value in progress.best.items()
    )
    for column in CURVE_COLUMNS:
        arrays[f"curve/{column}"] = np.array(
            [row[column] for row in progress.curve], np.float64
        )
    place.journal.write_record(
        place.name,
        _KIND,
        arrays,
        {
            "step": progress.step,
            "best_step": progress.best_step,
            "seconds": progress.seconds,
        },
    )


def resume(place: CheckpointFile, model: Any) -> RoundProgress | None:
    """Puts a model where its round was stopped.

    Args:
        place: where from.
        model: gets the training state of the checkpoint.

    Returns:
        How far the round had come; `None` without a checkpoint that can be
        believed.
    """
    found = place.journal.record(place.name, _KIND)
    if found is None:
        return None
    arrays, meta = found
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, value in arrays.items():
        part, rest = name.split("/", 1)
        parts.setdefault(part, {})[rest] = value
    state.write(model, parts["state"])
    if all(wrapper.stores_zeros for wrapper in evidence.wrappers(model)):
        remask(model)  # whatever wrote the checkpoint
    columns = [parts["curve"][column] for column in CURVE_COLUMNS]
    curve = [
        {
            name: int(value) if name == "step" else float(value)
            for name, value in zip(CURVE_COLUMNS, values, strict=True)
        }
        for values in zip(*columns, strict=True)
    ]
    return RoundProgress(
        step=int(meta["step"]),
        curve=curve,
        best_step=int(meta["best_step"]),
        best=parts.get("best", {}),
        seconds=float(meta["seconds"]),
    )
