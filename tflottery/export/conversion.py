"""Conversion: a Keras model becomes the bytes of TFLite files.

The model is written as a SavedModel by its own Keras; everything after that
happens in another process, because TensorFlow's converter never gives its
memory back and may take the process down.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import pathlib
import re
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.export import processes
from tflottery.export.errors import ExportError
from tflottery.export.inputs import Signature
from tflottery.layers import family

NO_OPERATION = "TFLite has no operation for"

# What the converter says of operations, and of where in the model they are.
_MISSING = re.compile(
    r"(?:Flex|TF Select|custom) ops: ([\w, .]+?)\s*(?:\n|Details|$)",
    flags=re.IGNORECASE,
)
_PLACE = re.compile(r'fused\["\w+:", "([^"@]+)/\w+@')


@dataclasses.dataclass(frozen=True)
class Form:
    """A way to write the numbers of a network.

    Args:
        quantize: `None`, `"float16"`, `"dynamic_range"` or `"int8"`.
        sparse: whether tensors with many zeros are encoded sparse.
    """

    quantize: str | None = None
    sparse: bool = False

    @property
    def name(self) -> str:
        """Such as `"dense float32"` or `"sparse int8"`."""
        encoding = "sparse" if self.sparse else "dense"
        return f"{encoding} {self.quantize or 'float32'}"


@dataclasses.dataclass(frozen=True)
class Converted:
    """What the converter made of a form: a file, or words."""

    form: Form
    content: bytes | None
    error: str | None = None


def convert(
    signature: Signature,
    forms: Sequence[Form],
    calibration: Mapping[str, np.ndarray] | None = None,
    batch: int | None = None,
) -> list[Converted]:
    """Converts a model, once for each form.

    Args:
        signature: the model, and how it is called.
        forms: what to make.
        calibration: examples for `"int8"`, `{input name: (n, ...)}`.
        batch: the only size of batch that the files take; `None` for any.

    Returns:
        One result for each form, in order.
    """
    with tempfile.TemporaryDirectory(prefix="tflottery-") as temporary:
        folder = pathlib.Path(temporary)
        write_saved_model(signature, folder / "saved_model", batch)
        if calibration is not None:
            np.savez(folder / "calibration.npz", **calibration)
        job = {
            "saved_model": str(folder / "saved_model"),
            "folder": str(folder),
            "calibration": str(folder / "calibration.npz"),
            "forms": [
                {**dataclasses.asdict(form), "name": f"form_{i}"}
                for i, form in enumerate(forms)
            ],
        }
        (folder / "job.json").write_text(json.dumps(job), "utf-8")
        said = _run(folder)
        return [
            _read(folder / f"form_{i}", form, said)
            for i, form in enumerate(forms)
        ]


def _run(folder):
    """Runs the converter; returns how it ended, with the last it said."""
    process, said = processes.run(
        "conversion_process", str(folder / "job.json")
    )
    ended = f"The converter's process {processes.how_it_ended(process)}."
    if process.returncode < 0:
        return f"{ended} It cannot stand something in this model."
    return " ".join([ended, *said[-8:]])


def _read(stem, form, said):
    file, error = stem.with_suffix(".tflite"), stem.with_suffix(".error")
    if file.exists():
        return Converted(form, file.read_bytes())
    text = error.read_text("utf-8") if error.exists() else said
    return Converted(form, None, explained(text))


def write_saved_model(signature: Signature, path: Any, batch: int | None):
    """Writes a model with one function, which takes tensors by name.

    Args:
        signature: the model, and how it is called.
        path: folder to make.
        batch: the only size of batch that it takes; `None` for any.

    Raises:
        ExportError: the model cannot be traced.
    """
    keras = family.of(signature.model).keras
    specs = [
        tf.TensorSpec([batch, *spec.shape[1:]], spec.dtype, name)
        for name, spec in zip(signature.names, signature.specs, strict=True)
    ]

    def serve(*tensors):
        return signature.call(dict(zip(signature.names, tensors, strict=True)))

    model = signature.model
    archive = keras.export.ExportArchive()
    with _quiet(keras):
        # Keras 3 stores the variables of what is tracked a second time; those
        # that the function uses are stored anyway. Tables are not.
        for layer in model._flatten_layers(include_self=False):
            if layer.built and not layer.weights:
                archive.track(layer)
        try:
            archive.add_endpoint("serve", serve, input_signature=specs)
        except Exception as error:
            raise ExportError(
                "`model` cannot be traced. Received: "
                f"`{model.name}` ({type(model).__name__}); "
                f"{explained(str(error))} Its `call` must be made of "
                "TensorFlow or Keras operations. Nothing was written."
            ) from error
        silent = "verbose" in inspect.signature(archive.write_out).parameters
        archive.write_out(str(path), **({"verbose": False} if silent else {}))


_quieting = threading.Lock()


@contextlib.contextmanager
def _quiet(keras):
    """Keeps a family from printing what an archive holds.

    The settings are the process's, so threads wait for each other here.
    """
    config = getattr(keras, "config", None) or keras.utils
    logger = tf.get_logger()
    with _quieting:
        was_on = config.is_interactive_logging_enabled()
        level = logger.level
        config.disable_interactive_logging()
        logger.setLevel("ERROR")
        try:
            yield
        finally:
            logger.setLevel(level)
            if was_on:
                config.enable_interactive_logging()


def explained(error: str) -> str:
    """Says in a sentence or two what the converter complains of."""
    missing = _MISSING.search(error)
    if missing:
        place = _PLACE.search(error)
        return (
            f"{NO_OPERATION} {missing[1].strip().rstrip('.')}"
            + (f", which is used at {place[1]}" if place else "")
            + ". Replace or leave out the layer that uses it."
        )
    if "TensorListReserve" in error:
        return "A recurrent layer needs a batch of a fixed size here."
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return " ".join(lines)[:600] or "The converter gave no reason."
