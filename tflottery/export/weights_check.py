"""A check that the weights of a network are numbers, before it is written.

A single NaN makes every output NaN, in a file that converts and loads without
a word. It is cheaper to find it here, by name, than on a device.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tflottery.layers import family, paths

_SHOWN = 5


def check_finite(model: Any) -> None:
    """Refuses a model whose weights hold NaN or infinite values.

    Args:
        model: a built model of either Keras family, wrapped or not. Statistics
            of BatchNorm are looked at too.

    Raises:
        TypeError: not a Keras model or layer.
        ValueError: a value is NaN or infinite; the message names the first
            tensors by their structural path and counts the values.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> check_finite(model)
        >>> bias = np.array([0, np.nan, np.inf])
        >>> model.layers[0].set_weights([np.ones((2, 3)), bias])
        >>> check_finite(model)
        Traceback (most recent call last):
            ...
        ValueError: `model` must have finite weights. Received: `dense/bias`
        with 1 NaN and 1 infinite of 3 values. Training has diverged: ...
    """
    family.of(model)
    found = []
    for path, variable in paths.variables(model).items():
        nans, infinities, size = _count(variable)
        if nans or infinities:
            found.append(
                f"`{path}` with {nans:,} NaN and {infinities:,} infinite of "
                f"{size:,} values"
            )
    if found:
        more = len(found) - _SHOWN
        raise ValueError(
            "`model` must have finite weights. Received: "
            + "; ".join(found[:_SHOWN])
            + (f"; and {more} more tensors" if more > 0 else "")
            + ". Training has diverged: go back to an earlier checkpoint, or "
            "train again with a smaller learning rate or `clipnorm`."
        )


def _count(variable: Any) -> tuple[int, int, int]:
    value = np.asarray(variable.numpy())
    if value.dtype.kind not in "fc":
        if "float" not in value.dtype.name:
            return 0, 0, value.size  # seeds, vocabularies, counters
        value = value.astype("float32")  # bfloat16 and its kin
    if np.isfinite(value).all():
        return 0, 0, value.size
    return int(np.isnan(value).sum()), int(np.isinf(value).sum()), value.size
