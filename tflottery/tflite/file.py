"""`TFLiteFile`: what a .tflite file holds, and how it is stored.

The file is read by its schema. The interpreter is no help here: it crashes on
sparse tensors when asked for them.
"""

from __future__ import annotations

import functools
import math
import os
from typing import Any

import ml_dtypes
import numpy as np

from tflottery.core import files
from tflottery.core.files import DamagedFileError
from tflottery.tflite import reader, sparse_encoding
from tflottery.tflite.constants import Constant, describe
from tflottery.tflite.tables import (
    Operator,
    Signature,
    Subgraph,
    Tensor,
)

__all__ = ["Constant", "Operator", "Signature", "TFLiteFile", "Tensor"]

_PACKED = {"int4": (4, np.int8), "uint4": (4, np.uint8), "int2": (2, np.int8)}
_SPECIAL = {
    "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
}
_WITHOUT_SIZE = ("string", "resource", "variant")


class TFLiteFile:
    """A .tflite file, read and checked.

    Args:
        content: The bytes of the file.
        where: Its name, in words, for errors. Defaults to `"The file"`.

    Example:
        >>> TFLiteFile.read(b"not at all")
        Traceback (most recent call last):
            ...
        tflottery.core.files.ForeignFileError: The file is not a TFLite ...
    """

    def __init__(self, content: bytes, where: str = "The file"):
        self.where = where
        self.subgraphs, self.signatures = reader.read(content, where)
        for graph in self.subgraphs:
            for tensor in graph.tensors:
                with reader.damage_explained(where):
                    self._check(tensor)

    @classmethod
    def read(cls, path_or_bytes: Any) -> TFLiteFile:
        """Reads a file.

        Args:
            path_or_bytes: A path, local or remote, or the bytes themselves.

        Returns:
            A `TFLiteFile`.

        Raises:
            DamagedFileError: A part is missing or contradicts another. Changed
                values of weights are not noticed: no file says what they were.
            FileNotFoundError: There is no such file.
            ForeignFileError: It is no TFLite file.
            ImportError: LiteRT, whose schema is used, is not installed.
        """
        if isinstance(path_or_bytes, bytes | bytearray | memoryview):
            return cls(bytes(path_or_bytes))
        content = files.read_bytes(path_or_bytes)
        if isinstance(path_or_bytes, os.PathLike):
            path_or_bytes = str(path_or_bytes)
        return cls(content, f"{path_or_bytes!r}")

    @property
    def main(self) -> Subgraph:
        """The graph that runs first; others are bodies of loops."""
        return self.subgraphs[0]

    @property
    def operators(self) -> list[Operator]:
        """The operators of the main graph, in the order in which they run."""
        return list(self.main.operators)

    @property
    def inputs(self) -> list[Tensor]:
        """The inputs of the main graph."""
        return [self.main.tensors[i] for i in self.main.inputs]

    @property
    def outputs(self) -> list[Tensor]:
        """The outputs of the main graph."""
        return [self.main.tensors[i] for i in self.main.outputs]

    @property
    def signature(self) -> Signature | None:
        """The first signature, or `None` if there is none."""
        return self.signatures[0] if self.signatures else None

    @functools.cached_property
    def constants(self) -> list[Constant]:
        """All constants of 16 entries and more, in all graphs."""
        with reader.damage_explained(self.where):
            return describe(self.subgraphs, self.zeros)

    def zeros(self, tensor: Tensor) -> int:
        """Returns how many entries of a constant mean 0.

        Args:
            tensor: A constant of this file.

        Returns:
            A count over the dense tensor. Entries of a quantised one count
            where they are at the zero point.
        """
        values = self._stored(tensor)
        points = tensor.zero_points
        if not points.any():
            return math.prod(tensor.shape) - int(np.count_nonzero(values))
        values = self.values(tensor)
        if len(points) > 1:
            sides = [1] * values.ndim
            sides[tensor.axis] = len(points)
            points = points.reshape(sides)
        return int(np.count_nonzero(values == points))

    def values(self, tensor: Tensor) -> np.ndarray:
        """Returns the dense entries of a constant, as they are stored.

        Args:
            tensor: A constant of this file.

        Returns:
            An array of its shape. Quantised entries stay integers, those of
            fewer than 8 bits in the smallest type that holds them.

        Raises:
            ValueError: The tensor is computed, or holds texts.
        """
        if not tensor.is_constant or tensor.dtype in _WITHOUT_SIZE:
            raise ValueError(
                "`tensor` must be a constant of numbers. Received: "
                f"tensor={tensor.name!r} of type {tensor.dtype}. "
                "`constants` lists those that can be asked for."
            )
        stored = self._stored(tensor)
        if tensor.sparsity is None:
            return stored.reshape(tensor.shape)
        return sparse_encoding.decode(tensor.sparsity, tensor.shape, stored)

    def _stored(self, tensor: Tensor) -> np.ndarray:
        """Returns the entries that are stored, in their order."""
        if tensor.dtype in _PACKED:
            count = _count(tensor)
            bits, kind = _PACKED[tensor.dtype]
            shifts = np.arange(0, 8, bits, dtype=np.uint8)
            parts = ((tensor.data[:, None] >> shifts) << (8 - bits)).view(kind)
            return (parts >> (8 - bits)).reshape(-1)[:count]
        return tensor.data.view(_dtype(tensor))

    def _check(self, tensor: Tensor) -> None:
        """Refuses a constant that does not fit its shape."""
        if tensor.dtype in _WITHOUT_SIZE:
            if tensor.sparsity is not None:
                raise DamagedFileError(
                    f"{self.where} is damaged: tensor {tensor.name!r} of type "
                    f"{tensor.dtype} is sparse. Make or copy it anew."
                )
            return
        if not tensor.is_constant:
            return
        bits, _ = _PACKED.get(tensor.dtype, (8, None))
        per_byte = 8 // bits
        width = 1 if per_byte > 1 else np.dtype(_dtype(tensor)).itemsize
        count = _count(tensor)
        if tensor.data.size != -(-count // per_byte) * width:
            raise DamagedFileError(
                f"{self.where} is damaged: tensor {tensor.name!r} of shape "
                f"{tensor.shape} and type {tensor.dtype} has "
                f"{tensor.data.size} bytes. Make or copy it anew."
            )
        if tensor.sparsity is not None:
            try:
                sparse_encoding.check(tensor.sparsity, tensor.shape, count)
            except DamagedFileError as error:
                raise DamagedFileError(
                    f"{self.where} is damaged: in tensor {tensor.name!r} "
                    f"{error}. Make or copy it anew."
                ) from error
        channels = len(tensor.zero_points)
        if channels > 1 and tensor.shape[tensor.axis] != channels:
            raise DamagedFileError(
                f"{self.where} is damaged: tensor {tensor.name!r} has "
                f"{channels} zero points for {tensor.shape[tensor.axis]} "
                "channels. Make or copy it anew."
            )


def _dtype(tensor: Tensor) -> Any:
    return np.dtype(_SPECIAL.get(tensor.dtype, tensor.dtype))


def _count(tensor: Tensor) -> int:
    """Returns how many entries are stored of a tensor."""
    if tensor.sparsity is None:
        return math.prod(tensor.shape)
    count = 1
    for level in tensor.sparsity.levels:
        dense = level.segments is None
        count = count * level.size if dense else len(level.indices)
    return count
