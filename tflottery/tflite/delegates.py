"""`sparse_kernels`: which CPUs can make use of the zeros of a file.

Most kernels restore the zeros when a file is loaded, and multiply by them.
XNNPACK, which LiteRT runs on CPUs, has sparse kernels for 1x1 convolutions, and
LiteRT itself one for fully connected layers stored in blocks.
"""

from __future__ import annotations

import dataclasses
import pathlib
import platform

from tflottery.tflite import sparse_encoding, xnnpack_clusters
from tflottery.tflite.constants import WEIGHT, source
from tflottery.tflite.file import TFLiteFile
from tflottery.tflite.reader import damage_explained

_X86 = ("x86_64", "amd64", "i386", "i686", "x86")


@dataclasses.dataclass(frozen=True)
class Cpu:
    """A CPU, as far as XNNPACK asks for it.

    Args:
        machine: Such as `"x86_64"`, `"arm64"`, `"aarch64"`.
        has_avx: Whether an x86 CPU has AVX; `None` if that is not known.
    """

    machine: str
    has_avx: bool | None = None

    @classmethod
    def here(cls) -> Cpu:
        """Returns the CPU of this machine.

        Example:
            >>> Cpu.here().machine == platform.machine()
            True
        """
        return cls(platform.machine(), _flag("avx"))

    @property
    def refusal(self) -> str:
        """Why XNNPACK uses no sparse kernels on it; empty if it does."""
        if self.machine.lower() not in _X86 or self.has_avx is False:
            return ""
        why = "XNNPACK does not use sparse kernels on x86 with AVX"
        if self.has_avx is None:
            why += f", which this {self.machine} is taken to have"
        return why


@dataclasses.dataclass(frozen=True)
class WeightedOperator:
    """What is known of one operator that has a weight.

    Args:
        operator: Such as `"CONV_2D"`.
        index: Its place among the operators of the file.
        weight: The name of the stored weight.
        shape: The shape of the weight.
        sparse: Whether the weight is encoded sparse.
        pointwise: Whether it is a 1x1 convolution.
        on_arm: Whether XNNPACK could run it by a sparse kernel on ARM.
        reason: Why not; empty if it could.
        in_blocks: Whether LiteRT's own sparse kernel runs it, on any CPU.
    """

    operator: str
    index: int
    weight: str
    shape: tuple[int, ...]
    sparse: bool
    pointwise: bool
    on_arm: bool
    reason: str
    in_blocks: bool


@dataclasses.dataclass(frozen=True)
class SparseKernels:
    """Which sparse kernels can be used for a file; prints as sentences.

    Args:
        operators: Those of the main graph that have a weight.
        cpu: The CPU that `here` speaks of.
    """

    operators: tuple[WeightedOperator, ...]
    cpu: Cpu

    @property
    def here(self) -> str:
        """What XNNPACK can do on this CPU, in words."""
        if self.cpu.refusal:
            return f"on this CPU: none: {self.cpu.refusal}"
        return f"on this CPU ({self.cpu.machine}): {self._xnnpack()}"

    @property
    def on_arm(self) -> str:
        """What XNNPACK can do on ARM CPUs, in words."""
        return f"on ARM: {self._xnnpack()}"

    @property
    def in_blocks(self) -> str:
        """What LiteRT's own kernel for blocks does, in words; often empty."""
        full = [o for o in self.operators if o.operator == "FULLY_CONNECTED"]
        count = sum(operator.in_blocks for operator in full)
        if not count:
            return ""
        return (
            f"on any CPU: {count} of {len(full)} fully connected layers, in "
            "blocks, by LiteRT's own kernel"
        )

    def _xnnpack(self) -> str:
        points = [o for o in self.operators if o.pointwise]
        if not points:
            return (
                "none: XNNPACK has them for 1x1 convolutions, and the file has "
                "none of those"
            )
        count = sum(operator.on_arm for operator in points)
        if count == len(points):
            return f"{count} of {count} pointwise convolutions"
        reason = next(o.reason for o in points if not o.on_arm)
        if not count:
            return f"none of {len(points)} pointwise convolutions: {reason}"
        return (
            f"{count} of {len(points)} pointwise convolutions; the others not, "
            f"the first because {reason}"
        )

    def __str__(self):
        lines = [self.here, self.on_arm, self.in_blocks]
        return "\n".join(f"Sparse kernels {line}." for line in lines if line)


def sparse_kernels(file: TFLiteFile, cpu: Cpu | None = None) -> SparseKernels:
    """Finds out which sparse kernels can be used for a file.

    The rules are read off the operators of the file; nothing is run. They say
    what XNNPACK may do on ARM, not how fast it is.

    Args:
        file: The file; its main graph is looked at.
        cpu: The CPU to speak of. Default: this one.

    Returns:
        A `SparseKernels`.

    Raises:
        DamagedFileError: An operator lacks what its kind must have.

    Example:
        >>> cpu = Cpu("x86_64", has_avx=True)
        >>> SparseKernels((), cpu).here
        'on this CPU: none: XNNPACK does not use sparse kernels on x86 with AVX'

    Reference:
        XNNPACK, `src/subgraph.c`; TensorFlow Lite's XNNPACK delegate, README,
        "Sparse Inference".
    """
    with damage_explained(file.where):
        obstacles = xnnpack_clusters.obstacles(file)
        found = [
            _weighted(file, index, obstacles.get(index))
            for index, operator in enumerate(file.operators)
            if operator.name in WEIGHT
        ]
    operators = [operator for operator in found if operator is not None]
    if not any(operator.sparse for operator in operators):
        why = "no weight is encoded sparse, which makes XNNPACK look for zeros"
        operators = [
            dataclasses.replace(o, on_arm=False, reason=why) for o in operators
        ]
    return SparseKernels(tuple(operators), cpu or Cpu.here())


def _weighted(
    file: TFLiteFile, index: int, obstacle: str | None
) -> WeightedOperator | None:
    operator = file.operators[index]
    origin, way = source(file.main, operator.inputs[WEIGHT[operator.name]])
    weight = file.main.tensors[origin]
    if not weight.is_constant:
        return None
    pointwise = obstacle is not None
    other = "XNNPACK has sparse kernels for 1x1 convolutions only"
    in_blocks = False
    if weight.sparsity is not None:
        block = sparse_encoding.block_shape(weight.sparsity, len(weight.shape))
        in_blocks = not way and block != (1,) * len(block)
    return WeightedOperator(
        operator=operator.name,
        index=index,
        weight=weight.name,
        shape=weight.shape,
        sparse=weight.sparsity is not None,
        pointwise=pointwise,
        on_arm=obstacle == "",
        reason=obstacle if pointwise else other,
        in_blocks=in_blocks,
    )


def _flag(name: str) -> bool | None:
    """Returns whether the CPU has a flag; `None` where Linux does not say."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("flags"):
            return name in line.split()
    return None
