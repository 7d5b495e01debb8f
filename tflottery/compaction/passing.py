"""Roles of layers that hand each channel on by itself.

Output channel i comes from input channel i and from no other, so the two stay
or go together. What differs between these layers is what becomes of a
constant.
"""

from __future__ import annotations

import numpy as np

from tflottery.compaction import activations, channels
from tflottery.compaction.roles import (
    LeftAlone,
    Role,
    check_inputs,
    of_layers,
)
from tflottery.layers.nodes import is_a, walk


@of_layers(
    "ActivityRegularization",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "Identity",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "RepeatVector",
)
class Passing(Role):
    """Hands channels on; constants stay what they are.

    Averages and maxima of a constant are the constant, at borders too, since
    padding does not count in them.
    """

    def __init__(self, node, values):
        super().__init__(node, values)
        check_inputs(node)
        taken, given = channels.count(node.inputs[0]), self._num_given()
        if taken != given:
            raise LeftAlone("its output has other channels than its input")

    def _num_given(self):
        return channels.count(self.node.outputs[0])

    def tie(self, ties, inputs):
        """Hands the channels on."""
        return [inputs[0]]

    def constants(self, inputs):
        """Hands constants on."""
        return [inputs[0]]


@of_layers("GlobalAveragePooling1D")
class Averaged(Passing):
    """An average over time; where all steps are masked it is no number."""

    def constants(self, inputs):
        """Hands constants on unless there may be a mask."""
        before = walk([self.node], lambda node: node.producers).passed
        if any(
            is_a(node.layer, "Masking")
            or getattr(node.layer, "mask_zero", False)
            for node in before
        ):
            return [np.full(inputs[0].shape, np.nan)]
        return [inputs[0]]


@of_layers(
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
)
class Noise(Passing):
    """Does something in training only."""

    def __init__(self, node, values):
        super().__init__(node, values)
        if node.training is True:
            raise LeftAlone("it is called with training=True")
        shape = getattr(self.layer, "noise_shape", None)
        if shape and shape[-1] not in (None, 1):
            raise LeftAlone("its noise_shape names the number of channels")


@of_layers("Activation", *activations.LAYERS)
class Activated(Passing):
    """An activation that looks at single entries."""

    def __init__(self, node, values):
        super().__init__(node, values)
        self.function = getattr(self.layer, "activation", self.layer)
        if not is_a(self.layer, "Activation"):
            self.function = self.layer
        if not activations.is_elementwise(self.function):
            raise LeftAlone(
                f"activation `{activations.name_of(self.function)}` may mix "
                "its channels"
            )

    def constants(self, inputs):
        """Puts constants through the activation."""
        return [activations.apply(self.function, inputs[0], self.num_axes)]


@of_layers("Rescaling")
class Rescaled(Passing):
    """A x + b with numbers a and b."""

    def __init__(self, node, values):
        super().__init__(node, values)
        if np.size(self.layer.scale) + np.size(self.layer.offset) != 2:
            raise LeftAlone("it scales each channel by itself")

    def constants(self, inputs):
        """Scales constants."""
        return [activations.through(self.layer.call, inputs[0], self.num_axes)]


@of_layers("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
class Padded(Passing):
    """Puts zeros around, beside which only zero is a constant."""

    def constants(self, inputs):
        """Hands zeros on, and everything if nothing is added."""
        if not np.any(self.layer.padding):
            return [inputs[0]]
        return [np.where(inputs[0] == 0, 0.0, np.nan)]


@of_layers("UpSampling1D", "UpSampling2D", "UpSampling3D")
class UpSampled(Passing):
    """Repeats or interpolates between neighbours."""

    def constants(self, inputs):
        """Hands constants on; only zeros if weights may not add up to 1."""
        kind = getattr(self.layer, "interpolation", "nearest")
        if kind in ("nearest", "bilinear"):
            return [inputs[0]]
        return [np.where(inputs[0] == 0, 0.0, np.nan)]


@of_layers("Permute")
class Permuted(Passing):
    """Moves axes around, the last one not."""

    def __init__(self, node, values):
        if tuple(node.layer.dims)[-1] != len(node.layer.dims):
            raise LeftAlone("it moves the axis of the channels")
        super().__init__(node, values)


@of_layers("PReLU")
class PReLU(Passing):
    """Slopes that are learned, for each channel or place."""

    is_sized = True

    def constants(self, inputs):
        """Returns constants that are not negative, or have one slope."""
        slopes = self.weights["alpha"].astype(np.float64)
        slopes = slopes.reshape(-1, slopes.shape[-1])
        slope = np.where((slopes == slopes[0]).all(axis=0), slopes[0], np.nan)
        (taken,) = inputs
        with np.errstate(invalid="ignore"):
            return [np.where(taken < 0, taken * slope, taken)]

    def slices(self, part):
        """Returns the slopes of what stays."""
        alpha = self.weights["alpha"]
        if alpha.shape[-1] != len(part.outputs):
            return {"alpha": alpha}
        return {"alpha": alpha[..., part.outputs]}


@of_layers("BatchNormalization")
class Normalized(Passing):
    """At inference a scale and a shift for each channel.

    Where the scale is zero the output is a constant, whatever comes in.
    """

    is_sized = True

    def __init__(self, node, values):
        super().__init__(node, values)
        axes = np.atleast_1d(self.layer.axis).tolist()
        if axes not in ([-1], [self.num_axes - 1]):
            raise LeftAlone(f"it normalizes over axis {axes}, not the last")
        if node.training is True:
            raise LeftAlone("it is called with training=True")

    def constants(self, inputs):
        """Scales and shifts constants."""
        found = {k: v.astype(np.float64) for k, v in self.weights.items()}
        scale = 1 / np.sqrt(found["moving_variance"] + self.layer.epsilon)
        scale = scale * found.get("gamma", 1.0)
        shift = found.get("beta", 0.0)
        shifted = (inputs[0] - found["moving_mean"]) * scale + shift
        shifted = np.where(scale == 0, shift, shifted)
        return [np.where(np.isfinite(shifted), shifted, np.nan)]

    def slices(self, part):
        """Returns what belongs to the channels that stay."""
        kept = part.outputs
        return {
            name: value[kept] if value.shape == kept.shape else value
            for name, value in self.weights.items()
        }


@of_layers("DepthwiseConv1D", "DepthwiseConv2D")
class Depthwise(Passing):
    """Filters each channel by itself, into one or several."""

    is_sized = True

    def __init__(self, node, values):
        self.kernel = values.own(node.layer)["kernel"]
        self.multiplier = self.kernel.shape[-1]
        super().__init__(node, values)
        self.activation = self.layer.activation
        if not activations.is_elementwise(self.activation):
            raise LeftAlone(
                f"activation `{activations.name_of(self.activation)}` may mix "
                "its channels"
            )

    def _num_given(self):
        return super()._num_given() // self.multiplier

    def tie(self, ties, inputs):
        """Ties input i to outputs i m to i m + m - 1."""
        return [np.repeat(inputs[0], self.multiplier)]

    def constants(self, inputs):
        """Returns the activated bias of what is zero, or filtered constants."""
        taps = self.kernel.reshape(-1, inputs[0].size * self.multiplier)
        taken = np.repeat(inputs[0], self.multiplier)
        is_zero = (taken == 0) | (taps == 0).all(axis=0)
        padded = str(self.layer.padding).lower() != "valid"
        if padded and len(taps) > 1:
            taken = np.full(taken.shape, np.nan)
        found = np.where(is_zero, 0.0, taken * taps.sum(axis=0, dtype=float))
        if "bias" in self.weights:
            found = found + self.weights["bias"]
        return [activations.apply(self.activation, found, self.num_axes)]

    def slices(self, part):
        """Returns the filters of what stays."""
        found = {"kernel": self.kernel[..., part.inputs, :]}
        if "bias" in self.weights:
            found["bias"] = self.weights["bias"][part.outputs]
        return found
