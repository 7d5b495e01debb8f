"""Starting weights drawn with NumPy from one seed: Glorot, Kaiming, constants.

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

from tflottery.core import checks, seeds

INITIALIZERS = ("glorot_normal", "kaiming_normal")
GAMMAS = ("ones", "uniform")
_STOCK = {"glorot_normal": "glorot_normal", "kaiming_normal": "he_normal"}


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
    fan_in, fan_out = _fans(shape)
    return math.sqrt(2.0 / (fan_in + fan_out))


def kaiming_stddev(shape: Sequence[int]) -> float:
    """Returns the standard deviation `sqrt(2 / fan_in)`.

    Args:
        shape: Shape of a kernel, as in `glorot_stddev`.

    Returns:
        The standard deviation, a float.

    Raises:
        ValueError: If `shape` has fewer than two axes.

    Example:
        >>> from tflottery.models import glorot
        >>> glorot.kaiming_stddev((3, 3, 8, 64)) ** 2 * 72
        2.0

    Reference:
        He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", 2015, section
        2.2. It is what open_lth calls `kaiming_normal`.
    """
    return math.sqrt(2.0 / _fans(shape)[0])


def initial_values(
    shape: Sequence[int],
    seed: int,
    name: str,
    initializer: str = "glorot_normal",
) -> np.ndarray:
    """Draws one kernel from a Gaussian.

    Args:
        shape: Shape of the kernel.
        seed: Integer seed of the model.
        name: Name of the layer; each name has a stream of its own, so adding
            a layer leaves the values of the others alone.
        initializer: `"glorot_normal"` or `"kaiming_normal"`, which scale the
            same draws differently. Defaults to `"glorot_normal"`.

    Returns:
        A float32 array of shape `shape`.

    Raises:
        ValueError: If `initializer` is unknown.

    Example:
        >>> from tflottery.models import glorot
        >>> first = glorot.initial_values((784, 300), seed=0, name="fc1")
        >>> second = glorot.initial_values((784, 300), seed=0, name="fc1")
        >>> bool((first == second).all()), first.dtype.name
        (True, 'float32')
    """
    checks.check_choice("initializer", initializer, INITIALIZERS)
    is_glorot = initializer == "glorot_normal"
    stddev = (glorot_stddev if is_glorot else kaiming_stddev)(shape)
    generator = seeds.rng(seed, "initial kernel", name)
    values = generator.standard_normal(shape, dtype=np.float32)
    return values * np.float32(stddev)


def stock_name(initializer: str) -> str:
    """Returns what Keras calls an initializer; layers carry it in their config.

    Args:
        initializer: One of `INITIALIZERS`.

    Returns:
        The name of the truncated sibling in Keras.

    Raises:
        ValueError: If `initializer` is unknown.

    Example:
        >>> from tflottery.models import glorot
        >>> glorot.stock_name("kaiming_normal")
        'he_normal'
    """
    return _STOCK[checks.check_choice("initializer", initializer, INITIALIZERS)]


def initialize(
    model: Any,
    seed: int,
    initializer: str = "glorot_normal",
    gamma: str = "ones",
) -> Any:
    """Gives every Dense and Conv kernel its seeded start; zeroes the biases.

    BatchNorm starts at offset 0 and statistics of mean 0 and variance 1. Works
    on Keras 3 and tf_keras models alike, and may be called again with another
    seed to reinitialise a model in place.

    Args:
        model: A built model whose layers keep their weights in attributes
            `kernel` and `bias`, or `gamma`, `beta` and `moving_...`, as those
            of this package's zoo do.
        seed: Integer seed.
        initializer: Distribution of the kernels, `"glorot_normal"` or
            `"kaiming_normal"`. Defaults to `"glorot_normal"`.
        gamma: Scales of BatchNorm: `"ones"`, or `"uniform"` in [0, 1), as in
            open_lth. Defaults to `"ones"`.

    Returns:
        The same `model`.

    Raises:
        ValueError: If `initializer` or `gamma` is unknown.

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
    checks.check_choice("gamma", gamma, GAMMAS)
    constants = {"bias": 0, "beta": 0, "moving_mean": 0, "moving_variance": 1}
    for layer in model.layers:
        drawn = {}
        if getattr(layer, "kernel", None) is not None:
            shape = tuple(layer.kernel.shape)
            drawn["kernel"] = initial_values(
                shape, seed, layer.name, initializer
            )
        if getattr(layer, "gamma", None) is not None:
            drawn["gamma"] = _scales(layer, seed, gamma)
        if not drawn:
            continue
        for name, values in drawn.items():
            getattr(layer, name).assign(values)
        for name, value in constants.items():
            variable = getattr(layer, name, None)
            if variable is not None:
                shape = tuple(variable.shape)
                variable.assign(np.full(shape, value, np.float32))
    return model


def _scales(layer, seed, gamma):
    shape = tuple(layer.gamma.shape)
    if gamma == "ones":
        return np.ones(shape, np.float32)
    generator = seeds.rng(seed, "initial gamma", layer.name)
    return generator.random(shape, dtype=np.float32)


def _fans(shape):
    if len(shape) < 2:
        raise ValueError(
            "`shape` must have at least two axes, inputs and outputs. "
            f"Received: shape={tuple(shape)}. Vectors such as biases start at "
            "zero instead."
        )
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]
