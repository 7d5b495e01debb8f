"""Roles: what a layer means for the channels that go in and out of it.

Each kind of layer has one role: how its channels are tied, which constants
come out of it, which of its inputs it needs, and how it is made smaller. What
has no role of its own is opaque, and everything around it stays.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tflottery.compaction import channels
from tflottery.compaction.channels import Ties
from tflottery.compaction.values import Values
from tflottery.layers import graph, paths
from tflottery.layers.nodes import Node, is_a


class LeftAlone(Exception):
    """A use of a layer about which nothing can be proven; says why."""


@dataclasses.dataclass(frozen=True)
class LayerPlan:
    """What stays of a layer, the same in all its uses.

    Args:
        role: of its first use.
        inputs: bool, which channels of its first input stay.
        outputs: bool, which channels of its first output stay.
        needed_inputs: those of `inputs` that are not there for the shape
            only.
        needed_outputs: the same of `outputs`.
        constants: of its first input; NaN for what varies or differs from
            use to use.
        outgoing: the same of its first output.
    """

    role: Role
    inputs: np.ndarray
    outputs: np.ndarray
    needed_inputs: np.ndarray
    needed_outputs: np.ndarray
    constants: np.ndarray
    outgoing: np.ndarray


class Role(abc.ABC):
    """What one use of a layer does to channels.

    Args:
        node: the use.
        values: the weights, as they act.

    Raises:
        LeftAlone: this role cannot be proven for it.
    """

    # Whether sizes of its channels are written in its weights or its config.
    is_sized = False

    def __init__(self, node: Node, values: Values):
        self.node = node
        self.layer = node.layer
        self.weights = (
            values.own(node.layer) if is_a(node.layer, "Layer") else {}
        )

    @property
    def num_axes(self) -> int:
        """Rank of its first output."""
        return len(self.node.outputs[0].shape)

    @abc.abstractmethod
    def tie(self, ties: Ties, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the channels of its outputs, tied to those of its inputs."""

    @abc.abstractmethod
    def constants(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the constants of its outputs; NaN for what varies."""

    def resize(self, config: dict[str, Any], part: LayerPlan) -> None:
        """Writes the new sizes into a layer's config, in place."""
        return None  # no sizes to write, unless a role says so

    def slices(self, part: LayerPlan) -> dict[str, np.ndarray]:
        """Returns `{name: value}` of the smaller layer's own weights."""
        return self.weights


class Opaque(Role):
    """Nothing is known: all stays, and its outputs vary.

    Args:
        node: the use.
        values: the weights, as they act.
        reason: why it is left alone; `None` where that goes without saying.
    """

    def __init__(self, node, values, reason: str | None = None):
        super().__init__(node, values)
        self.reason = reason

    def tie(self, ties, inputs):
        """Pins all its channels."""
        found = [ties.new(channels.count(t)) for t in self.node.outputs]
        for one in (*inputs, *found):
            ties.pin(one)
        return found

    def constants(self, inputs):
        """Returns NaN only."""
        return [np.full(channels.count(t), np.nan) for t in self.node.outputs]


_layers: dict[str, Callable[[Node, Values], Role]] = {}
_operations: dict[str, Callable[[Node, Values], Role]] = {}


def of_layers(*names: str) -> Callable[[type], type]:
    """Makes a role that of the Keras layers of these names."""
    return _adder(_layers, names)


def of_operations(*names: str) -> Callable[[type], type]:
    """Makes a role that of the functions of these names."""
    return _adder(_operations, names)


def _adder(table, names):
    def add(role):
        table.update(dict.fromkeys(names, role))
        return role

    return add


def role_of(node: Node, values: Values) -> Role:
    """Returns the role of a use of a layer or operation."""
    try:
        make = _maker_of(node)
        _check_stock(node)
        return make(node, values)
    except LeftAlone as refusal:
        return Opaque(node, values, str(refusal) or None)


def _maker_of(node):
    layer = node.layer
    if is_a(layer, "InputLayer"):
        raise LeftAlone("")
    if type(layer).__module__.split(".")[0] not in ("keras", "tf_keras"):
        raise LeftAlone(f"`{type(layer).__name__}` is not a class of Keras")
    name, table = node.operation, _operations
    if name is None:
        name, table = type(layer).__name__, _layers
    if name not in table:
        raise LeftAlone(f"no rule for `{name}`, so all channels around it stay")
    return table[name]


def _check_stock(node: Node) -> None:
    """Refuses a layer of Keras that is not as Keras made it."""
    layer = node.layer
    if "call" in vars(layer) and node.operation is None:
        raise LeftAlone("its `call` has been replaced")
    if getattr(layer, "lora_enabled", False):
        raise LeftAlone("LoRA is on")
    if getattr(layer, "quantization_mode", None):
        raise LeftAlone("its weights are quantized")
    if getattr(layer, "data_format", None) == "channels_first":
        raise LeftAlone("its channels are not last (channels_first)")
    if is_a(layer, "Layer") and any(
        paths.variables(child) for child in paths.children(layer)
    ):
        raise LeftAlone(
            f"no rule for `{type(layer).__name__}` with layers inside"
        )


def check_inputs(node: Node, number: int | None = 1) -> None:
    """Refuses a use that takes more, or other, tensors than it should.

    Args:
        node: the use.
        number: how many tensors; `None` for a list of at least one.
    """
    positional, named = graph.arguments_of(node.call)
    first = positional[0] if positional else named.get("inputs", None)
    count = len(first) if isinstance(first, (list, tuple)) else 1
    if len(node.inputs) != count or (number or count) != count:
        raise LeftAlone("it was called with further tensors")
