"""Convolution, BatchNorm and ReLU: what residual and VGG networks repeat.

One place fixes what the papers leave open, so that all these networks agree:
no biases before BatchNorm, statistics with momentum 0.9 and epsilon 1e-5 as
in PyTorch, zero padding as TensorFlow's "same".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tflottery.models import chain, glorot


class Layers:
    """Makes the layers of one network, all with the same settings.

    Args:
        keras: The Keras module to build with.
        initializer: Distribution of the kernels, see `glorot.initialize`.
        weight_decay: Coupled weight decay w of all kernels: a regularizer
            L2(w / 2), so that w times the kernel joins the gradient, which is
            what the papers' code (`torch.optim.SGD`) adds. Biases and
            BatchNorm are left out. 0 for none.

    Raises:
        TypeError: If `keras` is not a Keras module.
        ValueError: If `weight_decay` is negative.

    Example:
        >>> import keras
        >>> layers = Layers(keras, "glorot_normal", weight_decay=1e-4)
        >>> float(layers.dense(10, "output").kernel_regularizer.l2)
        5e-05
    """

    def __init__(
        self,
        keras: Any,
        initializer: str = "glorot_normal",
        weight_decay: float = 0.0,
    ):
        self.keras = chain.check_keras(keras)
        self.initializer = initializer
        if not (0 <= weight_decay and math.isfinite(weight_decay)):
            raise ValueError(
                "`weight_decay` must be at least 0. Received: "
                f"weight_decay={weight_decay}. The papers use 0.0001; use 0 "
                "for none."
            )
        self.weight_decay = float(weight_decay)

    def _kernel(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "kernel_initializer": glorot.stock_name(self.initializer)
        }
        if self.weight_decay:
            arguments["kernel_regularizer"] = self.keras.regularizers.L2(
                self.weight_decay / 2
            )
        return arguments

    def normalized(
        self,
        values: Any,
        filters: int,
        size: int,
        name: str,
        *,
        strides: int = 1,
        relu: bool = True,
    ) -> Any:
        """Convolves, normalises and, if asked to, cuts at zero.

        Args:
            values: A Keras tensor, `(batch, height, width, channels)`.
            filters: Output channels.
            size: Height and width of the window.
            name: Name of the convolution; `NAME_bn` and `NAME_relu` follow.
            strides: Steps of the window. Defaults to 1.
            relu: Whether a ReLU follows. Defaults to `True`.

        Returns:
            A Keras tensor.
        """
        layers = self.keras.layers
        values = layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding="same",
            data_format="channels_last",
            use_bias=False,
            name=name,
            **self._kernel(),
        )(values)
        values = layers.BatchNormalization(
            axis=-1,
            momentum=chain.BATCH_NORM_MOMENTUM,
            epsilon=1e-5,
            name=f"{name}_bn",
        )(values)
        return layers.ReLU(name=f"{name}_relu")(values) if relu else values

    def pool(self, values: Any, name: str, size: int = 2) -> Any:
        """Takes maxima of windows two steps apart."""
        return self.keras.layers.MaxPooling2D(
            size,
            strides=2,
            padding="valid" if size == 2 else "same",
            data_format="channels_last",
            name=name,
        )(values)

    def add(self, values: Sequence[Any], name: str) -> Any:
        """Adds two paths and cuts at zero."""
        layers = self.keras.layers
        total = layers.Add(name=f"{name}_add")(list(values))
        return layers.ReLU(name=f"{name}_relu")(total)

    def dense(self, units: int, name: str) -> Any:
        """Returns a dense layer without activation, unbuilt."""
        return self.keras.layers.Dense(units, name=name, **self._kernel())

    def model(
        self,
        inputs: Any,
        values: Any,
        num_classes: int,
        *,
        name: str,
        seed: int,
        gamma: str,
    ) -> Any:
        """Ends a network: the mean over the image, then logits.

        Args:
            inputs: The network's input.
            values: The last feature maps.
            num_classes: Units of the layer `output`.
            name: Name of the model.
            seed: Integer seed of the starting weights.
            gamma: Scales of BatchNorm, see `glorot.initialize`.

        Returns:
            A functional model with its starting weights.
        """
        values = self.keras.layers.GlobalAveragePooling2D(
            data_format="channels_last", name="average"
        )(values)
        logits = self.dense(num_classes, "output")(values)
        model = self.keras.Model(inputs, logits, name=name)
        return glorot.initialize(model, seed, self.initializer, gamma)


def check_image(
    name: str, input_shape: Sequence[int], smallest: int
) -> tuple[int, ...]:
    """Returns the shape of an image that is large enough.

    Args:
        name: Name of the network, for the message.
        input_shape: Shape of one example.
        smallest: Least height and width.

    Raises:
        ValueError: If it is no image, or too small.

    Example:
        >>> check_image("vgg16", [32, 32, 3], 16)
        (32, 32, 3)
    """
    way_out = (
        f"{name} reads images, (height, width, channels), of at least "
        f"{smallest}x{smallest}; for flat features use the model 'mlp'."
    )
    shape = chain.check_input_shape(input_shape, ranks=(3,), way_out=way_out)
    if min(shape[:2]) < smallest:
        raise ValueError(
            "`input_shape` must be an image that the network does not shrink "
            f"to nothing. Received: input_shape={shape}. {way_out}"
        )
    return shape
