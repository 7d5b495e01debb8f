"""Graph: which layer feeds which, in a model of either Keras family.

A pruning policy asks what stands before and after a layer. The families store
that differently, and nested models and mask wrappers hide it; here it is one
list of nodes with producers and consumers, read without importing a family.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from tflottery.layers import paths

_FAMILIES = ("keras", "tf_keras")


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
    """

    name: str
    layer: Any
    wrapper: Any | None = None
    index: int = 0
    producers: list[Node] = dataclasses.field(default_factory=list)
    consumers: list[Node] = dataclasses.field(default_factory=list)

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
class Graph:
    """The nodes of a model, nested models flattened.

    Args:
        nodes: all nodes, in topological order.
        inputs: the nodes where the model's input tensors come from.
        outputs: the nodes where its output tensors come from.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]


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


def inner_layer(layer: Any) -> Any:
    """Returns the layer inside a mask wrapper, ours or TF-MOT's, or itself."""
    while paths.is_mask_wrapper(layer) or _is_tfmot_wrapper(layer):
        layer = layer.layer
    return layer


def has_graph(model: Any) -> bool:
    """Tells whether a model is functional or a built Sequential one.

    Example:
        >>> import keras
        >>> has_graph(keras.Sequential([keras.layers.Dense(1)]))
        False
        >>> x = keras.Input((4,))
        >>> has_graph(keras.Sequential([x, keras.layers.Dense(1)]))
        True
    """
    return _graph_holder(model) is not None


def flatten(model: Any) -> Graph:
    """Returns the graph of a functional or Sequential model.

    Nested models are replaced by what they hold, once for each use; mask
    wrappers are transparent. Only calls within this model count: layers
    shared with another model bring none of its edges along.

    Args:
        model: a model of either family for which `has_graph` is true.

    Returns:
        The graph.

    Raises:
        ValueError: the model has no graph.

    Example:
        >>> import keras
        >>> block = keras.Sequential([keras.layers.Dense(4, name="fc")],
        ...                          name="block")
        >>> inputs = keras.Input((4,), name="x")
        >>> relu = keras.layers.ReLU(name="relu")
        >>> model = keras.Model(inputs, relu(block(inputs)))
        >>> for node in flatten(model).nodes:
        ...     print(node.name, "from", node.producers)
        x from []
        block/fc from [<Node x>]
        relu from [<Node block/fc>]
    """
    if not has_graph(model):
        raise ValueError(
            "`model` must be a functional or a built Sequential model. "
            f"Received: {type(model).__name__} "
            f"`{getattr(model, 'name', model)}`, which has no graph of "
            "layers. Build a Sequential model with an Input first; write a "
            "subclassed one as a functional model."
        )
    nodes: list[Node] = []
    made: dict[int, list[Node]] = {}
    outputs = _expand(model, "", made, nodes)
    ends = _once(node for producers in outputs for node in producers)
    holder = _graph_holder(model)
    starts = _once(node for t in holder.inputs for node in made[id(t)])
    return Graph(tuple(nodes), tuple(starts), tuple(ends))


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
    waiting = _once(sources)
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


def _is_tfmot_wrapper(layer: Any) -> bool:
    return any(
        base.__name__ == "PruneLowMagnitude" for base in type(layer).__mro__
    )


def _graph_holder(model: Any) -> Any | None:
    """Returns the object that holds the nodes of a model, if there is one."""
    if is_a(model, "Sequential"):
        # Keras 3 keeps a functional model inside; tf_keras makes it one.
        model = getattr(model, "_functional", model)
    if not getattr(model, "_nodes_by_depth", None):
        return None
    return model


def _expand(model, prefix, made, nodes) -> list[list[Node]]:
    """Adds the nodes of a model; returns the producers of its outputs.

    Args:
        model: the model.
        prefix: what goes before the names of its layers.
        made: `{id of tensor: nodes it comes from}`; knows the input tensors
            of a nested model already.
        nodes: the list to add to.
    """
    holder = _graph_holder(model)
    for depth in sorted(holder._nodes_by_depth, reverse=True):
        for call in holder._nodes_by_depth[depth]:
            taken, given = _tensors(call)
            if not taken and all(id(tensor) in made for tensor in given):
                continue  # an input of a nested model
            outer = getattr(call, "operation", None) or call.layer
            layer = inner_layer(outer)
            name = prefix + layer.name
            sources = [made[id(tensor)] for tensor in taken]
            if _graph_holder(layer) is not None:
                results = _expand_nested(layer, f"{name}/", sources, nodes)
            else:
                wrapper = None if layer is outer else outer
                node = Node(name, layer, wrapper, len(nodes))
                nodes.append(node)
                node.producers += _once(n for group in sources for n in group)
                for producer in node.producers:
                    producer.consumers.append(node)
                results = [[node]] * len(given)
            for tensor, producers in zip(given, results, strict=True):
                made[id(tensor)] = producers
    return [made[id(tensor)] for tensor in holder.outputs]


def _expand_nested(model, prefix, sources, nodes):
    inputs = _graph_holder(model).inputs
    if len(sources) != len(inputs):
        # A call that Keras sorted out by names: take every source for each.
        sources = [[n for group in sources for n in group]] * len(inputs)
    made = {
        id(tensor): producers
        for tensor, producers in zip(inputs, sources, strict=True)
    }
    return _expand(model, prefix, made, nodes)


def _tensors(call) -> tuple[list[Any], list[Any]]:
    """Returns the input and output tensors of a call."""
    if hasattr(call, "operation"):
        return list(call.input_tensors), list(call.output_tensors)
    return list(call.keras_inputs), _flat(call.outputs)


def _flat(structure) -> list[Any]:
    if isinstance(structure, dict):
        structure = [structure[key] for key in sorted(structure)]
    if isinstance(structure, (list, tuple)):
        return [tensor for part in structure for tensor in _flat(part)]
    return [structure]


def _once(nodes: Iterable[Node]) -> list[Node]:
    return list({id(node): node for node in nodes}.values())
