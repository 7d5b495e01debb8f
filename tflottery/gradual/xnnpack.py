"""XNNPACK: which 1x1 convolutions can run on its sparse kernels, and why not.

XNNPACK runs a part of a network sparse only as a whole: a cluster, from a
certain first convolution to a pooling, with nothing in between that it does
not know. One layer too many and the pruned model is as slow as the dense one,
so the policy looks before anything is pruned; `explain` says what it saw.
"""

from __future__ import annotations

import fractions
import operator
from typing import Any

from tflottery.gradual import xnnpack_rules as rules
from tflottery.gradual.policy import PolicyReport, PruningPolicy, verdicts
from tflottery.layers import graph
from tflottery.layers.nodes import Graph, Node, is_a, walk

_CONSUMERS = operator.attrgetter("consumers")
_PRODUCERS = operator.attrgetter("producers")


class PruneForLatencyOnXNNPack(PruningPolicy):
    """Prunes 1x1 convolutions only, in models that XNNPACK can run sparse.

    A model is accepted if every way from an input leads to a start (Conv2D
    3x3, stride 2, `"valid"`, on 3 channels, after ZeroPadding2D of 1), every
    way back from an output to an end (GlobalAveragePooling2D), and XNNPACK
    knows all that lies between. As in TF-MOT, `activation=` is not looked at,
    and 1x1 convolutions outside the cluster are pruned too. Unlike TF-MOT it
    follows the uses of layers in the given model: nested models and layers
    shared with others are judged right. A Conv2DTranspose is not a Conv2D.

    Example:
        >>> import keras
        >>> policy = PruneForLatencyOnXNNPack()
        >>> [policy.allow_pruning(keras.layers.Conv2D(8, k)) for k in (1, 3)]
        [True, False]
        >>> policy.ensure_model_supports_pruning(keras.Sequential(name="net"))
        Traceback (most recent call last):
        ...
        ValueError: `model` must be a network that XNNPACK can run sparse.\
 Received: `net`. It is not built; give it an Input first.

    Reference: Elsen et al., Fast Sparse ConvNets, 2020, section 3.
    """

    def allow_pruning(self, layer: Any) -> bool:
        """Allows 1x1 Conv2D layers, in a mask wrapper or not."""
        layer = graph.inner_layer(layer)
        return rules.is_conv(layer) and tuple(layer.kernel_size) == (1, 1)

    def ensure_model_supports_pruning(self, model: Any) -> None:
        """Refuses a model that XNNPACK would run dense.

        Raises:
            ValueError: names every layer that is in the way, and the way out.
        """
        report = explain(model)
        if not report.supported:
            raise ValueError(
                "`model` must be a network that XNNPACK can run sparse. "
                f"Received: `{report.model}`. {' '.join(report.problems)}"
            )

    def explain(self, model: Any) -> XNNPACKReport:
        """Says for each layer whether XNNPACK can run it sparse, and why not.

        Nothing is changed; the model may be wrapped already. A layer used
        several times gets the worst verdict of its uses.

        Args:
            model: a model of either Keras family. A subclassed or unbuilt one
                gives a report of that one problem.

        Returns:
            A report with `rows`, `problems` and `supported`; `print` shows it
            as a table.

        Raises:
            TypeError: not a model.

        Example:
            >>> import keras
            >>> L = keras.layers
            >>> model = keras.Sequential([
            ...     keras.Input((8, 8, 3)), L.ZeroPadding2D(1),
            ...     L.Conv2D(4, 3, strides=2, name="stem"),
            ...     L.Conv2D(8, 1, name="conv"),
            ...     L.GlobalAveragePooling2D(name="pool")])
            >>> for row in PruneForLatencyOnXNNPack().explain(model).rows[1:]:
            ...     print(row.name, row.verdict, row.reason, sep=" | ")
            stem | passes | starts the cluster
            conv | sparse | 1x1 convolution inside the cluster
            pool | passes | ends the cluster
        """
        return explain(model)


class XNNPACKReport(PolicyReport):
    """What XNNPACK makes of a model: a `PolicyReport`, made by `explain`."""

    machine = "XNNPACK"
    bound = fractions.Fraction(2, 3)
    facts = (
        "To run sparse, more than two thirds of the weights must be zero, "
        "counted over all\n1x1 convolutions of a cluster; they must be float32 "
        "or float16; and the processor\nmust be an ARM: on x86 with AVX, "
        "XNNPACK's sparse kernels never run."
    )


def explain(model: Any) -> XNNPACKReport:
    """Returns what `PruneForLatencyOnXNNPack().explain` does."""
    if not hasattr(model, "fit"):
        problem = f"`model` must be a Keras model. Received: model={model!r}."
        raise TypeError(problem)
    if graph.has_graph(model):
        network = graph.flatten(model)
        cluster = _Cluster(network)
        rows = verdicts(network, PruneForLatencyOnXNNPack(), cluster.judge)
        return XNNPACKReport(model.name, rows, cluster.problems)
    problem = (
        "It is not built; give it an Input first."
        if is_a(model, "Sequential")
        else "It is a subclassed model; write it as a functional one."
    )
    return XNNPACKReport(model.name, (), [problem])


class _Cluster:
    """What lies between the starts and the ends, and what is wrong there."""

    def __init__(self, network: Graph):
        self.problems, self.starts, self.ends = [], set(), set()
        for node in network.inputs:
            way = walk([node], _CONSUMERS, rules.is_start)
            self.starts.update(way.stops)
            if way.dead_ends:
                self.problems.append(rules.without_start(node, way.passed))
        for node in network.outputs:
            way = walk([node], _PRODUCERS, rules.is_end)
            self.ends.update(way.stops)
            if way.dead_ends:
                self.problems.append(rules.without_end(node, way.passed))
        first = [n for start in self.starts for n in start.consumers]
        way = walk(first, _CONSUMERS, self.ends.__contains__)
        self.inside = {*way.passed, *way.stops}
        self.before = set(walk(self.starts, _PRODUCERS).passed)
        self.behind = set(walk(self.ends, _CONSUMERS).passed) - self.ends
        ahead = set(walk(self.ends, _PRODUCERS).passed)
        self.problems += [
            f"Layer {node} inside the cluster is not supported: "
            f"{rules.obstacle(node)}. Replace it or move it behind the end."
            for node in way.passed
            if node in ahead and rules.obstacle(node)
        ]

    def judge(self, node: Node) -> tuple[str, str]:
        """Returns the verdict on a node and the reason."""
        if node in self.starts:
            return "passes", "starts the cluster"
        if node in self.inside and node in self.ends:
            return "passes", "ends the cluster"
        if node in self.inside and not rules.obstacle(node):
            if not rules.is_conv(node.layer):
                return "passes", "allowed inside the cluster"
            if self.problems:
                return "dense", "1x1 convolution in a cluster that is not whole"
            return "sparse", "1x1 convolution inside the cluster"
        if node in self.behind:
            return "dense", "outside the cluster: behind its end"
        if node in self.before:
            return "dense", "outside the cluster: before its start"
        outside = "outside the cluster: no start layer before it"
        return "dense", (
            node not in self.ends and rules.obstacle(node)
        ) or outside
