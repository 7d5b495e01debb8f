"""What can be said about a masked model in numbers, for one moment of it.

All of it is measured on the weights as they are stored: a schedule that aims
at a sparsity, or a mask that was set but not obeyed, must not look well on a
plot. Only the overlap with an earlier mask looks at masks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.core.mask import Mask
from tflottery.layers import evidence, paths

WHOLE = "whole"

Axes = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class TensorSummary:
    """What is left of one weight tensor.

    A survivor is an entry stored as anything but zero.

    Args:
        size: number of entries.
        survivors: number of survivors.
        weakest: |w| of the smallest survivor; 0.0 if there is none.
        dead_units: units with no way in: every entry that leads to the unit
            is zero. `None` where the axes of the tensor are not known.
        unread_inputs: inputs with no way out: every entry that reads the
            input is zero. `None` likewise.
    """

    size: int
    survivors: int
    weakest: float
    dead_units: int | None
    unread_inputs: int | None

    @property
    def sparsity(self) -> float:
        """Share of zeros, in [0, 1]."""
        return (self.size - self.survivors) / self.size if self.size else 0.0


def summarise(
    weight: np.ndarray,
    unit_axes: Axes | None = (-1,),
    input_axes: Axes | None = (-2,),
) -> TensorSummary:
    """Measures one weight tensor.

    Args:
        weight: stored values, of any float type.
        unit_axes: axes that count the layer's units, as `axes_of` gives them.
        input_axes: axes that count its inputs.

    Returns:
        A `TensorSummary`.

    Example:
        >>> summarise(np.array([[0.5, 0.0, -2.0], [0.0, 0.0, 0.0]]))
        TensorSummary(size=6, survivors=2, weakest=0.5, dead_units=1, \
unread_inputs=1)
    """
    alive = weight != 0
    survivors = int(np.count_nonzero(alive))
    weakest = float(np.abs(weight[alive]).min()) if survivors else 0.0
    return TensorSummary(
        size=weight.size,
        survivors=survivors,
        weakest=weakest,
        dead_units=_num_empty(alive, unit_axes),
        unread_inputs=_num_empty(alive, input_axes),
    )


def _num_empty(alive: np.ndarray, axes: Axes | None) -> int | None:
    if axes is None:
        return None
    kept = {axis % alive.ndim for axis in axes}
    others = tuple(axis for axis in range(alive.ndim) if axis not in kept)
    return int(np.count_nonzero(~alive.any(axis=others)))


def axes_of(
    layer: Any, name: str, rank: int
) -> tuple[Axes | None, Axes | None]:
    """Tells which axes of a weight count its layer's units, and its inputs.

    Most kernels end in (inputs, units). Transposed convolutions turn that
    round, a depthwise kernel has a unit per input and multiplier, and an
    einsum says it in its equation. In recurrent layers each gate of a unit
    counts as a unit of its own.

    Args:
        layer: the layer that holds the weight.
        name: name of the weight in it, such as `"kernel"`.
        rank: its number of axes, at least 2.

    Returns:
        `(unit axes, input axes)`; the latter `None` for grouped convolutions,
        where an entry along that axis stands for an input of each group.

    Example:
        >>> import keras
        >>> axes_of(keras.layers.Dense(3), "kernel", 2)
        ((-1,), (-2,))
        >>> axes_of(keras.layers.DepthwiseConv2D(3), "kernel", 4)
        ((-2, -1), (-2,))
        >>> axes_of(keras.layers.EinsumDense("abc,cde->abde", (2, 4)),
        ...         "kernel", 3)
        ((1, 2), (0,))
    """
    equation = getattr(layer, "equation", None)
    if isinstance(equation, str) and equation.count(",") == 1:
        left, right = equation.replace(" ", "").split("->")
        inputs, kernel = left.split(",")
        if len(kernel) == rank:
            return (
                tuple(i for i, letter in enumerate(kernel) if letter in right),
                tuple(i for i, letter in enumerate(kernel) if letter in inputs),
            )
        return None, None
    if hasattr(layer, "depth_multiplier") and name != "pointwise_kernel":
        return (-2, -1), (-2,)
    if type(layer).__name__.endswith("Transpose"):
        return (-2,), (-1,)
    if getattr(layer, "groups", 1) != 1:
        return (-1,), None
    return (-1,), (-2,)


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A masked model at one moment: numbers per tensor, and its mask.

    Args:
        tensors: `{path: TensorSummary}` of every masked weight.
        mask: the mask at that moment.
    """

    tensors: Mapping[str, TensorSummary]
    mask: Mask

    @property
    def sparsity(self) -> float:
        """Share of zeros over all tensors, in [0, 1]."""
        size = sum(tensor.size for tensor in self.tensors.values())
        return (size - self.survivors) / size if size else 0.0

    @property
    def density(self) -> float:
        """Share of survivors over all tensors, in [0, 1]."""
        return 1.0 - self.sparsity

    @property
    def survivors(self) -> int:
        """Number of survivors over all tensors."""
        return sum(tensor.survivors for tensor in self.tensors.values())

    def scalars(self, previous: Mask | None = None) -> dict[str, float]:
        """Returns the numbers by tag, `<what>/<weight>` and `<what>/whole`.

        A weight goes by its path with dots for slashes, `fc1.kernel`: where
        room is short, TensorBoard cuts a tag before its last slash, and would
        call every weight `kernel`.

        Args:
            previous: an earlier mask of the same model. If it differs from
                the present one, `mask_overlap` says how much they share
                (Jaccard index, 1 for equal masks).

        Returns:
            `{tag: number}`; what: `sparsity`, `surviving_weights`,
            `weakest_survivor`, `dead_units`, `unread_inputs`, `mask_overlap`.
        """
        found: dict[str, dict[str, float]] = {
            "sparsity": {WHOLE: self.sparsity},
            "surviving_weights": {WHOLE: self.survivors},
            "weakest_survivor": {WHOLE: self._weakest()},
        }
        for path, tensor in self.tensors.items():
            found["sparsity"][path] = tensor.sparsity
            found["surviving_weights"][path] = tensor.survivors
            found["weakest_survivor"][path] = tensor.weakest
        for what in ("dead_units", "unread_inputs"):
            known = {
                path: getattr(tensor, what)
                for path, tensor in self.tensors.items()
                if getattr(tensor, what) is not None
            }
            if known:
                found[what] = {WHOLE: sum(known.values()), **known}
        if previous is not None and previous != self.mask:
            found["mask_overlap"] = {
                WHOLE: self.mask.overlap(previous),
                **{
                    path: Mask({path: kept}).overlap(
                        Mask({path: previous[path]})
                    )
                    for path, kept in self.mask.items()
                },
            }
        return {
            f"{what}/{path.replace('/', '.')}": value
            for what, values in found.items()
            for path, value in values.items()
        }

    def _weakest(self) -> float:
        found = [t.weakest for t in self.tensors.values() if t.survivors]
        return min(found, default=0.0)


def measure(model: Any) -> Measurement:
    """Measures a wrapped model, layer or list of layers as it stands.

    Args:
        model: what `tflottery.prune_iteratively` or `prune_once` returned.

    Returns:
        A `Measurement`, which later changes of the model leave alone.

    Raises:
        ValueError: nothing in the model is wrapped.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> found = measure(tflottery.prune_once(model, sparsity=0.75))
        >>> found.tensors["dense/kernel"].survivors, found.density
        (2, 0.25)
    """
    mask = evidence.current_mask(model)
    tensors = {}
    for path, wrapper, relative in evidence.masked_weights(model):
        owners = {name: owner for name, _, owner in paths.walk(wrapper.layer)}
        weight = wrapper.measured_value(relative)
        tensors[path] = summarise(
            weight,
            *axes_of(owners[relative], path.rsplit("/", 1)[-1], weight.ndim),
        )
    return Measurement(tensors, mask)


def input_shape_of(model: Any) -> tuple[int, ...] | None:
    """Returns the shape of one example, where a model has one fixed input."""
    try:
        shape = model.input_shape
    except (AttributeError, RuntimeError, ValueError):
        return None  # a subclassed model, a layer or a list has none
    if not isinstance(shape, tuple):
        return None
    known = all(isinstance(length, int) for length in shape[1:])
    return shape[1:] if known else None
