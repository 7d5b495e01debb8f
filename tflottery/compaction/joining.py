"""Roles of what brings tensors together or lays channels out anew.

Sums tie the channels of all they add, a concatenation lines them up, and
Flatten and Reshape repeat them for each place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tflottery.compaction import activations, channels
from tflottery.compaction.passing import Passing
from tflottery.compaction.roles import (
    LeftAlone,
    Role,
    check_inputs,
    of_layers,
    of_operations,
)
from tflottery.layers import graph


def _product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    # Zero times anything is zero, also times what varies.
    return np.where((one == 0) | (other == 0), 0.0, one * other)


_MERGED: dict[str, Callable[..., np.ndarray]] = {
    "add": np.add,
    "sub": np.subtract,
    "subtract": np.subtract,
    "multiply": _product,
    "mul": _product,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


class Merged(Role):
    """Brings tensors of the same channels together, entry by entry."""

    def __init__(self, node, values):
        super().__init__(node, values)
        given = channels.count(node.outputs[0])
        if any(channels.count(tensor) != given for tensor in node.inputs):
            raise LeftAlone("it repeats a tensor of one channel for others")

    def tie(self, ties, inputs):
        """Ties the channels of all inputs."""
        for other in inputs[1:]:
            ties.join(inputs[0], other)
        return [inputs[0]]


@of_layers("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
class MergedByLayer(Merged):
    """One of Keras' layers for that."""

    def __init__(self, node, values):
        super().__init__(node, values)
        check_inputs(node, None)

    def constants(self, inputs):
        """Returns the sum, product, ... of constants."""
        name = type(self.layer).__name__.lower()
        if name == "average":
            return [functools.reduce(np.add, inputs) / len(inputs)]
        return [functools.reduce(_MERGED[name], inputs)]


@of_operations(*_MERGED)
class MergedByFunction(Merged):
    """A function of two tensors, or of a tensor and a number."""

    def __init__(self, node, values):
        super().__init__(node, values)
        if len(node.inputs) != 2:
            _check_plain(node)
        elif _num_arguments(node) != 2:
            raise LeftAlone("it was called with further arguments")

    def constants(self, inputs):
        """Returns the sum, product, ... of constants."""
        if len(inputs) == 2:
            return [_MERGED[self.node.operation](*inputs)]
        return [_through(self.node, inputs[0])]


@of_operations(
    *("abs", "absolute", "divide", "negative", "square", "truediv"),
    *("celu", "elu", "gelu", "hardsigmoid", "hardsilu", "hard_sigmoid"),
    *("identity", "leakyrelu", "leaky_relu", "logsigmoid", "relu", "relu6"),
    *("selu", "sigmoid", "silu", "swish", "softplus", "softsign", "tanh"),
)
class FunctionOfOne(Passing):
    """A function of single entries, with numbers for further arguments."""

    def __init__(self, node, values):
        super().__init__(node, values)
        _check_plain(node)

    def constants(self, inputs):
        """Puts constants through the function."""
        return [_through(self.node, inputs[0])]


def _num_arguments(node) -> int:
    positional, named = graph.arguments_of(node.call)
    return sum(a is not None for a in (*positional, *named.values()))


def _check_plain(node) -> None:
    """Refuses a call with anything but one tensor and numbers."""
    positional, named = graph.arguments_of(node.call)
    taken, _ = graph.tensors_of(node.call)
    for value in (*positional, *named.values()):
        if value is taken[0] or value is None:
            continue
        if not isinstance(value, (bool, int, float, str)):
            raise LeftAlone("it was called with further arguments")
    if len(taken) != 1:
        raise LeftAlone("it was called with further tensors")


def _through(node, constants):
    """Puts constants through a function, its other arguments as they are."""
    positional, named = graph.arguments_of(node.call)
    taken, _ = graph.tensors_of(node.call)
    function = getattr(node.layer, "function", None) or node.layer.call

    def filled(value, x):
        return x if value is taken[0] else value

    def on_tensor(x: Any) -> Any:
        return function(
            *(filled(value, x) for value in positional),
            **{name: filled(value, x) for name, value in named.items()},
        )

    return activations.through(on_tensor, constants, len(node.inputs[0].shape))


@of_layers("Concatenate")
class Concatenated(Role):
    """Lines tensors up along one axis."""

    def __init__(self, node, values):
        super().__init__(node, values)
        check_inputs(node, None)
        self.is_along_channels = self.layer.axis in (-1, self.num_axes - 1)
        counts = [channels.count(tensor) for tensor in node.inputs]
        given = channels.count(node.outputs[0])
        if self.layer.axis == 0 or 0 in counts:
            raise LeftAlone("the size of its inputs is open")
        if not self.is_along_channels and set(counts) != {given}:
            raise LeftAlone("the size of its inputs is open")

    def tie(self, ties, inputs):
        """Lines channels up, or ties them if another axis is lined up."""
        if self.is_along_channels:
            return [np.concatenate(inputs)]
        for other in inputs[1:]:
            ties.join(inputs[0], other)
        return [inputs[0]]

    def constants(self, inputs):
        """Lines constants up; on another axis they have to agree."""
        if self.is_along_channels:
            return [np.concatenate(inputs)]
        return [_agreed(inputs)]


@of_layers("Flatten", "Reshape")
class Reshaped(Role):
    """Lays entries out anew, in the same order.

    Where one number of channels is a multiple of the other, entry i of the
    larger belongs to channel i modulo the smaller.
    """

    is_sized = True

    def __init__(self, node, values):
        super().__init__(node, values)
        check_inputs(node)
        taken = channels.count(node.inputs[0])
        given = channels.count(node.outputs[0])
        if not taken or not given:
            raise LeftAlone("the size of its input or output is open")
        if taken % given and given % taken:
            raise LeftAlone("it mixes the places of channels")
        self.num_repeats = given // taken
        self.num_given = given

    def tie(self, ties, inputs):
        """Ties each channel to all its places."""
        (taken,) = inputs
        if self.num_repeats:
            return [np.tile(taken, self.num_repeats)]
        rows = taken.reshape(-1, self.num_given)
        for row in rows[1:]:
            ties.join(rows[0], row)
        return [rows[0]]

    def constants(self, inputs):
        """Hands constants on; those of one channel have to agree."""
        (taken,) = inputs
        if self.num_repeats:
            return [np.tile(taken, self.num_repeats)]
        return [_agreed(taken.reshape(-1, self.num_given))]

    def resize(self, config, part):
        """Writes the number of channels into the target shape."""
        if "target_shape" in config:
            target = list(config["target_shape"])
            config["target_shape"] = [*target[:-1], int(part.outputs.sum())]


def _agreed(rows):
    first = rows[0]
    same = np.all([row == first for row in rows], axis=0)
    return np.where(same, first, np.nan)
