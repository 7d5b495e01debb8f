"""What is measured on inputs: the target's activations, the ticket's error."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tflottery.supermasks import building
from tflottery.supermasks.certificate import Control
from tflottery.supermasks.storage import Storage
from tflottery.supermasks.target import Target

_BATCH = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """What the target does on the inputs.

    Attributes:
        largest: For each layer with weights, the largest |entry| of its input.
        shapes: For each, the shape of its input without the batch.
        signs: For each, 1 where its input is never negative, else 2.
        outputs: The target's outputs.
    """

    largest: list[float]
    shapes: list[tuple[int, ...]]
    signs: list[int]
    outputs: np.ndarray


def check_inputs(inputs: Any, target: Target) -> np.ndarray:
    """Returns the inputs as a float32 array that fits the target.

    Args:
        inputs: What the user gave.
        target: The target.

    Raises:
        ValueError: They do not fit, are none, or not finite.
    """
    shape = target.input_shape
    try:
        array = np.asarray(inputs)
    except ValueError:  # Of lists of several lengths.
        array = np.asarray(None)
    fits = array.ndim == len(shape) + 1 and all(
        want in (None, got)
        for want, got in zip(shape, array.shape[1:], strict=True)
    )
    if not fits or len(array) == 0 or array.dtype.kind not in "fiub":
        raise ValueError(
            "`inputs` must be an array of at least one input of the target, of "
            f"shape (examples, {', '.join(str(n) for n in shape)}). Received: "
            f"shape {array.shape}, dtype {array.dtype}. Pass some of the data "
            "that the target was trained on, without the labels."
        )
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(
            "`inputs` must be finite. Received: an array with NaN or infinity. "
            "No bound holds for such inputs; leave them out."
        )
    return array


def activations(target: Target, inputs: np.ndarray) -> Seen:
    """Runs the target, and looks at what enters its layers with weights.

    Args:
        target: The target.
        inputs: Float32 array of examples.

    Raises:
        ValueError: The target gives NaN or infinity.
    """
    largest = np.zeros(len(target.weighted))
    outputs, shapes = [], {}
    for start in range(0, len(inputs), _BATCH):
        values, place = inputs[start : start + _BATCH], 0
        for step in target.steps:
            if step.weighted:
                peak = np.abs(np.asarray(values)).max()
                shapes[place] = tuple(values.shape[1:])
                largest[place] = np.maximum(largest[place], peak)
                place += 1
            values = step.run(values)
        outputs.append(np.asarray(values))
    outputs = np.concatenate(outputs)
    if not (np.isfinite(outputs).all() and np.isfinite(largest).all()):
        raise ValueError(
            "`target` must have finite activations on `inputs`. Received: "
            f"model `{target.model.name}`, which gives NaN or infinity. Look "
            "at its weights, and at the scale of the inputs."
        )
    never = bool((inputs >= 0).all())
    signs = []
    for step in target.steps:
        if step.weighted:
            signs.append(1 if never else 2)
        if step.is_never_negative is not None:
            never = step.is_never_negative
    return Seen(largest.tolist(), list(shapes.values()), signs, outputs)


def distance(outputs: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """Returns the largest and the mean |difference|, as floats."""
    difference = np.abs(outputs.astype(np.float64) - others)
    return float(difference.max()), float(difference.mean())


def compare(
    name: str,
    target: Target,
    inputs: np.ndarray,
    seen: Seen,
    figures: dict[str, Any],
    pairs: Sequence[Storage] | None,
    bounds: Sequence[float],
    batch_size: int,
) -> Control:
    """Builds and measures the network of a control.

    Args:
        name: Name of the control.
        target: The target.
        inputs: The inputs.
        seen: What the target does on them.
        figures: What `certifying.figures` says of the control.
        pairs: How its layers are held; None where they do not fit into
            memory, and its outputs stay unknown.
        bounds: The weight error that the construction keeps in each layer.
        batch_size: How many examples at once.
    """
    sup_error = None
    if pairs is not None:
        model = building.build(target, pairs)
        outputs = building.run([model], inputs, batch_size)
        sup_error, _ = distance(outputs, seen.outputs)
    errors = [layer.largest_weight_error for layer in figures["layers"]]
    return Control(
        name=name,
        missing=sum(layer.missing for layer in figures["layers"]),
        largest_weight_error=max(errors),
        weight_error_exceeded=any(
            error > bound for error, bound in zip(errors, bounds, strict=True)
        ),
        sup_error=sup_error,
        found_error_bound=figures["found_error_bound"],
    )
