"""Removal: which channels of a network can go without a change of its output.

A channel is needed if there is a way from it to an output that constants do
not cut. What is not needed goes: channels with no way out, since nothing
reads them, and those with no way in, since the constant they give is added to
the next bias. Constants are followed from the inputs on, needs from the
outputs back, until nothing changes.
"""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from tflottery.compaction import (
    channels,
    joining,
    linear,
    passing,
    roles,
)
from tflottery.compaction.roles import LayerPlan, Opaque, Role
from tflottery.compaction.values import Values
from tflottery.layers import paths
from tflottery.layers.nodes import Graph, Tensor, is_a

# They put their roles on the lists.
RULES = (joining, linear, passing)


class Plan:
    """What stays of a network.

    Args:
        network: the graph of the model.
        values: its weights, as they act.
        keep_all: whether to remove nothing.
    """

    def __init__(self, network: Graph, values: Values, keep_all: bool = False):
        self.network = network
        self.roles: list[Role] = []
        self._ties = channels.Ties()
        self._numbers: dict[int, np.ndarray] = {}
        self._constants: dict[int, np.ndarray] = {}
        self._uses: dict[int, list[Role]] = {}
        doubles = _with_shared_weights(network)
        for node in network.nodes:
            if id(node.layer) in doubles:
                reason = "it shares a weight with another layer"
                role = Opaque(node, values, reason)
            else:
                role = roles.role_of(node, values)
            self._add(role)
        for tensor in (*network.input_tensors, *network.output_tensors):
            self._ties.pin(self._numbers[id(tensor)])
        self._join_nested()
        if keep_all:
            for numbers in self._numbers.values():
                self._ties.pin(numbers)
        self._groups = self._ties.groups()
        self._needed = self._ties.pinned()
        self._seen: dict[int, np.ndarray] = {}
        self._spread()
        self._kept = self._needed.copy()
        self._keep_one_each()

    def needed(self, tensor: Tensor) -> np.ndarray:
        """Returns which channels of a tensor are needed."""
        return self._needed[self._groups[self._numbers[id(tensor)]]]

    def kept(self, tensor: Tensor) -> np.ndarray:
        """Returns which stay: those, or one of a tensor that needs none."""
        return self._kept[self._groups[self._numbers[id(tensor)]]]

    def of_layer(self, layer: Any) -> LayerPlan | None:
        """Returns what stays of a layer or operation of the graph."""
        uses = self._uses.get(id(layer))
        if uses is None:
            return None
        node = uses[0].node
        none = np.zeros(0, bool)
        taken, given = node.inputs[:1], node.outputs[:1]
        return LayerPlan(
            uses[0],
            inputs=self.kept(taken[0]) if taken else none,
            outputs=self.kept(given[0]) if given else none,
            needed_inputs=self.needed(taken[0]) if taken else none,
            needed_outputs=self.needed(given[0]) if given else none,
            constants=self._agreed(uses) if taken else np.zeros(0),
            outgoing=self._constants[id(given[0])] if given else np.zeros(0),
        )

    def layers(self) -> list[Any]:
        """Returns the layers and operations, each once, in order."""
        return [uses[0].layer for uses in self._uses.values()]

    def nested_inputs(self, model: Any) -> list[np.ndarray] | None:
        """Returns which channels of a nested model's inputs stay."""
        for use in self.network.nested:
            if use.model is model:
                return [self.kept(tensor) for tensor in use.inputs]
        return None

    def _add(self, role):
        node = role.node
        taken = [self._numbers[id(tensor)] for tensor in node.inputs]
        known = [self._constants[id(tensor)] for tensor in node.inputs]
        given = role.tie(self._ties, taken)
        for tensor, numbers, values in zip(
            node.outputs, given, role.constants(known), strict=True
        ):
            self._numbers[id(tensor)] = numbers
            self._constants[id(tensor)] = values
        uses = self._uses.setdefault(id(role.layer), [])
        if uses and role.is_sized:
            first = uses[0].node
            pairs = [
                (first.inputs[0], node.inputs[0]),
                (first.outputs[0], node.outputs[0]),
            ]
            for one, other in pairs:
                self._join(one, other)
        uses.append(role)
        self.roles.append(role)

    def _join(self, one, other):
        one, other = self._numbers[id(one)], self._numbers[id(other)]
        if len(one) == len(other):
            self._ties.join(one, other)
        else:
            self._ties.pin(one)
            self._ties.pin(other)

    def _join_nested(self):
        """Ties the inputs of a nested model over its uses."""
        first = {}
        for use in self.network.nested:
            known = first.setdefault(id(use.model), use)
            for one, other in zip(known.inputs, use.inputs, strict=True):
                self._join(one, other)

    def _agreed(self, uses):
        """Returns the constants on which all uses of a layer agree."""
        found = [self._constants[id(role.node.inputs[0])] for role in uses]
        if len({len(one) for one in found}) > 1:
            return np.full(len(found[0]), np.nan)
        same = np.all([one == found[0] for one in found], axis=0)
        return np.where(same, found[0], np.nan)

    def _keep_one_each(self):
        """Keeps a channel of each tensor of which nothing is needed.

        Nothing feeds it, and nothing reads it: it is there for the shape.
        """
        for node in self.network.nodes:
            for tensor in node.outputs:
                kept = self.kept(tensor)
                if kept.size and not kept.any():
                    varies = np.isnan(self._constants[id(tensor)])
                    chosen = int(np.argmin(varies))
                    number = self._numbers[id(tensor)][chosen]
                    self._kept[self._groups[number]] = True

    def _spread(self):
        """Hands needs on from outputs to inputs, until nothing changes."""
        changed = True
        while changed:
            changed = False
            for role in reversed(self.roles):
                changed |= self._spread_through(role)

    def _spread_through(self, role) -> bool:
        if not isinstance(role, linear.Linear):
            return False
        node = role.node
        kept = self.needed(node.outputs[0])
        seen = self._seen.get(node.index)
        if seen is not None and np.array_equal(seen, kept):
            return False
        self._seen[node.index] = kept
        constants = self._agreed(self._uses[id(role.layer)])
        wanted = role.demands(kept, constants)
        groups = self._groups[self._numbers[id(node.inputs[0])]][wanted]
        if self._needed[groups].all():
            return False
        self._needed[groups] = True
        return True


def _with_shared_weights(network: Graph) -> set[int]:
    """Returns the ids of layers of which another has a weight too."""
    owners = collections.defaultdict(set)
    for node in network.nodes:
        if is_a(node.layer, "Layer"):
            for variable in paths.variables(node.layer).values():
                owners[id(variable)].add(id(node.layer))
    return {
        layer for found in owners.values() if len(found) > 1 for layer in found
    }
