"""The multilayer perceptron: dense ReLU layers of any number and width.

It is the smallest network that shows a lottery ticket and fits any input, so
examples and tests use it; LeNet-300-100 is one of its settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from tflottery.models import chain


def mlp(
    keras: ModuleType,
    *,
    input_shape: Sequence[int],
    num_classes: int,
    hidden: Sequence[int] = (300, 100),
    seed: int = 0,
    initializer: str = "glorot_normal",
    batch_norm: bool = False,
    name: str = "mlp",
) -> Any:
    """Builds dense ReLU layers `fc1`, `fc2`, ... and an `output` of logits.

    Args:
        keras: The Keras module to build with, `keras` or `tf_keras`.
        input_shape: Shape of one example; more than one axis is flattened.
        num_classes: Number of classes, at least 1.
        hidden: Units of each hidden layer. Defaults to `(300, 100)`; `()`
            gives a linear classifier.
        seed: Integer seed of the starting weights. Defaults to 0.
        initializer: Distribution of the kernels, `"glorot_normal"` or
            `"kaiming_normal"`. Defaults to `"glorot_normal"`.
        batch_norm: Whether each hidden layer is normalised over the batch
            before its ReLU, by a layer `bn1`, `bn2`, .... Defaults to
            `False`.
        name: Name of the model. Defaults to `"mlp"`.

    Returns:
        A functional model, `(batch, *input_shape) -> (batch, num_classes)`,
        without a softmax: use a loss with `from_logits=True`.

    Raises:
        TypeError: If `keras` is not a Keras module or `hidden` not a sequence.
        ValueError: If a size is not positive.

    Example:
        >>> import keras
        >>> from tflottery.models.mlp import mlp
        >>> model = mlp(keras, input_shape=(40,), num_classes=10, hidden=(8,))
        >>> [layer.name for layer in model.layers]
        ['input', 'fc1', 'output']
        >>> model.count_params()  # 40 * 8 + 8 + 8 * 10 + 10
        418
    """
    chain.check_keras(keras)
    shape = chain.check_input_shape(
        input_shape,
        ranks=range(1, 10),
        way_out="Use, for example, (784,) or (28, 28, 1).",
    )
    if not isinstance(hidden, (tuple, list)):
        raise TypeError(
            "`hidden` must be a tuple of layer widths. "
            f"Received: hidden={hidden!r}. Use (300, 100) for two layers, "
            "(300,) for one."
        )
    layers = [keras.layers.Flatten(name="flatten")] if len(shape) > 1 else []
    layers += chain.head(
        keras, hidden, num_classes, initializer, bool(batch_norm)
    )
    return chain.connect(
        keras,
        layers,
        input_shape=shape,
        name=name,
        seed=seed,
        initializer=initializer,
    )
