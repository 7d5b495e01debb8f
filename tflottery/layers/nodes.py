"""Nodes: what the graph of a model is made of, and walks along its edges.

A pruning policy asks what stands before and after a layer; compaction asks
which tensor feeds which argument. `tflottery.layers.graph` reads both from a
model of either Keras family; here is what it returns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

_FAMILIES = ("keras", "tf_keras")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Tensor:
    """One output of a node.

    Args:
        node: the node it comes from.
        index: its place among the outputs of that node.
        shape: its shape, `None` where a size is open.
        dtype: name of its type, such as `"float32"`.
    """

    node: Node
    index: int
    shape: tuple[int | None, ...]
    dtype: str

    def __repr__(self):
        return f"<Tensor {self.node.name}:{self.index} {self.shape}>"


@dataclasses.dataclass(eq=False, repr=False)
class Node:
    """One use of a layer or of an operation; a reused layer has several.

    Args:
        name: the layer's name, after those of the nested models it stands in
            (`"block/conv"`).
        layer: the layer, taken out of its mask wrapper if it had one.
        wrapper: that wrapper, or `None`.
        index: place in topological order.
        producers: the nodes whose outputs it takes, each once.
        consumers: the nodes that take its outputs, each once.
        inputs: the tensors it takes, in order and with repetitions.
        outputs: the tensors it gives, in order.
        call: Keras' own record of this use.
        training: `True` if it, or a model it stands in, was called with
            `training=True`; `False` with `False` only; `None` with neither.
    """

    name: str
    layer: Any
    wrapper: Any | None = None
    index: int = 0
    producers: list[Node] = dataclasses.field(default_factory=list)
    consumers: list[Node] = dataclasses.field(default_factory=list)
    inputs: list[Tensor] = dataclasses.field(default_factory=list)
    outputs: list[Tensor] = dataclasses.field(default_factory=list)
    call: Any | None = None
    training: bool | None = None

    @property
    def class_name(self) -> str:
        """Name of the layer's class."""
        return type(self.layer).__name__

    @property
    def operation(self) -> str | None:
        """Name of a function (`"add"`), or `None` for a layer.

        Covers `keras.ops` on Keras 3 tensors and TensorFlow functions on
        those of tf_keras.
        """
        if not is_a(self.layer, "Layer"):
            return type(self.layer).__name__.lower()
        if is_a(self.layer, "TFOpLambda"):
            return self.layer.symbol.split(".")[-1]
        if is_a(self.layer, "SlicingOpLambda", "ClassMethod"):
            return self.layer.name
        return None

    def __str__(self):
        return f"`{self.name}` ({self.class_name})"

    def __repr__(self):
        return f"<Node {self.name}>"


@dataclasses.dataclass(frozen=True)
class NestedUse:
    """One use of a nested model.

    Args:
        name: its name, after those of the models it stands in.
        model: the model, out of its mask wrapper.
        inputs: the tensors that stand for its inputs, in their order.
        is_sorted: whether that order is certain; it is not where the model
            takes and was given its inputs in structures that differ.
    """

    name: str
    model: Any
    inputs: tuple[Tensor, ...]
    is_sorted: bool


@dataclasses.dataclass(frozen=True)
class Graph:
    """The nodes of a model, nested models flattened.

    Args:
        nodes: all nodes, in topological order.
        inputs: the nodes where the model's input tensors come from.
        outputs: the nodes where its output tensors come from.
        input_tensors: its input tensors, in order.
        output_tensors: its output tensors, in order and with repetitions.
        nested: the uses of nested models.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    input_tensors: tuple[Tensor, ...] = ()
    output_tensors: tuple[Tensor, ...] = ()
    nested: tuple[NestedUse, ...] = ()


@dataclasses.dataclass(frozen=True)
class Walk:
    """What a walk met, each part in topological order.

    Args:
        passed: nodes the walk went through.
        stops: nodes it stopped at.
        dead_ends: those of `passed` from which no edge leads on.
    """

    passed: tuple[Node, ...]
    stops: tuple[Node, ...]
    dead_ends: tuple[Node, ...]


def is_a(layer: Any, *names: str) -> bool:
    """Tells whether a layer is of a Keras class of one of these names.

    Subclasses count; classes of that name outside Keras do not.

    Args:
        layer: a layer or operation of either family.
        *names: class names, such as `"Conv2D"`.

    Example:
        >>> import keras
        >>> conv = keras.layers.Conv2D(8, 1)
        >>> is_a(conv, "Conv2D", "Dense"), is_a(conv, "DepthwiseConv2D")
        (True, False)
    """
    return any(
        base.__name__ in names and base.__module__.split(".")[0] in _FAMILIES
        for base in type(layer).__mro__
    )


def walk(
    sources: Iterable[Node],
    next_nodes: Callable[[Node], Iterable[Node]],
    is_stop: Callable[[Node], bool] = lambda node: False,
) -> Walk:
    """Goes from the sources along all edges, up to the nodes to stop at.

    Args:
        sources: the first nodes, themselves looked at.
        next_nodes: what follows a node, such as its consumers.
        is_stop: whether to go no further from a node.

    Returns:
        What was passed, where it stopped, and where it could not go on.
    """
    passed, stops, dead_ends = [], [], []
    waiting = once(sources)
    seen = {id(node) for node in waiting}
    while waiting:
        node = waiting.pop()
        if is_stop(node):
            stops.append(node)
            continue
        passed.append(node)
        following = list(next_nodes(node))
        if not following:
            dead_ends.append(node)
        for other in following:
            if id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)
    for found in (passed, stops, dead_ends):
        found.sort(key=lambda node: node.index)
    return Walk(tuple(passed), tuple(stops), tuple(dead_ends))


def once(nodes: Iterable[Node]) -> list[Node]:
    """Returns the nodes without repetitions, in order."""
    return list({id(node): node for node in nodes}.values())
