"""The tables of a .tflite file, read by the schema and checked on the way.

A file may have been cut or changed on its way here, and a flatbuffer trusts
every number that it holds. All lengths are therefore held against the size of
the file before they are used, and whatever the reader stumbles over becomes a
`DamagedFileError`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tflottery.core.files import DamagedFileError, ForeignFileError
from tflottery.tflite import options
from tflottery.tflite.tables import (
    Level,
    Operator,
    Signature,
    Sparsity,
    Subgraph,
    Tensor,
)

_IDENTIFIER = b"TFL3"


def schema() -> Any:
    """Returns the module of the flatbuffer schema.

    Raises:
        ImportError: LiteRT is not installed.
    """
    try:
        return importlib.import_module("ai_edge_litert.schema_py_generated")
    except ImportError as error:
        raise ImportError(
            "TFLite files are read by the schema of LiteRT, which is not "
            "installed. Run `pip install ai-edge-litert`."
        ) from error


@contextlib.contextmanager
def damage_explained(where: str) -> Iterator[None]:
    """Makes whatever a reader stumbles over a `DamagedFileError`.

    Args:
        where: the name of the file, in words.
    """
    try:
        yield
    except (DamagedFileError, ForeignFileError):
        raise
    except Exception as error:
        raise DamagedFileError(
            f"{where} is damaged: its tables lead nowhere "
            f"({type(error).__name__}: {error}). Make or copy it anew."
        ) from error


def read(
    content: bytes, where: str
) -> tuple[tuple[Subgraph, ...], tuple[Signature, ...]]:
    """Reads all tables of a file.

    Args:
        content: the whole file.
        where: its name, in words, for errors.

    Returns:
        Its subgraphs and its signatures. The constants are views of
        `content`.

    Raises:
        DamagedFileError: a part is missing or contradicts another.
        ForeignFileError: it is no TFLite file.
        ImportError: LiteRT is not installed.
    """
    generated = schema()
    if len(content) < 8:
        raise DamagedFileError(
            f"{where} is damaged: it ends after {len(content)} bytes. Make or "
            "copy it anew."
        )
    if content[4:8] != _IDENTIFIER:
        raise ForeignFileError(
            f"{where} is not a TFLite file: its bytes 5 to 8 are "
            f"{content[4:8]!r}, those of a TFLite file {_IDENTIFIER!r}."
        )
    with damage_explained(where):
        return _Reader(generated, content, where).read()


class _Reader:
    """Reads tables, and goes over no more entries than a file can hold."""

    def __init__(self, generated: Any, content: bytes, where: str):
        self._schema, self._content, self._where = generated, content, where
        self._left = 2 * len(content)
        self._types = options.names(generated.TensorType)
        self._codes = options.names(generated.BuiltinOperator)
        self._buffers: list[np.ndarray] = []
        self._operator_names: list[str] = []

    def _damaged(self, what: str) -> DamagedFileError:
        return DamagedFileError(
            f"{self._where} is damaged: {what}. Make or copy it anew."
        )

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise self._damaged("it names more entries than it can hold")

    def _items(self, table: Any, name: str) -> list:
        count = getattr(table, f"{name}Length")()
        self._spend(8 * count)
        return [getattr(table, name)(i) for i in range(count)]

    def _array(self, table: Any, name: str) -> np.ndarray:
        found = getattr(table, f"{name}AsNumpy")()
        # The schema's own code gives 0 for a vector that is not there.
        return found if isinstance(found, np.ndarray) else np.zeros(0, np.int32)

    def _ints(self, table: Any, name: str) -> tuple[int, ...]:
        found = self._array(table, name)
        self._spend(found.nbytes)
        return tuple(found.tolist())

    def _text(self, raw: bytes | None) -> str:
        self._spend(len(raw or b""))
        return (raw or b"").decode("utf-8", "replace")

    def _within(self, indices: tuple[int, ...], count: int, what: str) -> None:
        if any(not -1 <= index < count for index in indices):
            raise self._damaged(f"{what} {indices}, of {count}")

    def read(self) -> tuple[tuple[Subgraph, ...], tuple[Signature, ...]]:
        model = self._schema.Model.GetRootAs(self._content, 0)
        if model.Version() != 3:
            raise self._damaged(f"its version is {model.Version()}, not 3")
        self._buffers = [self._data(b) for b in self._items(model, "Buffers")]
        self._operator_names = [
            self._operator_name(c) for c in self._items(model, "OperatorCodes")
        ]
        for entry in self._items(model, "Metadata"):
            self._within((entry.Buffer(),), len(self._buffers), "metadata in")
        graphs = tuple(
            self._subgraph(graph) for graph in self._items(model, "Subgraphs")
        )
        if not graphs:
            raise self._damaged("it holds no graph")
        signatures = tuple(
            self._signature(signature, graphs)
            for signature in self._items(model, "SignatureDefs")
        )
        return graphs, signatures

    def _data(self, buffer: Any) -> np.ndarray:
        # Files past 2 GB keep the data behind the tables.
        start, size = buffer.Offset(), buffer.Size()
        if start > 1:
            if start + size > len(self._content):
                raise self._damaged(f"a buffer ends at byte {start + size}")
            return np.frombuffer(self._content, np.uint8, size, start)
        return self._array(buffer, "Data").view(np.uint8)

    def _operator_name(self, code: Any) -> str:
        # Codes past 127 do not fit in the older field.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if number not in self._codes:
            raise self._damaged(f"operator code {number} is unknown")
        name = self._codes[number]
        return self._text(code.CustomCode()) if name == "CUSTOM" else name

    def _subgraph(self, graph: Any) -> Subgraph:
        tensors = tuple(self._tensor(t) for t in self._items(graph, "Tensors"))
        operators = tuple(
            self._operator(o, len(tensors))
            for o in self._items(graph, "Operators")
        )
        ends = self._ints(graph, "Inputs"), self._ints(graph, "Outputs")
        self._within(ends[0] + ends[1], len(tensors), "a graph's ends are")
        return Subgraph(tensors, operators, *ends)

    def _tensor(self, tensor: Any) -> Tensor:
        shape = self._ints(tensor, "Shape")
        number, place = tensor.Type(), tensor.Buffer()
        if number not in self._types or min(shape, default=0) < 0:
            raise self._damaged(f"a tensor of type {number} and shape {shape}")
        self._within((place,), len(self._buffers), "a tensor is in buffer")
        quantization = tensor.Quantization()
        scales = zero_points = np.zeros(0)
        axis = 0
        if quantization is not None:
            scales = self._array(quantization, "Scale")
            zero_points = self._array(quantization, "ZeroPoint")
            axis = quantization.QuantizedDimension()
        encoding = tensor.Sparsity()
        return Tensor(
            name=self._text(tensor.Name()),
            shape=shape,
            dtype=self._types[number].lower(),
            data=self._buffers[place],
            sparsity=None if encoding is None else self._sparsity(encoding),
            scales=scales,
            zero_points=zero_points,
            axis=axis,
            variable=bool(tensor.IsVariable()),
        )

    def _sparsity(self, encoding: Any) -> Sparsity:
        return Sparsity(
            self._ints(encoding, "TraversalOrder"),
            self._ints(encoding, "BlockMap"),
            tuple(map(self._level, self._items(encoding, "DimMetadata"))),
        )

    def _level(self, level: Any) -> Level:
        if level.Format() == self._schema.DimensionType.DENSE:
            return Level(level.DenseSize())
        return Level(
            0,
            self._numbers(level.ArraySegmentsType(), level.ArraySegments()),
            self._numbers(level.ArrayIndicesType(), level.ArrayIndices()),
        )

    def _numbers(self, kind: int, table: Any) -> np.ndarray:
        name = options.names(self._schema.SparseIndexVector)[kind]
        vector = getattr(self._schema, name)()
        vector.Init(table.Bytes, table.Pos)
        return self._array(vector, "Values")

    def _operator(self, operator: Any, count: int) -> Operator:
        index = operator.OpcodeIndex()
        if not 0 <= index < len(self._operator_names):
            raise self._damaged(f"an operator of code {index}")
        ends = self._ints(operator, "Inputs"), self._ints(operator, "Outputs")
        name = self._operator_names[index]
        self._within(ends[0] + ends[1], count, f"{name} is on tensors")
        return Operator(name, *ends, options.options(self._schema, operator))

    def _signature(
        self, signature: Any, graphs: tuple[Subgraph, ...]
    ) -> Signature:
        place = signature.SubgraphIndex()
        if not 0 <= place < len(graphs):
            raise self._damaged(f"a signature of graph {place}")
        ends = [
            {
                self._text(entry.Name()): entry.TensorIndex()
                for entry in self._items(signature, side)
            }
            for side in ("Inputs", "Outputs")
        ]
        used = tuple(ends[0].values()) + tuple(ends[1].values())
        count = len(graphs[place].tensors)
        self._within(used, count, "a signature is on tensors")
        return Signature(self._text(signature.SignatureKey()), *ends, place)
