"""Rebuild: the smaller model, from the graph of the given one.

Layers are cloned from their configs with new sizes and called as the old ones
were, so names, arguments and nesting are the same. Weights are sliced and set
at the end. The given model is only read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tflottery.compaction import cloning, linear, row_map, rows
from tflottery.compaction.removal import Plan
from tflottery.compaction.values import Values
from tflottery.layers import graph, paths
from tflottery.layers.nodes import is_a


class CannotCloneError(Exception):
    """A layer's config does not make a layer with the same weights."""

    def __init__(self, layer: Any, reason: str):
        super().__init__(reason)
        self.layer = layer


class Rebuild:
    """Builds the model that a plan describes.

    Args:
        of: the `Family` of the model.
        plan: what stays.
        values: the weights, as they act.
        shared: ids of layers that are not cloned: the new model has the same
            weights.
    """

    def __init__(self, of: Any, plan: Plan, values: Values, shared: set[int]):
        self._of, self._plan, self._values = of, plan, values
        self._shared = shared
        self._made: dict[int, Any] = {}
        self._old: dict[int, Any] = {}
        self.rows: dict[int, rows.Rows] = {}
        self._maps: dict[int, Any] = {}

    def run(self, model: Any) -> Any:
        """Returns the new model, with its weights.

        Raises:
            CannotCloneError: name the layer in `shared`, and try again.
        """
        kept = [self._plan.kept(t) for t in self._plan.network.input_tensors]
        new = self._model(model, kept)
        self._made[id(model)] = new
        for key, layer in self._old.items():
            if key not in self._shared and is_a(layer, "Layer"):
                self._set_weights(layer, self._made[key])
        for key, layer in self._maps.items():
            layer.table.assign(self.rows[key].lookup)
        self._copy_flags(model, new)
        return new

    def _model(self, model, kept):
        if is_a(model, "Sequential"):
            return self._sequential(model, kept)
        return self._functional(model, kept)

    def _sequential(self, model, kept):
        (tensor,) = graph.graph_holder(model).inputs
        layers = [self._input(tensor, kept[0])]
        for layer in model.layers:
            new = self._layer(graph.inner_layer(layer))
            if id(graph.inner_layer(layer)) in self._maps:
                layers.append(self._maps[id(graph.inner_layer(layer))])
            layers.append(new)
        return self._of.keras.Sequential(layers, name=model.name)

    def _functional(self, model, kept):
        holder = graph.graph_holder(model)
        tensors = {
            id(tensor): self._input(tensor, one).output
            for tensor, one in zip(holder.inputs, kept, strict=True)
        }
        for call in graph.calls_of(holder):
            taken, given = graph.tensors_of(call)
            if all(id(tensor) in tensors for tensor in given):
                continue
            old = graph.inner_layer(graph.operation_of(call))
            new = self._layer(old)
            positional, named = graph.arguments_of(call)
            positional = _filled(positional, tensors)
            named = _filled(named, tensors)
            if id(old) in self._maps:
                positional, named = _first_through(
                    self._maps[id(old)], positional, named
                )
            new(*positional, **named)
            _, results = graph.tensors_of(new._inbound_nodes[-1])
            for tensor, result in zip(given, results, strict=True):
                tensors[id(tensor)] = result
        inputs, outputs = _structures(holder)
        return self._of.keras.Model(
            _filled(inputs, tensors), _filled(outputs, tensors), name=model.name
        )

    def _input(self, tensor, kept):
        layer = tensor._keras_history[0]
        config = layer.get_config()
        shape = list(tensor.shape)
        if kept.size:
            shape[-1] = int(kept.sum())
        name = "batch_shape" if "batch_shape" in config else "batch_input_shape"
        config[name] = tuple(shape)
        new = type(layer).from_config(config)
        if new.output.name != tensor.name:
            # A number that Keras 3 gave, where the user gave no name.
            new.output.name = tensor.name
        return new

    def _layer(self, layer):
        key = id(layer)
        if key not in self._made:
            self._old[key] = layer
            nested = self._plan.nested_inputs(layer)
            if nested is not None:
                self._made[key] = self._model(layer, nested)
            elif key in self._shared or not is_a(layer, "Layer"):
                self._made[key] = cloning.without_calls(layer)
            else:
                self._made[key] = self._clone(layer)
        return self._made[key]

    def _clone(self, layer):
        part = self._plan.of_layer(layer)
        try:
            config = cloning.config_of(layer)
            part.role.resize(config, part)
            if isinstance(part.role, linear.Embedding):
                self._merge_rows(layer, part, config)
            return cloning.clone(layer, config, resized=part.role.is_sized)
        except Exception as error:
            if not part.role.is_sized and not paths.variables(layer):
                return cloning.without_calls(layer)
            raise CannotCloneError(layer, str(error)) from error

    def _merge_rows(self, layer, part, config):
        if any(
            getattr(tensor, "sparse", False)
            for tensor in graph.tensors_of(part.role.node.call)[0]
        ):
            return
        table = part.role.slices(part)["embeddings"]
        found = rows.merged(table, bool(layer.mask_zero))
        if found is not None:
            self.rows[id(layer)] = found
            config["input_dim"] = len(found.table)
            make = row_map.class_for(self._of.keras)
            self._maps[id(layer)] = make(
                len(table), name=f"{layer.name}_row_map"
            )

    def _set_weights(self, layer, new):
        if self._plan.nested_inputs(layer) is not None:
            return
        part = self._plan.of_layer(layer)
        if part.role.is_sized:
            values = dict(part.role.slices(part))
            places = dict(paths.own_variables(new))
            if id(layer) in self.rows:
                values["embeddings"] = self.rows[id(layer)].table
        else:
            values = self._values.all(layer)
            places = paths.variables(new)
        if set(values) != set(places) or any(
            tuple(places[name].shape) != np.shape(value)
            for name, value in values.items()
        ):
            raise CannotCloneError(
                layer, "the layer made from its config has other weights"
            )
        for name, value in values.items():
            places[name].assign(value)

    def _copy_flags(self, old, new):
        """Copies `trainable` from the outside to the inside."""
        new.trainable = old.trainable
        inner = graph.inner_layer(old)
        if inner is not old:
            new.trainable = old.trainable and inner.trainable
        known = [
            self._made.get(id(graph.inner_layer(child)))
            for child in paths.children(inner)
        ]
        others = paths.children(new)
        for place, child in enumerate(paths.children(inner)):
            other = known[place]
            if other is None and len(others) == len(known):
                other = others[place]
            if other is not None and id(inner) not in self._shared:
                self._copy_flags(child, other)


def _structures(holder):
    """Returns the structures of a model's input and output tensors."""
    if hasattr(holder, "_inputs_struct"):
        return holder._inputs_struct, holder._outputs_struct
    return holder._nested_inputs, holder._nested_outputs


def _filled(structure, tensors):
    """Returns a structure with new tensors in the place of old ones."""
    if id(structure) in tensors:
        return tensors[id(structure)]
    if isinstance(structure, dict):
        return {k: _filled(v, tensors) for k, v in structure.items()}
    if hasattr(structure, "_fields"):
        return type(structure)(*(_filled(v, tensors) for v in structure))
    if isinstance(structure, (list, tuple)):
        kind = tuple if isinstance(structure, tuple) else list
        return kind(_filled(v, tensors) for v in structure)
    return structure


def _first_through(layer, positional, named):
    """Puts the first argument through a layer."""
    if positional:
        return (layer(positional[0]), *positional[1:]), named
    name = next(iter(named))
    return positional, {**named, name: layer(named[name])}
