"""Policies: which layers are pruned, and which models are worth pruning.

Weights pruned without regard to the machine that runs the model make it
smaller, but seldom faster. A policy knows one machine: it leaves dense what
would run dense anyway, and refuses a model that would gain nothing.
"""

from __future__ import annotations

import abc
import dataclasses
import fractions
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from tflottery.core import text_table
from tflottery.layers import paths
from tflottery.layers.nodes import Graph, Node, is_a


class PruningPolicy(abc.ABC):
    """What a machine makes of pruned layers.

    Subclass it for a machine of your own. A policy of TF-MOT serves as well:
    what counts are the two methods.

    Example:
        >>> import keras
        >>> class OnlyDense(PruningPolicy):
        ...     def allow_pruning(self, layer):
        ...         return isinstance(layer, keras.layers.Dense)
        ...     def ensure_model_supports_pruning(self, model):
        ...         if len(model.layers) > 9:
        ...             raise ValueError("`model` must be small.")
        >>> layers = [keras.layers.Dense(1), keras.layers.LSTM(1)]
        >>> [OnlyDense().allow_pruning(layer) for layer in layers]
        [True, False]
    """

    @abc.abstractmethod
    def allow_pruning(self, layer: Any) -> bool:
        """Tells whether a layer may be pruned.

        Args:
            layer: a layer of either Keras family, built or not.

        Returns:
            `True` to prune it, `False` to leave it dense.
        """

    @abc.abstractmethod
    def ensure_model_supports_pruning(self, model: Any) -> None:
        """Refuses a model for which the policy makes no sense.

        Args:
            model: a model of either Keras family, before it is wrapped.

        Raises:
            ValueError: the model gains nothing; the message says why.
        """


@dataclasses.dataclass(frozen=True)
class LayerVerdict:
    """What becomes of one layer: a row of a `PolicyReport`.

    Args:
        name: its name, after those of the models it is nested in.
        class_name: its class.
        verdict: `"sparse"` (would be pruned, and can run sparse), `"passes"`
            (dense, and not in the way of the sparse ones) or `"dense"`.
        reason: why, in words.
        num_zeros: zero weights of a kernel that may be pruned, mask applied.
        num_weights: size of that kernel; 0 where there is none.
    """

    name: str
    class_name: str
    verdict: str
    reason: str
    num_zeros: int = 0
    num_weights: int = 0


@dataclasses.dataclass(frozen=True)
class PolicyReport(abc.ABC):
    """What a policy makes of a model; `str(report)` is a table.

    Args:
        model: the model's name.
        rows: one `LayerVerdict` for each layer, in order.
        problems: why the model is refused, as sentences; empty if it is not.
    """

    model: str
    rows: tuple[LayerVerdict, ...]
    problems: list[str]

    #: The machine, as it is called in sentences.
    machine: ClassVar[str]
    #: A layer has enough zeros if their share is greater than this.
    bound: ClassVar[fractions.Fraction]
    #: What must hold besides, to be read before hoping.
    facts: ClassVar[str]

    @property
    def supported(self) -> bool:
        """Whether the policy accepts the model."""
        return not self.problems

    def __str__(self):
        able = [row for row in self.rows if row.verdict == "sparse"]
        headline = f"layers that {self.machine} could run sparse: {len(able)}"
        if self.problems:
            headline = f"{self.machine} runs it dense, pruned or not"
        table = [("layer", "class", "verdict", "zeros", "reason")]
        table += [
            (
                row.name,
                row.class_name,
                row.verdict,
                self._zeros(row),
                row.reason,
            )
            for row in self.rows
        ]
        parts = [f"`{self.model}`: {headline}."]
        parts.append(text_table.set_table(table, num_left=5))
        if self.problems:
            parts.append("\n".join(f"- {text}" for text in self.problems))
        if able:
            parts.append(f"Zeros of all sparse layers: {self._zeros(*able)}.")
        return "\n\n".join([*parts, self.facts])

    def _zeros(self, *rows: LayerVerdict) -> str:
        num_weights = sum(row.num_weights for row in rows)
        if not num_weights:
            return ""
        share = fractions.Fraction(
            sum(row.num_zeros for row in rows), num_weights
        )
        enough = "enough" if share > self.bound else "too few"
        return f"{100 * float(share):.1f}% {enough}"


_WORST_FIRST = ("dense", "passes", "sparse")


def verdicts(
    network: Graph,
    policy: Any,
    judge: Callable[[Node], tuple[str, str]],
) -> tuple[LayerVerdict, ...]:
    """Returns a row for each layer of a model but its inputs.

    Args:
        network: the graph of the model.
        policy: says which layers would be pruned; their zeros are counted.
        judge: function of a node, returns its verdict and the reason.

    Returns:
        The rows in order; of a layer used several times, the worst verdict.
    """
    rows: dict[int, LayerVerdict] = {}
    for node in network.nodes:
        if is_a(node.layer, "InputLayer"):
            continue
        zeros = (0, 0)
        if policy.allow_pruning(node.layer):
            zeros = _count_zeros(node)
        row = LayerVerdict(node.name, node.class_name, *judge(node), *zeros)
        known = rows.get(id(node.layer), row)
        rows[id(node.layer)] = min(
            known, row, key=lambda row: _WORST_FIRST.index(row.verdict)
        )
    return tuple(rows.values())


def _count_zeros(node: Node) -> tuple[int, int]:
    """Counts the zeros of a layer's kernel and its weights, under its mask."""
    kernel = node.layer.kernel
    value = kernel.numpy()
    wrapper = node.wrapper
    if paths.is_mask_wrapper(wrapper):
        masks = list(wrapper.masked_weights.values())
    else:
        masks = [found[:2] for found in getattr(wrapper, "pruning_vars", ())]
    for weight, mask in masks:
        if weight is kernel:
            value = np.where(mask.numpy() != 0, value, 0)
    return value.size - np.count_nonzero(value), value.size


_METHODS = ("allow_pruning", "ensure_model_supports_pruning")


def check(policy: Any) -> Any:
    """Returns the policy if it is one, ours, TF-MOT's or any with both methods.

    Args:
        policy: `None` for no policy, or an instance with the methods
            `allow_pruning(layer)` and `ensure_model_supports_pruning(model)`.

    Returns:
        The same object.

    Raises:
        TypeError: a method is missing, or a class was given.

    Example:
        >>> check("xnnpack")
        Traceback (most recent call last):
        ...
        TypeError: `pruning_policy` must be a policy: an object with the\
 methods `allow_pruning` and `ensure_model_supports_pruning`. Received:\
 pruning_policy='xnnpack', without `allow_pruning` and\
 `ensure_model_supports_pruning`. Use PruneForLatencyOnXNNPack() or None.
    """
    if policy is None:
        return None
    if isinstance(policy, type):
        wrong = f"the class {policy.__name__}, not an instance"
        way_out = f"Use {policy.__name__}()."
    else:
        missing = [
            f"`{name}`"
            for name in _METHODS
            if not callable(getattr(policy, name, None))
        ]
        if not missing:
            return policy
        wrong = f"pruning_policy={policy!r}, without {' and '.join(missing)}"
        way_out = "Use PruneForLatencyOnXNNPack() or None."
    raise TypeError(
        "`pruning_policy` must be a policy: an object with the methods "
        f"{' and '.join(f'`{name}`' for name in _METHODS)}. "
        f"Received: {wrong}. {way_out}"
    )
