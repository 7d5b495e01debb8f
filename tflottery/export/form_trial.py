"""A trial of a saved form: the model's outputs against those of the copy.

What `to_keras`, `to_saved_model` and `to_onnx` have in common: a model is
checked and run, its plain network is written, and what another process makes
of that is compared.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.export import (
    conversion,
    inputs,
    processes,
    trials,
    weights_check,
)
from tflottery.export.errors import ExportError
from tflottery.export.form_report import FormReport
from tflottery.export.forms_process import as_stored
from tflottery.export.plain import plain, state_kept
from tflottery.export.sizes import Sizes
from tflottery.layers import evidence, family, paths

_TOLERANCE = 1e-3
_TOLERANCE_OF_HALF = 2e-2
_EXAMPLES = 8
_OPEN_SIZES = (32, 64, 16, 8, 224)


@dataclasses.dataclass(frozen=True)
class Trial:
    """A model, what it was tried on and what it gave.

    Args:
        signature: the model, and how it is called.
        arrays: generated inputs, `{name: array}`.
        expected: the model's outputs on them, `{name: array}`.
    """

    signature: inputs.Signature
    arrays: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]

    def compare(self, found: Mapping[str, np.ndarray]) -> float:
        """Returns the largest difference over the largest output.

        Args:
            found: outputs of what was written, `{name: array}`.

        Raises:
            ExportError: it is too large.
        """
        kinds = {v.dtype.name for v in self.expected.values()}
        limit = _TOLERANCE
        if kinds & {"float16", "bfloat16"} or _is_half(self.signature.model):
            limit = _TOLERANCE_OF_HALF
        expected = {n: _numbers(v) for n, v in self.expected.items()}
        found = {n: _numbers(v) for n, v in found.items()}
        for name in expected.keys() & found.keys():
            expected[name], found[name] = _alike_set_aside(
                expected[name], found[name]
            )
        difference = trials.largest_difference(expected, found)
        if difference <= limit:
            return difference
        raise ExportError(
            "What was written must give the outputs of the model. Received: "
            f"outputs {sorted(found)} that differ by {difference:.3g} of the "
            f"largest one from {sorted(expected)}, where {limit:g} is allowed. "
            "Nothing was written. Does a layer keep values that are not "
            "weights, or draw random numbers without training?"
        )

    def report(
        self,
        form: str,
        target: Any,
        sparse: Sizes,
        dense: Sizes,
        difference: float,
    ) -> FormReport:
        """Returns the `FormReport` of what was written."""
        return FormReport(
            form=form,
            path=str(target),
            sparse=sparse,
            dense=dense,
            zeros=evidence.sparsity(self.signature.model),
            difference=difference,
            examples=_EXAMPLES,
        )


def prepare(model: Any, input_signature: Any) -> Trial:
    """Checks a model and runs it on generated inputs.

    Args:
        model: a model of either Keras family.
        input_signature: as for `inputs.signature`.

    Raises:
        TypeError: not a Keras model.
        ValueError: not built, or weights that are NaN or infinite.
        ExportError: it does not run.
    """
    of = family.of(model)
    if isinstance(model, of.keras.Model):
        evidence.check_built(model)
    signature = inputs.signature(model, input_signature, open_sizes=True)
    weights_check.check_finite(model)
    is_open = any(None in spec.shape[1:] for spec in signature.specs)
    best = failed = None
    for size in _OPEN_SIZES if is_open else _OPEN_SIZES[:1]:
        arrays = inputs.generated(signature, _EXAMPLES, open_size=size)
        try:
            with state_kept(model):
                expected = signature.outputs(arrays)
        except Exception as error:
            failed = error
            continue
        best = best or Trial(signature, arrays, expected)
        if all(_is_telling(value) for value in expected.values()):
            return Trial(signature, arrays, expected)
    if best is not None:
        return best
    raise ExportError(
        "`model` must run on generated inputs, to be compared with what is "
        f"written. Received: `{model.name}`; {said(failed)} Give the sizes "
        "it takes: input_signature=[(None, 28, 28, 1)]."
    ) from failed


def _is_telling(array):
    """Whether outputs are numbers that others could differ from."""
    array = _numbers(array)
    return array.size > 0 and bool(np.all(np.isfinite(array)))


def _alike_set_aside(one, other):
    """Zeroes entries that are not finite and the same in both arrays."""
    if one.shape != other.shape or one.dtype.kind not in "fc":
        return one, other
    same = (np.isnan(one) & np.isnan(other)) | (np.isinf(one) & (one == other))
    return np.where(same, 0, one), np.where(same, 0, other)


def _numbers(array):
    """Returns numbers that differ where the entries of an array do."""
    array = as_stored(array)
    if array.dtype.kind != "S":
        return array
    hashed = [zlib.crc32(text) for text in array.flat]
    return np.array(hashed, "int64").reshape(array.shape)


def _is_half(model):
    policy = getattr(model, "compute_dtype", None) or ""
    return "16" in policy or any(
        "16" in (getattr(owner, "compute_dtype", None) or "")
        for _, _, owner in paths.walk(model)
    )


def write_saved_model(trial: Trial, folder: pathlib.Path) -> pathlib.Path:
    """Writes the plain network as a SavedModel; returns where."""
    model = trial.signature.model
    with plain(model) as network, state_kept(model):
        signature = dataclasses.replace(trial.signature, model=network)
        conversion.write_saved_model(signature, folder / "saved_model", None)
    return folder / "saved_model"


def run(trial: Trial, form: str, folder: pathlib.Path) -> dict[str, np.ndarray]:
    """Has another process try what `write_saved_model` wrote.

    Args:
        trial: of the model.
        form: `"saved_model"` to run it, `"onnx"` to convert it and run that.
        folder: where it was written; `dense` and `model.onnx` are put there.

    Returns:
        Its outputs, `{name: array}`.

    Raises:
        ExportError: it does not load, convert or run.
    """
    arrays = {n: as_stored(v) for n, v in trial.arrays.items()}
    np.savez(folder / "inputs.npz", **arrays)
    job = {
        "form": form,
        "saved_model": str(folder / "saved_model"),
        "inputs": str(folder / "inputs.npz"),
        "folder": str(folder),
    }
    (folder / "job.json").write_text(json.dumps(job), "utf-8")
    process, said = processes.run("forms_process", str(folder / "job.json"))
    error, outputs = folder / "error.txt", folder / "outputs.npz"
    if error.exists() or process.returncode or not outputs.exists():
        reason = (
            error.read_text("utf-8")
            if error.exists()
            else f"the process {processes.how_it_ended(process)}. "
            + " ".join(said[-8:])
        )
        step = "be converted to ONNX and run" if form == "onnx" else "be loaded"
        raise ExportError(
            f"The network could not {step}. Received: "
            f"`{trial.signature.model.name}`; "
            f"{conversion.explained(reason)} Nothing was written."
        )
    with np.load(outputs) as stored:
        return {name: stored[name] for name in stored.files}


def said(error: Exception) -> str:
    """Returns what an error says, as a sentence."""
    text = " ".join(str(error).split())[:400].rstrip(". ")
    return f"{type(error).__name__}: {text}."
