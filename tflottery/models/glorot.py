"""Gaussian Glorot starting weights, drawn with NumPy from one seed.

Why not leave it to the initializers: the lottery-ticket papers start from a
plain Gaussian, while the stock `glorot_normal` cuts the tails off, and the two
Keras families draw different numbers from the same seed. Values drawn here are
the same bits in every family and on every device. The layers still carry the
stock initializer in their config, so a saved model loads anywhere and needs
nothing from this package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tflottery.core import seeds


def glorot_stddev(shape: Sequence[int]) -> float:
    """Returns the standard deviation `sqrt(2 / (fan_in + fan_out))`.

    Args:
        shape: Shape of a kernel whose last two axes are inputs and outputs;
            axes before them, such as the window of a convolution, multiply
            both fans.

    Returns:
        The standard deviation, a float.

    Raises:
        ValueError: If `shape` has fewer than two axes.

    Example:
        >>> from tflottery.models import glorot
        >>> glorot.glorot_stddev((3, 5))
        0.5

    Reference:
        Glorot and Bengio, "Understanding the difficulty of training deep
        feedforward neural networks", 2010, section 4.2.1.
    """
    if len(shape) < 2:
        raise ValueError(
            "`shape` must have at least two axes, inputs and outputs. "
            f"Received: shape={tuple(shape)}. Vectors such as biases start at "
            "zero instead."
        )
    window = math.prod(shape[:-2])
    return math.sqrt(2.0 / (window * (shape[-2] + shape[-1])))


def initial_values(shape: Sequence[int], seed: int, name: str) -> np.ndarray:
    """Draws one kernel from the Gaussian Glorot distribution.

    Args:
        shape: Shape of the kernel.
        seed: Integer seed of the model.
        name: Name of the layer; each name has a stream of its own, so adding
            a layer leaves the values of the others alone.

    Returns:
        A float32 array of shape `shape`.

    Example:
        >>> from tflottery.models import glorot
        >>> first = glorot.initial_values((784, 300), seed=0, name="fc1")
        >>> second = glorot.initial_values((784, 300), seed=0, name="fc1")
        >>> bool((first == second).all()), first.dtype.name
        (True, 'float32')
    """
    generator = seeds.rng(seed, "initial kernel", name)
    values = generator.standard_normal(shape, dtype=np.float32)
    return values * np.float32(glorot_stddev(shape))


def initialize(model: Any, seed: int) -> Any:
    """Gives every Dense and Conv kernel its seeded start; zeroes the biases.

    Works on Keras 3 and tf_keras models alike, and may be called again with
    another seed to reinitialise a model in place.

    Args:
        model: A built model whose layers keep their weights in attributes
            `kernel` and `bias`, as those of this package's zoo do.
        seed: Integer seed.

    Returns:
        The same `model`.

    Example:
        >>> import keras
        >>> from tflottery import models
        >>> from tflottery.models import glorot
        >>> model = models.build(
        ...     "mlp", keras, input_shape=(4,), num_classes=2, seed=0
        ... )
        >>> before = model.get_layer("fc1").kernel.numpy()
        >>> model = glorot.initialize(model, seed=1)
        >>> bool((before == model.get_layer("fc1").kernel.numpy()).any())
        False
    """
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        kernel.assign(initial_values(tuple(kernel.shape), seed, layer.name))
        if getattr(layer, "bias", None) is not None:
            layer.bias.assign(np.zeros(tuple(layer.bias.shape), np.float32))
    return model
