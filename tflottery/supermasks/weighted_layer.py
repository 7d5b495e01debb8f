"""A layer of the target that has weights, read into arrays.

A dense layer and a convolution ask the same of a random network: each input
channel needs a block of units whose products make up the weights that leave
that channel, and the biases are the weights of one more input that is always
one.
"""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Strides:
    """How a convolution goes over its input.

    Attributes:
        steps: Strides (height, width).
        padding: "valid" or "same".
        tap: Row and column of the kernel entry that never falls on padding.
            The biases leave through it: an entry on padding reads zero where
            it should read one.
    """

    steps: tuple[int, int]
    padding: str
    tap: tuple[int, int]


@dataclasses.dataclass(frozen=True, eq=False)
class WeightedLayer:
    """The weights of a dense layer or a convolution, and where they act.

    Attributes:
        name: Name of the target's layer.
        kernel: Float64 array (inputs, outputs) or (height, width, inputs,
            outputs).
        bias: Float64 array (outputs,), or None.
        activation: Name of its activation function.
        strides: None for a dense layer.
        input_shape: Shape of its input without the batch, None where open;
            in a random network that of the inputs it is asked for.
    """

    name: str
    kernel: np.ndarray
    bias: np.ndarray | None
    activation: str
    strides: Strides | None
    input_shape: tuple[int | None, ...]

    @property
    def inputs(self) -> int:
        """Input channels."""
        return self.kernel.shape[-2]

    @property
    def filters(self) -> int:
        """Output channels."""
        return self.kernel.shape[-1]

    @property
    def blocks(self) -> int:
        """Input channels, and one more where there are biases."""
        return self.inputs + (self.bias is not None)

    @property
    def outputs(self) -> int:
        """Weights that leave one input channel."""
        return self.kernel.size // self.inputs

    @property
    def fan_in(self) -> int:
        """Weights that enter one output channel, without the bias."""
        return self.kernel.size // self.filters

    @property
    def size(self) -> int:
        """Weights and biases."""
        return self.kernel.size + (0 if self.bias is None else self.bias.size)

    @property
    def largest(self) -> float:
        """Largest |weight or bias|."""
        biases = 0.0 if self.bias is None else np.abs(self.bias).max()
        return float(max(np.abs(self.kernel).max(), biases))

    @property
    def norm(self) -> float:
        """How much it may enlarge a sup-norm distance: its largest row sum."""
        return float(np.abs(self.kernel).reshape(-1, self.filters).sum(0).max())

    @property
    def bias_columns(self) -> slice:
        """Where the outputs of the bias block stand among `outputs`."""
        if self.strides is None:
            return slice(0, self.filters)
        row, column = self.strides.tap
        start = (row * self.kernel.shape[1] + column) * self.filters
        return slice(start, start + self.filters)

    def weights_of(self, block: int) -> np.ndarray:
        """Returns what one block has to make up.

        Args:
            block: An input channel; `inputs` itself means the biases.

        Returns:
            Float64 array (outputs,) ordered by kernel row, column and output
            channel; (filters,) for the biases.
        """
        if block == self.inputs:
            return self.bias
        return self.kernel[..., block, :].reshape(-1)

    def columns_of(self, block: int) -> slice:
        """Returns which of the `outputs` columns a block's weights are."""
        return self.bias_columns if block == self.inputs else slice(None)


def tap_inside(
    size: int | None, kernel: int, stride: int, padding: str
) -> int | None:
    """Returns the kernel entry that never falls on padding, along one axis.

    Output y reads input y * stride - before + entry, where `before` is the
    padding ahead. The entry `before` reads y * stride, which is inside, since
    y < size / stride.

    Args:
        size: Size of the input along the axis, None where it is open.
        kernel: Size of the kernel.
        stride: The stride.
        padding: "valid" or "same".

    Returns:
        Its index, or None where it depends on a size that is open.

    Example:
        >>> tap_inside(28, 3, 1, "same"), tap_inside(28, 3, 2, "same")
        (1, 0)
    """
    if padding == "valid":
        return 0
    if stride == 1:
        return (kernel - 1) // 2
    if size is None:
        return None
    last = (-(-size // stride) - 1) * stride
    return max(last + kernel - size, 0) // 2
