"""The target: a chain of layers that a strong ticket is to imitate.

Read here from a model of either Keras family, and refused by name where the
proof does not hold: what is no chain, what has weights of another kind, what
may move two points further apart than they were.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tflottery.layers import family, graph
from tflottery.layers.nodes import is_a
from tflottery.supermasks import activations
from tflottery.supermasks.weighted_layer import (
    Strides,
    WeightedLayer,
    tap_inside,
)

# Layers without weights that enlarge no sup-norm distance, make no entry
# larger, and turn nothing negative that was not.
_PASSING = (
    "ActivityRegularization",
    "AveragePooling2D",
    "Cropping2D",
    "Dropout",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "Identity",
    "MaxPooling2D",
    "Permute",
    "Reshape",
    "SpatialDropout2D",
    "ZeroPadding2D",
)
_WEIGHTED = ("Dense", "Conv2D")
_KNOWN = (*_WEIGHTED, *activations.LAYERS, *_PASSING)
_WAYS_OUT = {
    "BatchNormalization": "Fold it into the layer before it first.",
    "Rescaling": "Scale the inputs before the model instead.",
    "Normalization": "Normalise the inputs before the model instead.",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One layer of the chain.

    Attributes:
        name: Its name, of which the ticket's layers have theirs: no two are
            alike, though a layer may stand in the chain twice.
        run: The layer as it stands in the model, mask wrapper included.
        layer: The layer itself.
        weighted: Its weights, or None where it has none.
        is_never_negative: Whether its output has no negative entry; None
            where that is as it was in its input.
    """

    name: str
    run: Any
    layer: Any
    weighted: WeightedLayer | None
    is_never_negative: bool | None


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """The chain of a model.

    Attributes:
        model: The model that was read.
        keras: The module of its family.
        input_shape: Shape of one input.
        steps: The layers, in order.
    """

    model: Any
    keras: Any
    input_shape: tuple[int | None, ...]
    steps: tuple[Step, ...]

    @property
    def weighted(self) -> list[WeightedLayer]:
        """The layers that have weights, in order."""
        return [step.weighted for step in self.steps if step.weighted]


def read(model: Any) -> Target:
    """Reads the chain of a model.

    Args:
        model: A built Sequential or functional Keras model of either family,
            wrapped by masks or not.

    Returns:
        Its layers, their weights as float64.

    Raises:
        TypeError: It is no Keras model.
        ValueError: It is no chain, or a layer is not covered by the proof.

    Example:
        >>> import keras
        >>> fc = keras.layers.Dense(2, activation="relu", name="fc")
        >>> chain = read(keras.Sequential([keras.Input((3,)), fc]))
        >>> [layer.kernel.shape for layer in chain.weighted]
        [(3, 2)]
    """
    of = family.of(model, "target")
    if not graph.has_graph(model):
        raise ValueError(
            "`target` must be a functional or a built Sequential model. "
            f"Received: {type(model).__name__} "
            f"`{getattr(model, 'name', model)}`. Build a Sequential model "
            "with an Input first; write a subclassed one as a functional model."
        )
    nodes = _chain(graph.flatten(model))
    nodes = [node for node in nodes if not is_a(node.layer, "InputLayer")]
    names = _unique([node.name.replace("/", "_") for node in nodes])
    steps = tuple(map(_step, nodes, names))
    if not any(step.weighted for step in steps):
        raise ValueError(
            "`target` must have a Dense or Conv2D layer. Received: model "
            f"`{model.name}` without one."
        )
    return Target(model, of.keras, tuple(model.input_shape[1:]), steps)


def _chain(flat):
    for node in flat.nodes:
        if len(node.producers) > 1 or len(node.consumers) > 1:
            raise ValueError(
                "`target` must be a chain of layers. Received: a model in "
                f"which `{node.name}` has {len(node.producers)} layers before "
                f"it and {len(node.consumers)} after it. Branches are not "
                "covered by the proof; use a Sequential model."
            )
    if len(flat.inputs) != 1 or len(flat.outputs) != 1:
        raise ValueError(
            "`target` must have one input and one output. Received: "
            f"{len(flat.inputs)} inputs and {len(flat.outputs)} outputs."
        )
    return flat.nodes


def _unique(names):
    """Numbers what was there before, as `a`, `a_2`, `a_3`."""
    taken = set()
    for name in names:
        found, count = name, 1
        while not taken.isdisjoint(_in_ticket(found)):
            count += 1
            found = f"{name}_{count}"
        taken.update(_in_ticket(found))
        yield found


def _in_ticket(name):
    """Names that layers of the ticket may have, which are made of it."""
    return name, f"{name}_expansion", f"{name}_contraction"


def _step(node, name) -> Step:
    layer, run = node.layer, node.wrapper or node.layer
    kind = type(layer).__name__
    of_keras = type(layer).__module__.split(".")[0] in ("keras", "tf_keras")
    if not of_keras or kind not in _KNOWN:
        raise _refused(
            node,
            f"a {kind}",
            _WAYS_OUT.get(
                kind,
                "The construction knows Dense, Conv2D, activations, "
                f"{', '.join(_PASSING)}.",
            ),
        )
    _check_dtype(layer, node.name)
    if node.training:
        raise _refused(node, "called with training=True", "Call it without.")
    if kind in _WEIGHTED:
        weighted = _weighted(node, name)
        never = activations.is_never_negative(weighted.activation)
        return Step(name, run, layer, weighted, never)
    if kind in activations.LAYERS:
        # Those that may be negative keep the sign of what they are given.
        never = activations.of_layer(layer, node.name)
        return Step(name, run, layer, None, never or None)
    _check_channels_last(node)
    return Step(name, run, layer, None, None)


def _refused(node, what, way_out):
    return ValueError(
        "`target` must be made of layers that the proof covers. Received: "
        f"layer `{node.name}`, {what}. {way_out}"
    )


def _check_dtype(layer, name):
    found = {getattr(layer, "compute_dtype", "float32")}
    found.update(getattr(w.dtype, "name", w.dtype) for w in layer.weights)
    if getattr(layer, "quantization_mode", None):
        found.add(str(layer.quantization_mode))
    if found - {"float32"}:
        raise ValueError(
            "`target` must compute in float32. Received: layer "
            f"`{name}` with {', '.join(sorted(found - {'float32'}))}. Build it "
            'with dtype="float32" and copy the weights.'
        )


def _check_channels_last(node):
    data_format = getattr(node.layer, "data_format", None)
    if data_format not in (None, "channels_last"):
        raise _refused(
            node,
            f"a {type(node.layer).__name__} with data_format={data_format!r}",
            'Use "channels_last".',
        )


def _weighted(node, name) -> WeightedLayer:
    layer = node.layer
    kernel = _read(node, "kernel")
    return WeightedLayer(
        name=name,
        kernel=kernel,
        bias=_read(node, "bias") if layer.use_bias else None,
        activation=activations.of_function(layer.activation, node.name),
        strides=_strides(node) if kernel.ndim == 4 else None,
        input_shape=tuple(node.inputs[0].shape[1:]),
    )


def _read(node, name) -> np.ndarray:
    """Returns a weight as it acts: float64, masked where there is a mask."""
    value = np.asarray(getattr(node.layer, name), dtype=np.float64)
    masked = getattr(node.wrapper, "masked_weights", {})
    if name in masked and hasattr(node.wrapper, "value_in_use"):
        value = np.asarray(node.wrapper.value_in_use(name), dtype=np.float64)
    elif name in masked:
        value = value * np.asarray(masked[name][1], dtype=np.float64)
    if not np.isfinite(value).all():
        raise ValueError(
            "`target` must have finite weights. Received: layer "
            f"`{node.name}` with NaN or infinity in its {name}. Train it "
            "again, with a smaller learning rate."
        )
    return value


def _strides(node) -> Strides:
    layer = node.layer
    _check_channels_last(node)
    if layer.groups != 1 or tuple(layer.dilation_rate) != (1, 1):
        raise _refused(
            node,
            f"a Conv2D with groups={layer.groups} and "
            f"dilation_rate={tuple(layer.dilation_rate)}",
            "Use groups=1 and dilation_rate=1.",
        )
    shape, padding = node.inputs[0].shape[1:3], layer.padding.lower()
    tap = tuple(
        tap_inside(size, kernel, stride, padding)
        for size, kernel, stride in zip(
            shape, layer.kernel_size, layer.strides, strict=True
        )
    )
    if None in tap:
        raise _refused(
            node,
            'a Conv2D with strides above 1 and padding="same" whose input '
            f"has the open shape {tuple(shape)}",
            "Give the model a fixed input shape.",
        )
    return Strides(tuple(layer.strides), padding, tap)
