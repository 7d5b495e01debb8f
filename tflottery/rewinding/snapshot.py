"""`Snapshot`: the whole state of training at one step, as a value.

Rewinding is exact only if all that a step depends on goes back: weights,
biases, BatchNorm statistics, optimizer slots, the step counter (and with it
the learning rate), and the seed generators.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.core import checks, records
from tflottery.layers import evidence, state

_KIND = "snapshot"


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The state of training at a step.

    Args:
        step: optimizer updates the state has seen.
        values: `{name: array}`; `weights/<path>` for the model,
            `optimizer/<number>` for its optimizer.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> model.compile("adam", "mse")
        >>> snapshot = tflottery.Snapshot.take(model)
        >>> snapshot.step, snapshot.values["weights/dense/kernel"].shape
        (0, (4, 2))

    Reference: Frankle et al., Stabilizing the Lottery Ticket Hypothesis,
    2019, algorithm 1 (rewinding to W_k).
    """

    step: int
    values: Mapping[str, np.ndarray]

    @classmethod
    def take(cls, model: Any) -> Snapshot:
        """Copies the state of a compiled model.

        Args:
            model: a compiled model, wrapped or not; its optimizer is built
                if it was not.

        Raises:
            ValueError: the model is not compiled or not built.
        """
        _check_trainable(model)
        return cls(state.iterations(model), state.read(model))

    def weights(self) -> dict[str, np.ndarray]:
        """Returns `{path: array}` of the model's own variables."""
        return {
            name.removeprefix(state.WEIGHTS): value
            for name, value in self.values.items()
            if name.startswith(state.WEIGHTS)
        }

    def restore(self, model: Any, optimizer: str = "restore") -> None:
        """Puts the state back; what the model's mask prunes stays zero.

        Args:
            model: the model the snapshot was taken of, or one built alike.
            optimizer: `"restore"` puts the slots back too; `"fresh"` starts
                them anew, with the step counter at the snapshot's step.

        Raises:
            ValueError: the state does not fit; the model is unchanged then.
        """
        _check_trainable(model)
        check_optimizer(optimizer)
        if optimizer == "restore":
            state.write(model, self.values)
        else:
            state.write(model, self.values, state.WEIGHTS)
            state.renew_optimizer(model, self.step)
        remask(model)

    def digest(self) -> str:
        """Returns a SHA-256 over names, types, shapes and bits."""
        sha = hashlib.sha256(str(self.step).encode())
        for name in sorted(self.values):
            value = np.ascontiguousarray(self.values[name])
            sha.update(f"{name}|{value.dtype}|{value.shape}|".encode())
            sha.update(value.tobytes())
        return sha.hexdigest()

    def save(self, path: Any) -> None:
        """Writes the snapshot to one checksummed file."""
        records.write_record(
            path, _KIND, dict(self.values), {"step": self.step}
        )

    @classmethod
    def load(cls, path: Any) -> Snapshot:
        """Reads a snapshot; a damaged or foreign file is refused."""
        values, meta = records.read_record(path, _KIND)
        return cls(int(meta["step"]), values)


def remask(model: Any) -> None:
    """Zeroes what the model's mask prunes, in weights and optimizer slots."""
    if evidence.wrappers(model):
        evidence.set_mask(model, evidence.current_mask(model))


def check_optimizer(optimizer: str) -> str:
    """Checks the way an optimizer is rewound."""
    return checks.check_choice("optimizer", optimizer, ("restore", "fresh"))


def _check_trainable(model: Any) -> None:
    if getattr(model, "optimizer", None) is None:
        raise ValueError(
            "`model` must be compiled: the state of training includes the "
            f"optimizer's. Received: `{getattr(model, 'name', model)}`. Call "
            "`model.compile(...)` first."
        )
    if not model.built:
        raise ValueError(
            "`model` must be built before its state can be saved. Received: "
            f"`{model.name}`. Give it an `Input` or call it on data."
        )
