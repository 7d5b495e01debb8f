"""Roles of layers that mix channels: dense, convolutions, embeddings.

Their weights say which channel has an influence on which. A unit whose
weights from everything that varies are zero gives a constant, and a constant
input can go if its share is added to the bias.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tflottery.compaction import activations, channels
from tflottery.compaction.roles import (
    LeftAlone,
    Role,
    check_inputs,
    of_layers,
)


class Linear(Role):
    """A layer f(b + x W) whose kernel ends in (channels in, channels out)."""

    is_sized = True
    size_name = "filters"

    def __init__(self, node, values):
        super().__init__(node, values)
        check_inputs(node)
        if getattr(self.layer, "groups", 1) != 1:
            raise LeftAlone("it is a convolution in groups")
        self.kernel = self._kernel()
        if channels.count(node.inputs[0]) != self.kernel.shape[-2]:
            raise LeftAlone("the size of its input is open")
        self.bias = self.weights.get("bias")
        self.activation = getattr(self.layer, "activation", None)
        self.is_free = activations.is_elementwise(self.activation)
        self.reason = None
        if not self.is_free:
            self.reason = (
                f"activation `{activations.name_of(self.activation)}` may mix "
                "its units, so all of them stay"
            )
        # Sums over positions of (channels in, channels out); used[i, o] says
        # whether any weight between them is not zero.
        places = self.kernel.reshape(-1, *self.kernel.shape[-2:])
        self.used = (places != 0).any(axis=0)
        self.sums = places.sum(axis=0, dtype=np.float64)

    def _kernel(self):
        """Returns the kernel as (..., channels in, channels out)."""
        return self.weights["kernel"]

    @property
    def takes_constants(self) -> bool:
        """Whether a constant other than 0 stays one at the borders."""
        return True

    def tie(self, ties, inputs):
        """Ties nothing: both sides are free."""
        found = ties.new(self.used.shape[1])
        if not self.is_free:
            ties.pin(found)
        return [found]

    def constants(self, inputs):
        """Returns the activated bias of units that nothing varying reaches."""
        (taken,) = inputs
        if not self.is_free:
            return [np.full(self.used.shape[1], np.nan)]
        open_ways = self.used[~self.passes(taken)].any(axis=0)
        sums = np.where(self.passes(taken), taken, 0.0) @ self.sums
        if self.bias is not None:
            sums = sums + self.bias.astype(np.float64)
        sums[open_ways] = np.nan
        return [activations.apply(self.activation, sums, self.num_axes)]

    def passes(self, constants: np.ndarray) -> np.ndarray:
        """Tells which constants are the same at every position and tap."""
        if self.takes_constants:
            return ~np.isnan(constants)
        return constants == 0

    def demands(self, kept, constants):
        """Needs what varies and has a way to a unit that stays."""
        return self.used[:, kept].any(axis=1) & ~self.passes(constants)

    def folded(self, part):
        """Returns which inputs that are not needed add to the bias."""
        known = self.passes(part.constants) & (part.constants != 0)
        return ~part.needed_inputs & known

    def new_bias(self, part):
        """Returns the bias with the shares of constants; may be `None`."""
        gone = self.folded(part)
        share = np.where(gone, part.constants, 0.0) @ self.sums
        share = np.where(part.needed_outputs, share, 0.0)[part.outputs]
        if self.bias is not None:
            share = share + self.bias[part.outputs].astype(np.float64)
            return share.astype(self.bias.dtype)
        if not share.any():
            return None
        return share.astype(np.float32)

    def resize(self, config, part):
        """Writes the number of units or filters."""
        config[self.size_name] = int(part.outputs.sum())
        if self.bias is None:
            config["use_bias"] = self.new_bias(part) is not None

    def slices(self, part):
        """Returns the kernel of what stays and the new bias."""
        bias = self.new_bias(part)
        found = self._sliced_kernels(part)
        return found if bias is None else {**found, "bias": bias}

    def _sliced_kernels(self, part):
        return {"kernel": _sliced(self.kernel, part)}


@of_layers("Dense")
class Dense(Linear):
    """A Dense layer."""

    size_name = "units"


@of_layers("Conv1D", "Conv2D", "Conv3D")
class Conv(Linear):
    """A convolution; padding puts zeros where a constant is not zero."""

    @property
    def takes_constants(self):
        """Not with padding, unless the kernel is of one place."""
        if str(self.layer.padding).lower() == "valid":
            return True
        return int(np.prod(self.kernel.shape[:-2])) == 1


@of_layers("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
class ConvTranspose(Linear):
    """A transposed convolution: how often a place is hit differs."""

    def _kernel(self):
        return np.swapaxes(self.weights["kernel"], -1, -2)

    @property
    def takes_constants(self):
        """Only zero is the same everywhere."""
        return False

    def _sliced_kernels(self, part):
        return {"kernel": np.swapaxes(_sliced(self.kernel, part), -1, -2)}


@of_layers("SeparableConv1D", "SeparableConv2D")
class SeparableConv(Linear):
    """A depthwise convolution, then a 1x1 one."""

    def _kernel(self):
        depthwise = self.weights["depthwise_kernel"].astype(np.float64)
        pointwise = self.weights["pointwise_kernel"].astype(np.float64)
        num_inputs, multiplier = depthwise.shape[-2:]
        places = depthwise.reshape(-1, num_inputs, multiplier)
        mixing = pointwise.reshape(num_inputs, multiplier, -1)
        # Not the product of the weights, which may round to zero.
        reached = np.einsum(
            "im,imo->io", (places != 0).any(axis=0), mixing != 0
        )
        sums = np.einsum("im,imo->io", places.sum(axis=0), mixing)
        self._reached, self._summed = reached, sums
        return np.zeros((1, num_inputs, mixing.shape[-1]))

    def __init__(self, node, values):
        super().__init__(node, values)
        self.used, self.sums = self._reached, self._summed

    @property
    def takes_constants(self):
        """As for a convolution."""
        if str(self.layer.padding).lower() == "valid":
            return True
        return self.weights["depthwise_kernel"][..., 0, 0].size == 1

    def _sliced_kernels(self, part):
        depthwise = self.weights["depthwise_kernel"]
        multiplier = depthwise.shape[-1]
        mixing = dataclasses.replace(
            part,
            inputs=np.repeat(part.inputs, multiplier),
            needed_inputs=np.repeat(part.needed_inputs, multiplier),
        )
        return {
            "depthwise_kernel": depthwise[..., part.inputs, :],
            "pointwise_kernel": _sliced(
                self.weights["pointwise_kernel"], mixing
            ),
        }


@of_layers("Embedding")
class Embedding(Role):
    """A table of rows; its columns are channels, its inputs are none."""

    is_sized = True

    def __init__(self, node, values):
        super().__init__(node, values)
        check_inputs(node)
        self.table = self.weights["embeddings"]

    def tie(self, ties, inputs):
        """Pins the indices; the columns are free."""
        ties.pin(inputs[0])
        return [ties.new(self.table.shape[1])]

    def constants(self, inputs):
        """Returns the columns of one value."""
        same = (self.table == self.table[:1]).all(axis=0)
        return [np.where(same, self.table[0].astype(np.float64), np.nan)]

    def resize(self, config, part):
        """Writes the number of columns."""
        config["output_dim"] = int(part.outputs.sum())

    def slices(self, part):
        """Returns the columns that stay."""
        zero = np.zeros((), self.table.dtype)
        table = np.where(part.needed_outputs, self.table, zero)
        return {"embeddings": table[:, part.outputs]}


def _sliced(kernel, part):
    """Returns what stays of a kernel, zero where it is there for the shape."""
    kernel = kernel[..., part.inputs, :][..., part.outputs]
    needed = np.logical_and.outer(
        part.needed_inputs[part.inputs], part.needed_outputs[part.outputs]
    )
    return np.where(needed, kernel, np.zeros((), kernel.dtype))
