"""`ExportReport`: what was measured on an exported file.

Every figure is of the file itself, or of one that was made and run beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tflottery.core import documents, files, text_table
from tflottery.export.accuracy import Accuracy
from tflottery.export.latency import Latency
from tflottery.export.sizes import Sizes
from tflottery.tflite.file import Constant

_MOST_ROWS = 30


@dataclasses.dataclass(frozen=True)
class FormResult:
    """One way to write the network: how large it is, and whether it runs.

    Args:
        name: such as `"sparse float32"`.
        quantize: `None`, `"float16"`, `"dynamic_range"` or `"int8"`.
        sparse: whether tensors with many zeros are encoded sparse.
        sizes: bytes raw, by gzip and by zstd; `None` if it does not convert.
        runs: whether it converts, loads and runs in LiteRT on this machine.
        difference: the largest difference from the model's outputs over the
            largest output; `None` if it does not run.
        reason: why it cannot be used; empty if it can.
        accuracy: of model and file, if there was data to validate on.
        latency: of one example, measured in turn with the other forms.
        chosen: whether this one was written.
    """

    name: str
    quantize: str | None
    sparse: bool
    sizes: Sizes | None
    runs: bool
    difference: float | None
    reason: str
    accuracy: Accuracy | None
    latency: Latency | None
    chosen: bool


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """What `to_tflite` wrote, and what it measured on it.

    Args:
        path: where the file is.
        file_digest: the SHA-256 of its bytes, as hex digits.
        forms: all that were made: dense float32 first, then what was asked
            for, dense and sparse.
        constants: the tensors stored in the file: zeros, encoding, reasons.
        batch: the only size of batch it takes; `None` for any.
        examples: what it was tried on, in words.
        kernels: which sparse kernels can be used, here and on ARM, in words.
        notes: what else should be known.

    Example:
        >>> import tempfile, keras, tflottery
        >>> model = keras.Sequential(
        ...     [keras.Input((16,)), keras.layers.Dense(80)])
        >>> folder = tempfile.mkdtemp()
        >>> report = tflottery.export.to_tflite(model, f"{folder}/a.tflite")
        >>> report.form.name, report.sizes.raw > 16 * 80 * 4
        ('dense float32', True)
        >>> report.save(f"{folder}/a.json")
    """

    path: str
    file_digest: str
    forms: tuple[FormResult, ...]
    constants: tuple[Constant, ...]
    batch: int | None
    examples: str
    kernels: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def form(self) -> FormResult:
        """The form that was written."""
        return next(form for form in self.forms if form.chosen)

    @property
    def sizes(self) -> Sizes:
        """Bytes of the file: raw, gzip, zstd."""
        return self.form.sizes

    @property
    def dense(self) -> FormResult:
        """The network as dense float32, for comparison."""
        return self.forms[0]

    @property
    def times_smaller(self) -> float:
        """How many times smaller the file is than dense float32, raw."""
        return self.dense.sizes.raw / self.sizes.raw

    @property
    def accuracy(self) -> Accuracy | None:
        """Of model and file, if there was data to validate on."""
        return self.form.accuracy

    @property
    def difference(self) -> float:
        """The largest difference from the model, over the largest output."""
        return self.form.difference

    def to_dict(self) -> dict[str, Any]:
        """Returns all of it as plain JSON values."""
        found = dataclasses.asdict(self)
        found["times_smaller"] = self.times_smaller
        for form in found["forms"]:
            if form["difference"] == float("inf"):
                form["difference"] = "infinite"  # which JSON does not know
        return found

    def save(self, path: Any) -> None:
        """Writes the report as JSON, atomically.

        Args:
            path: file to write, local or remote.
        """
        documents.write_json(files.as_path(path), self.to_dict())

    def __str__(self):
        lines = [self._batch_line(), f"compared on {self.examples}"]
        if self.accuracy is not None:
            lines.append(
                f"on {self.accuracy.examples:,} examples the model is right "
                f"on {self.accuracy.model:.2%}, and model and file say the "
                f"same on {self.accuracy.same:.2%}"
            )
        return "\n\n".join(
            [
                f"{self.path}: {self.form.name}, {self.sizes.raw:,} bytes"
                + self._against_dense(),
                _forms_table(self.forms),
                _constants(self.constants),
                "\n".join([*lines, *self.kernels, *self.notes]),
            ]
        )

    def _against_dense(self):
        if self.form is self.dense:
            return ""
        if self.times_smaller < 1:
            return f", {1 / self.times_smaller:.2f} times dense float32"
        return f", {self.times_smaller:.1f} times smaller than dense float32"

    def _batch_line(self):
        if self.batch is None:
            return "takes batches of any size"
        return f"takes batches of {self.batch} only"


def _forms_table(forms: Sequence[FormResult]) -> str:
    rows = [
        (
            "form",
            "",
            "raw",
            "gzip",
            "zstd",
            "difference",
            "accuracy",
            "ms (quartiles)",
        )
    ]
    for form in forms:
        sizes = form.sizes
        rows.append(
            (
                form.name,
                "written" if form.chosen else "runs" if form.runs else "fails",
                *(
                    ["-"] * 3
                    if sizes is None
                    else [f"{n:,}" for n in (sizes.raw, sizes.gzip, sizes.zstd)]
                ),
                "-" if form.difference is None else f"{form.difference:.1e}",
                "-" if form.accuracy is None else f"{form.accuracy.file:.2%}",
                "-" if form.latency is None else str(form.latency),
            )
        )
    table = text_table.set_table(rows, num_left=2)
    reasons = [f"{form.name} {form.reason}" for form in forms if form.reason]
    return "\n".join([table, *reasons])


def _constants(constants: Sequence[Constant]) -> str:
    rows = [("tensor", "why not sparse", "dtype", "shape", "zeros", "bytes")]
    largest = sorted(constants, key=lambda constant: -constant.bytes)
    for constant in largest[:_MOST_ROWS]:
        rows.append(
            (
                constant.name[-40:],
                constant.reason or "sparse",
                constant.dtype,
                "x".join(map(str, constant.shape)),
                f"{constant.zeros_fraction:.1%}",
                f"{constant.bytes:,}",
            )
        )
    table = text_table.set_table(rows, num_left=3)
    more = len(constants) - _MOST_ROWS
    return table + (f"\nand {more} smaller ones" if more > 0 else "")
