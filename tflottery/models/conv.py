"""Conv-2, Conv-4 and Conv-6: the small convolutional nets of the paper.

They are VGG cut down to CIFAR-10: pairs of 3x3 convolutions, a 2x2 maximum
pool after each pair, then two dense layers. Kept in one file because they
differ in one number only, how many pairs there are.

The paper trains them with dropout too, at rate 0.5, but does not print where
the dropout stands (section 3 and appendix H give the rate only). Here it
follows each of the two hidden dense layers, where VGG has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from tflottery.models import chain, glorot

_FILTERS = (64, 128, 256)
_HIDDEN = (256, 256)


def conv2(
    keras: ModuleType,
    *,
    input_shape: Sequence[int],
    num_classes: int,
    seed: int = 0,
    dropout: float = 0.0,
    initializer: str = "glorot_normal",
) -> Any:
    """Builds Conv-2: 64, 64, pool, then dense 256, 256 and the output.

    Args:
        keras: The Keras module to build with, `keras` or `tf_keras`.
        input_shape: `(height, width, channels)` of one image, `(32, 32, 3)`
            for CIFAR-10.
        num_classes: Number of classes, 10 for CIFAR-10.
        seed: Integer seed of the starting weights. Defaults to 0.
        dropout: Share of the values dropped after `fc1` and `fc2`, in [0, 1);
            the paper's variants use 0.5. Defaults to 0, no dropout layers.
        initializer: Distribution of the kernels, `"glorot_normal"` as in the
            paper, or `"kaiming_normal"`. Defaults to `"glorot_normal"`.

    Returns:
        A functional model that returns logits, with layers `conv1`, `conv2`,
        `fc1`, `fc2` and `output`; 4,300,992 kernel weights on CIFAR-10.

    Raises:
        ValueError: If `input_shape` is not an image of at least 2x2.

    Example:
        >>> import keras
        >>> from tflottery.models.conv import conv2
        >>> model = conv2(keras, input_shape=(8, 8, 1), num_classes=10)
        >>> model.get_layer("fc1").kernel.shape[0]  # 4 * 4 * 64
        1024

    Reference:
        Frankle and Carbin, "The Lottery Ticket Hypothesis: Finding Sparse,
        Trainable Neural Networks", 2019, figure 2 and appendix H.
    """
    return _pairs(
        keras, 1, input_shape, num_classes, seed, dropout, initializer
    )


def conv4(
    keras: ModuleType,
    *,
    input_shape: Sequence[int],
    num_classes: int,
    seed: int = 0,
    dropout: float = 0.0,
    initializer: str = "glorot_normal",
) -> Any:
    """Builds Conv-4: Conv-2 with a second pair of 128 filters.

    Args:
        keras: The Keras module to build with, `keras` or `tf_keras`.
        input_shape: `(height, width, channels)` of one image, `(32, 32, 3)`
            for CIFAR-10.
        num_classes: Number of classes, 10 for CIFAR-10.
        seed: Integer seed of the starting weights. Defaults to 0.
        dropout: Share of the values dropped after `fc1` and `fc2`, in [0, 1);
            the paper's variants use 0.5. Defaults to 0, no dropout layers.
        initializer: Distribution of the kernels, `"glorot_normal"` as in the
            paper, or `"kaiming_normal"`. Defaults to `"glorot_normal"`.

    Returns:
        A functional model that returns logits, with layers `conv1` to
        `conv4`, `fc1`, `fc2` and `output`; 2,425,024 kernel weights on
        CIFAR-10.

    Raises:
        ValueError: If `input_shape` is not an image of at least 4x4.

    Example:
        >>> import keras
        >>> from tflottery.models.conv import conv4
        >>> model = conv4(keras, input_shape=(8, 8, 1), num_classes=10)
        >>> model.get_layer("fc1").kernel.shape[0]  # 2 * 2 * 128
        512

    Reference:
        Frankle and Carbin, "The Lottery Ticket Hypothesis: Finding Sparse,
        Trainable Neural Networks", 2019, figure 2 and appendix H.
    """
    return _pairs(
        keras, 2, input_shape, num_classes, seed, dropout, initializer
    )


def conv6(
    keras: ModuleType,
    *,
    input_shape: Sequence[int],
    num_classes: int,
    seed: int = 0,
    dropout: float = 0.0,
    initializer: str = "glorot_normal",
) -> Any:
    """Builds Conv-6: Conv-4 with a third pair of 256 filters.

    The paper prints 1.7M weights for it; the layers it lists have 2,261,184
    kernel weights on CIFAR-10, and the layers are what is built here.

    Args:
        keras: The Keras module to build with, `keras` or `tf_keras`.
        input_shape: `(height, width, channels)` of one image, `(32, 32, 3)`
            for CIFAR-10.
        num_classes: Number of classes, 10 for CIFAR-10.
        seed: Integer seed of the starting weights. Defaults to 0.
        dropout: Share of the values dropped after `fc1` and `fc2`, in [0, 1);
            the paper's variants use 0.5. Defaults to 0, no dropout layers.
        initializer: Distribution of the kernels, `"glorot_normal"` as in the
            paper, or `"kaiming_normal"`. Defaults to `"glorot_normal"`.

    Returns:
        A functional model that returns logits, with layers `conv1` to
        `conv6`, `fc1`, `fc2` and `output`.

    Raises:
        ValueError: If `input_shape` is not an image of at least 8x8.

    Example:
        >>> import keras
        >>> from tflottery.models.conv import conv6
        >>> model = conv6(keras, input_shape=(8, 8, 1), num_classes=10)
        >>> model.get_layer("fc1").kernel.shape[0]  # 1 * 1 * 256
        256

    Reference:
        Frankle and Carbin, "The Lottery Ticket Hypothesis: Finding Sparse,
        Trainable Neural Networks", 2019, figure 2 and appendix H.
    """
    return _pairs(
        keras, 3, input_shape, num_classes, seed, dropout, initializer
    )


def _pairs(
    keras, num_pairs, input_shape, num_classes, seed, dropout, initializer
):
    chain.check_keras(keras)
    name = f"conv{2 * num_pairs}"
    smallest = 2**num_pairs
    way_out = (
        f"{name} reads images, (height, width, channels), of at least "
        f"{smallest}x{smallest}, such as (32, 32, 3); for flat features use "
        "the model 'mlp'."
    )
    shape = chain.check_input_shape(input_shape, ranks=(3,), way_out=way_out)
    if min(shape[:2]) < smallest:
        raise ValueError(
            f"`input_shape` must outlast {num_pairs} 2x2 pools. "
            f"Received: input_shape={shape}. {way_out}"
        )
    layers = []
    for pair, filters in enumerate(_FILTERS[:num_pairs]):
        for number in (2 * pair + 1, 2 * pair + 2):
            layers.append(
                keras.layers.Conv2D(
                    filters,
                    3,
                    padding="same",
                    data_format="channels_last",
                    activation="relu",
                    kernel_initializer=glorot.stock_name(initializer),
                    name=f"conv{number}",
                )
            )
        layers.append(
            keras.layers.MaxPooling2D(
                2, data_format="channels_last", name=f"pool{pair + 1}"
            )
        )
    layers.append(keras.layers.Flatten(name="flatten"))
    *hidden, output = chain.head(keras, _HIDDEN, num_classes, initializer)
    for number, layer in enumerate(hidden, start=1):
        layers.append(layer)
        if dropout:
            layers.append(
                chain.dropout(
                    keras, dropout, name=f"dropout{number}", seed=seed
                )
            )
    return chain.connect(
        keras,
        [*layers, output],
        input_shape=shape,
        name=name,
        seed=seed,
        initializer=initializer,
    )
