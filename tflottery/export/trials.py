"""Trials: which forms of a network load, run and agree with the model.

Some combinations convert without a word and then fail on the device. Each form
is therefore run here, on the same examples as the model, before it is believed.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.export.conversion import Converted, Form
from tflottery.export.errors import ExportError
from tflottery.export.interpreter import Interpreter
from tflottery.export.sizes import Sizes
from tflottery.tflite.file import TFLiteFile

# A sparse file computes what its dense twin does, but for the order of sums.
_TWIN_TOLERANCE = 1e-2

_NUMBERS = ("float32", "float16", "int8")

# What two ways to compute the same may differ by, over the largest output.
# Integers differ by what quantization takes away: only a file that has lost
# the network is refused, and the difference is reported.
TOLERANCES = {
    None: 1e-3,
    "float16": 2e-2,
    "dynamic_range": 0.5,
    "int8": 0.5,
}


@dataclasses.dataclass(frozen=True)
class Trial:
    """What became of a form.

    Args:
        form: which.
        batch: the size of batch it takes; `None` for any.
        content: the file; `None` if it does not convert.
        sizes: of the file.
        runs: whether it converts, loads and runs.
        difference: the largest difference from the model's outputs, over the
            largest of these; `None` if it does not run.
        agrees: whether that is within `TOLERANCES`.
        outputs: what it gave; `None` if it does not run.
        reason: what went wrong, in words; empty if nothing did.
    """

    form: Form
    batch: int | None = None
    content: bytes | None = None
    sizes: Sizes | None = None
    runs: bool = False
    difference: float | None = None
    agrees: bool = False
    outputs: Mapping[str, np.ndarray] | None = None
    reason: str = ""

    @property
    def is_what_it_says(self) -> bool:
        """Whether a file that is called sparse has a sparse tensor."""
        if not self.form.sparse:
            return True
        constants = TFLiteFile.read(self.content).constants
        return any(constant.encoded == "sparse" for constant in constants)

    @property
    def good(self) -> bool:
        """Whether it may be shipped."""
        return self.runs and self.agrees


def attempt(
    converted: Converted,
    inputs: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    folder: pathlib.Path,
) -> Trial:
    """Loads a form, runs it and compares it with the model.

    Args:
        converted: what the converter made.
        inputs: `{input name: array of shape (n, ...)}`.
        expected: the model's outputs on them.
        folder: a temporary place for the file.
    """
    form, content = converted.form, converted.content
    if content is None:
        return Trial(form, reason=f"does not convert: {converted.error}")
    trial = Trial(form, content=content, sizes=Sizes.of(content))
    path = place(folder, form)
    path.write_bytes(content)
    try:
        with Interpreter() as interpreter:
            any_batch = interpreter.load(path)
            found = interpreter.run(path, inputs)
    except ExportError as error:
        reason = f"converts but does not run: {error}"
        return dataclasses.replace(trial, reason=reason)
    difference = largest_difference(expected, found)
    limit = TOLERANCES[form.quantize]
    agrees = difference <= limit
    trial = dataclasses.replace(
        trial,
        batch=None if any_batch else 1,
        runs=True,
        difference=difference,
        agrees=agrees,
        outputs=found,
    )
    if agrees:
        return trial
    return dataclasses.replace(
        trial,
        reason="runs but gives other outputs than the model: the largest "
        f"difference is {difference:.3g} of the largest output, where "
        f"{limit:g} is allowed",
    )


def compare_with_twin(sparse: Trial, dense: Trial) -> Trial:
    """Holds a sparse file against the dense one of the same numbers.

    The converter stores some tensors in blocks, and where these do not fit it
    drops entries; and LiteRT misreads some that are whole. Eight examples may
    not show it, so the stored weights are compared, one by one.

    Args:
        sparse: a trial that runs.
        dense: of the same model and quantization.

    Returns:
        `sparse`, or what it is worth with what was found.
    """
    if not sparse.good:
        return sparse
    if not dense.runs:
        reason = "has no dense twin that runs to be compared with"
        return dataclasses.replace(sparse, agrees=False, reason=reason)
    reason = other_weights(dense.content, sparse.content)
    apart = largest_difference(dense.outputs, sparse.outputs)
    if not reason and apart > _TWIN_TOLERANCE:
        reason = (
            "runs but gives other outputs than its dense twin: the largest "
            f"difference is {apart:.3g} of the largest output"
        )
    if not reason:
        return sparse
    return dataclasses.replace(sparse, agrees=False, reason=reason)


def other_weights(dense: bytes, sparse: bytes) -> str:
    """Compares what two files store.

    Args:
        dense: a file.
        sparse: one of the same network, with tensors encoded sparse.

    Returns:
        Which weights are not the same, bit for bit; an empty text if all are.
        Names say nothing: the converter names sparse tensors otherwise.
    """
    ours, theirs = _stored(sparse), _stored(dense)
    lost = list((theirs - ours).elements())
    if not lost:
        return ""
    shapes = ", ".join(
        "x".join(map(str, shape)) for shape, *_ in sorted(set(lost))
    )
    return (
        "converts and runs but has lost weights: what is stored of the "
        f"tensors of shape {shapes} is not what the dense file has"
    )


def _stored(content):
    """Returns how often each tensor of weights is in a file, by its bits."""
    file = TFLiteFile.read(content)
    found = [
        (tensor, file.values(tensor))
        for graph in file.subgraphs
        for tensor in graph.tensors
        if tensor.is_constant
        and len(tensor.shape) > 1
        and tensor.dtype in _NUMBERS
    ]
    return collections.Counter(
        # Adding nothing makes a negative zero a plain one.
        (tensor.shape, tensor.dtype, hashlib.sha256(values + 0).hexdigest())
        for tensor, values in found
    )


def place(folder: pathlib.Path, form: Form) -> pathlib.Path:
    """Returns where the file of a form lies while it is tried."""
    return folder / f"{form.name.replace(' ', '_')}.tflite"


def largest_difference(
    expected: Mapping[str, Any], found: Mapping[str, Any]
) -> float:
    """Returns the largest difference between outputs, over their size.

    Args:
        expected: `{output name: array}`.
        found: likewise, of another way to compute them.

    Returns:
        For floats the largest difference over the largest absolute value
        expected; for other outputs the share of entries that differ; the
        largest of these. Infinite if names, shapes or NaNs differ.

    Example:
        >>> import numpy as np
        >>> largest_difference({"y": np.ones(2)}, {"y": np.array([1.0, 0.5])})
        0.5
    """
    if set(expected) != set(found):
        return float("inf")
    worst = 0.0
    for name, wanted in expected.items():
        got = np.asarray(found[name])
        wanted = np.asarray(wanted)
        if got.shape != wanted.shape:
            return float("inf")
        if not wanted.size:
            continue
        if wanted.dtype.kind in "biu":
            worst = max(worst, float(np.mean(wanted != got)))
            continue
        scale = float(np.abs(wanted.astype(np.float64)).max()) or 1.0
        apart = np.abs(wanted.astype(np.float64) - got.astype(np.float64))
        largest = float(apart.max()) / scale
        worst = max(worst, largest if np.isfinite(largest) else float("inf"))
    return worst
