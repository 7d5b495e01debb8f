"""The ticket as a Keras model, of the family of its target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tflottery.supermasks.storage import Storage
from tflottery.supermasks.target import Target


def build(target: Target, pairs: Sequence[Storage]) -> Any:
    """Builds the model: each layer with weights becomes two.

    Args:
        target: The target.
        pairs: How each of its layers with weights is held now, in order.

    Returns:
        A Sequential model, built, all its weights frozen: what was kept as it
        was drawn, everything else zero.
    """
    layers, remaining = [], iter(pairs)
    for step in target.steps:
        if step.weighted:
            layers.extend(next(remaining).make(target.keras))
        else:
            layers.append(_copy(step))
    model = target.keras.Sequential(
        [target.keras.Input(target.input_shape), *layers],
        name=f"{target.model.name}_ticket",
    )
    for pair, made in zip(pairs, layer_pairs(target, model), strict=True):
        for layer, values in zip(made, pair.values(), strict=True):
            layer.set_weights(values)
    model.trainable = False
    return model


def layer_pairs(target: Target, model: Any) -> list[tuple[Any, Any]]:
    """Returns the two layers of a built model for each layer with weights.

    Args:
        target: The target that the model was built for.
        model: What `build` returned.
    """
    found = [layer for layer in model.layers if not _is_input(layer)]
    pairs, place = [], 0
    for step in target.steps:
        if step.weighted:
            pairs.append((found[place], found[place + 1]))
        place += 2 if step.weighted else 1
    return pairs


def run(
    layers: Sequence[Any], inputs: np.ndarray, batch_size: int
) -> np.ndarray:
    """Puts inputs through layers, in batches.

    Args:
        layers: Layers or a model of one family, one after the other.
        inputs: Array of examples.
        batch_size: How many at once.

    Returns:
        Float32 array of the outputs.
    """
    outputs = []
    for start in range(0, len(inputs), batch_size):
        values = inputs[start : start + batch_size]
        for layer in layers:
            values = layer(values)
        outputs.append(np.asarray(values))
    return np.concatenate(outputs)


def _copy(step):
    config = {**step.layer.get_config(), "name": step.name}
    return type(step.layer).from_config(config)


def _is_input(layer):
    return type(layer).__name__ == "InputLayer"
