"""LeNet-300-100: the fully connected network of the lottery-ticket paper.

It stands apart from the perceptron it is built from so that its sizes are
fixed: 266,200 kernel weights on MNIST, the number every table refers to.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from tflottery.models import mlp as perceptron


def lenet_300_100(
    keras: ModuleType,
    *,
    input_shape: Sequence[int],
    num_classes: int,
    seed: int = 0,
    initializer: str = "glorot_normal",
) -> Any:
    """Builds LeNet-300-100: two hidden ReLU layers of 300 and 100 units.

    Args:
        keras: The Keras module to build with, `keras` or `tf_keras`.
        input_shape: Shape of one example, `(28, 28, 1)` for MNIST; more than
            one axis is flattened.
        num_classes: Number of classes, 10 for MNIST.
        seed: Integer seed of the starting weights. Defaults to 0.
        initializer: Distribution of the kernels, `"glorot_normal"` as in the
            paper, or `"kaiming_normal"`. Defaults to `"glorot_normal"`.

    Returns:
        A functional model that returns logits, with layers `fc1`, `fc2` and
        `output`.

    Example:
        >>> import keras
        >>> from tflottery.models.lenet import lenet_300_100
        >>> model = lenet_300_100(
        ...     keras, input_shape=(28, 28, 1), num_classes=10
        ... )
        >>> sum(w.shape[0] * w.shape[1] for w in model.weights[::2])
        266200

    Reference:
        Frankle and Carbin, "The Lottery Ticket Hypothesis: Finding Sparse,
        Trainable Neural Networks", 2019, figure 2 and appendix G.
    """
    return perceptron.mlp(
        keras,
        input_shape=input_shape,
        num_classes=num_classes,
        hidden=(300, 100),
        seed=seed,
        initializer=initializer,
        name="lenet_300_100",
    )
