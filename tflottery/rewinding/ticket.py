"""`Ticket`: a mask, the weights to start from, and how it was found.

One file that another process, or another person, can put on the same
architecture and train. It stands here, below the callbacks and the search,
because both make tickets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.core import bits, records
from tflottery.core.mask import Mask
from tflottery.layers import evidence, state, wrapping
from tflottery.layers.settings import PruningSettings
from tflottery.rewinding.snapshot import Snapshot

_KIND = "ticket"
_MASK = "mask/"
_STATE = "state/"


@dataclasses.dataclass(frozen=True)
class Ticket:
    """A sparse network that is ready to be trained.

    Args:
        mask: `Mask` over the masked weights.
        snapshot: the training state at the rewind step.
        settings: how the model was wrapped.
        info: how the ticket was found: round, density, metrics, seeds; plain
            JSON values.

    Example:
        >>> import keras, tflottery
        >>> def build():
        ...     return keras.Sequential(
        ...         [keras.Input((4,)), keras.layers.Dense(5)])
        >>> model = tflottery.prune_once(build(), sparsity=0.8)
        >>> model.compile("sgd", "mse")
        >>> ticket = tflottery.Ticket.of(model)
        >>> fresh = ticket.apply(build())
        >>> tflottery.sparsity(fresh)
        0.8

    Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019.
    """

    mask: Mask
    snapshot: Snapshot
    settings: PruningSettings
    info: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls,
        model: Any,
        snapshot: Snapshot | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> Ticket:
        """Makes a ticket of a wrapped, compiled model.

        Args:
            model: its mask becomes the ticket's.
            snapshot: state to start from; default: the model's present one.
            info: how it was found.
        """
        mask = evidence.current_mask(model)
        return cls(
            mask=mask,
            snapshot=Snapshot.take(model) if snapshot is None else snapshot,
            settings=evidence.settings_of(model),
            info=dict(info or {}),
        )

    def apply(self, model: Any) -> Any:
        """Puts the ticket on a model of the same architecture.

        Args:
            model: built, wrapped or not, compiled or not. Weights and mask
                become the ticket's; the optimizer is left alone (to continue
                training exactly, use `ticket.snapshot.restore(model)`).

        Returns:
            The wrapped model.

        Raises:
            ValueError: the model is of another architecture; the message
                names the tensor and both shapes. The model keeps its values.
        """
        weights = {
            name: value
            for name, value in self.snapshot.values.items()
            if name.startswith(state.WEIGHTS)
        }
        places = state.variables(model, state.WEIGHTS)
        weights = _without_other_seeds(weights, places)
        for name, value in weights.items():
            if name not in places:
                raise ValueError(
                    "The ticket does not fit the model: the model has no "
                    f"`{name.removeprefix(state.WEIGHTS)}`. Received: model "
                    f"`{model.name}` with {_paths(places)}. Build the model "
                    "the ticket was found in."
                )
            shape = tuple(places[name].shape)
            if shape != tuple(np.shape(value)):
                raise ValueError(
                    "The ticket does not fit the model: "
                    f"`{name.removeprefix(state.WEIGHTS)}` has shape "
                    f"{tuple(np.shape(value))} in the ticket and {shape} in "
                    "the model. Was the ticket made for another model?"
                )
        if not evidence.wrappers(model):
            model = wrapping.wrap_like(model, self.settings, self.mask)
        shapes = {
            path: value.shape
            for path, value in evidence.current_mask(model).items()
        }
        dense = {
            path: np.ones(shape, bool)
            for path, shape in shapes.items()
            if path not in self.mask
        }
        mask = Mask({**self.mask, **dense})
        mask.check_fits(shapes)
        state.write(model, weights, state.WEIGHTS)
        evidence.set_mask(model, mask)
        return model

    def save(self, path: Any) -> None:
        """Writes the ticket to one checksummed file, atomically.

        Args:
            path: file to write, local or remote (`gs://...`).
        """
        arrays = {
            _MASK + name: packed
            for name, packed in bits.pack(self.mask).items()
        }
        for name, value in self.snapshot.values.items():
            arrays[_STATE + name] = value
        meta = {
            "shapes": {
                name: list(mask.shape) for name, mask in self.mask.items()
            },
            "step": self.snapshot.step,
            "settings": self.settings.get_config(),
            "info": dict(self.info),
        }
        records.write_record(path, _KIND, arrays, meta)

    @classmethod
    def load(cls, path: Any) -> Ticket:
        """Reads a ticket.

        Args:
            path: file written by `save`.

        Raises:
            DamagedFileError: a byte is missing or has changed.
            ForeignFileError: it is not a file of this library.
        """
        arrays, meta = records.read_record(path, _KIND)
        shapes = meta["shapes"]
        packed = {name: arrays[_MASK + name] for name in shapes}
        values = {
            name.removeprefix(_STATE): value
            for name, value in arrays.items()
            if name.startswith(_STATE)
        }
        return cls(
            mask=Mask(bits.unpack(packed, shapes)),
            snapshot=Snapshot(int(meta["step"]), values),
            settings=PruningSettings.from_config(meta["settings"]),
            info=meta["info"],
        )


def _without_other_seeds(weights, places):
    """Leaves seeds to the model where the other Keras keeps them otherwise.

    Weights are the same in both families; the states of random generators
    differ in shape, and in which layers have one.
    """
    own = {
        name: variable.numpy()
        for name, variable in places.items()
        if state.is_seed(name)
    }
    found = {n: v for n, v in weights.items() if not state.is_seed(n)}
    for name, value in own.items():
        saved = weights.get(name)
        fits = saved is not None and np.shape(saved) == np.shape(value)
        found[name] = saved if fits else value
    return found


def _paths(places):
    return sorted(
        name.removeprefix(state.WEIGHTS)
        for name in places
        if name.startswith(state.WEIGHTS)
    )
