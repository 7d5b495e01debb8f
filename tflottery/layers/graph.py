"""Graph: which layer feeds which, in a model of either Keras family.

A pruning policy asks what stands before and after a layer. The families store
that differently, and nested models and mask wrappers hide it; here it is one
list of nodes with producers and consumers, read without importing a family.
"""

from __future__ import annotations

from typing import Any

from tflottery.layers import paths
from tflottery.layers.nodes import Graph, NestedUse, Node, Tensor, is_a, once

_FAMILIES = ("keras", "tf_keras")


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
    return graph_holder(model) is not None


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
    reading = _Reading()
    outputs = reading.expand(model, "", {}, None)
    starts = once(tensor.node for tensor in reading.inputs)
    ends = once(tensor.node for group in outputs for tensor in group)
    return Graph(
        nodes=tuple(reading.nodes),
        inputs=tuple(starts),
        outputs=tuple(ends),
        input_tensors=tuple(reading.inputs),
        output_tensors=tuple(tensor for group in outputs for tensor in group),
        nested=tuple(reading.nested),
    )


def graph_holder(model: Any) -> Any | None:
    """Returns the object that holds the calls of a model, if there is one.

    A class of the user's own with a `call` of its own has a graph that does
    not tell what it does, and counts as one without.
    """
    if is_a(model, "Sequential", "Functional", "Model") and not _calls_as_keras(
        model
    ):
        return None
    if is_a(model, "Sequential"):
        # Keras 3 keeps a functional model inside; tf_keras makes it one.
        model = getattr(model, "_functional", model)
    if not getattr(model, "_nodes_by_depth", None):
        return None
    return model


def calls_of(holder: Any) -> list[Any]:
    """Returns Keras' records of the calls in a model, in topological order.

    Args:
        holder: what `graph_holder` returned.
    """
    return [
        call
        for depth in sorted(holder._nodes_by_depth, reverse=True)
        for call in holder._nodes_by_depth[depth]
    ]


def operation_of(call: Any) -> Any:
    """Returns the layer or operation that was called, in its wrapper."""
    return getattr(call, "operation", None) or call.layer


def arguments_of(call: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns the arguments of a call, positional and by name."""
    if hasattr(call, "arguments"):
        return tuple(call.arguments.args), dict(call.arguments.kwargs)
    return tuple(call.call_args), dict(call.call_kwargs)


def tensors_of(call: Any) -> tuple[list[Any], list[Any]]:
    """Returns the input and output tensors of a call."""
    if hasattr(call, "operation"):
        return list(call.input_tensors), list(call.output_tensors)
    return list(call.keras_inputs), _flat(call.outputs)


class _Reading:
    """What has been read so far of a model and of the models nested in it."""

    def __init__(self):
        self.nodes: list[Node] = []
        self.inputs: list[Tensor] = []
        self.nested: list[NestedUse] = []

    def expand(self, model, prefix, made, training) -> list[list[Tensor]]:
        """Adds the nodes of a model; returns what its outputs may be.

        Args:
            model: the model.
            prefix: what goes before the names of its layers.
            made: `{id of Keras' tensor: tensors it may be}`, more than one
                only where inputs could not be sorted; knows the input
                tensors of a nested model already.
            training: the argument the model was called with.
        """
        holder = graph_holder(model)
        for call in calls_of(holder):
            taken, given = tensors_of(call)
            if not taken and all(id(tensor) in made for tensor in given):
                continue  # an input of a nested model
            outer = operation_of(call)
            layer = inner_layer(outer)
            name = prefix + layer.name
            sources = [made[id(tensor)] for tensor in taken]
            mode = _training_of(call, training)
            if graph_holder(layer) is not None:
                results = self._expand_nested(layer, name, sources, call, mode)
            else:
                wrapper = None if layer is outer else outer
                node = Node(name, layer, wrapper, len(self.nodes))
                node.call, node.training = call, mode
                results = self._add(node, sources, given)
            for tensor, found in zip(given, results, strict=True):
                made[id(tensor)] = found
        if not prefix:
            self.inputs = [made[id(tensor)][0] for tensor in holder.inputs]
        return [made[id(tensor)] for tensor in holder.outputs]

    def _add(self, node, sources, given):
        self.nodes.append(node)
        node.inputs = [tensor for group in sources for tensor in group]
        node.producers += once(tensor.node for tensor in node.inputs)
        for producer in node.producers:
            producer.consumers.append(node)
        node.outputs = [
            Tensor(node, index, tuple(tensor.shape), _dtype_name(tensor))
            for index, tensor in enumerate(given)
        ]
        return [[tensor] for tensor in node.outputs]

    def _expand_nested(self, model, name, sources, call, training):
        inputs = graph_holder(model).inputs
        is_sorted = _is_given_in_order(call, model, len(sources))
        if len(sources) != len(inputs):
            # A call that Keras sorted out by names: take each for each.
            sources = [[t for group in sources for t in group]] * len(inputs)
        made = {
            id(tensor): group
            for tensor, group in zip(inputs, sources, strict=True)
        }
        first = tuple(group[0] for group in sources if group)
        self.nested.append(NestedUse(name, model, first, is_sorted))
        return self.expand(model, f"{name}/", made, training)


def _is_tfmot_wrapper(layer: Any) -> bool:
    return any(
        base.__name__ == "PruneLowMagnitude" for base in type(layer).__mro__
    )


def _calls_as_keras(model: Any) -> bool:
    for base in type(model).__mro__:
        if "call" in vars(base):
            return base.__module__.split(".")[0] in _FAMILIES
    return False


def _training_of(call: Any, outer: bool | None) -> bool | None:
    """Returns what a call, or one around it, says about training.

    Which of two that differ counts, depends on the family and on the caller;
    that it may run as in training is what must not be missed.
    """
    positional, named = arguments_of(call)
    said = [outer, named.get("training"), *positional[1:]]
    said = [value for value in said if isinstance(value, bool)]
    return any(said) if said else None


def _is_given_in_order(call: Any, model: Any, num_sources: int) -> bool:
    """Tells whether a nested model got its tensors as it lists its inputs."""
    holder = graph_holder(model)
    if len(holder.inputs) != num_sources:
        return False
    if num_sources == 1:
        return True
    wanted = getattr(holder, "_inputs_struct", None)
    if wanted is None:
        wanted = holder._nested_inputs
    positional, _ = arguments_of(call)
    return bool(positional) and _alike(positional[0], wanted)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(
            _alike(one[key], other[key]) for key in one
        )
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(
            _alike(a, b) for a, b in zip(one, other, strict=True)
        )
    return not isinstance(one, (dict, list, tuple)) and not isinstance(
        other, (dict, list, tuple)
    )


def _dtype_name(tensor: Any) -> str:
    return getattr(tensor.dtype, "name", str(tensor.dtype))


def _flat(structure) -> list[Any]:
    if isinstance(structure, dict):
        structure = [structure[key] for key in sorted(structure)]
    if isinstance(structure, (list, tuple)):
        return [tensor for part in structure for tensor in _flat(part)]
    return [structure]
