"""`to_tflite`: a network becomes a file that is known to run.

The file takes its name only after it was loaded, run and compared; until then
it has a temporary one, in a temporary folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tflottery.core import checks, files
from tflottery.export import (
    accuracy,
    choosing,
    conversion,
    examples,
    inputs,
    latency,
    placing,
    trials,
    weights_check,
)
from tflottery.export.conversion import Form
from tflottery.export.errors import ExportError
from tflottery.export.interpreter import Interpreter
from tflottery.export.plain import plain, state_kept
from tflottery.export.report import ExportReport, FormResult
from tflottery.export.trials import Trial
from tflottery.tflite import delegates
from tflottery.tflite.file import TFLiteFile

_QUANTIZE = ("float16", "dynamic_range", "int8")
_CALIBRATION = 200
_COMPARED = 8
_DENSE = Form()


def to_tflite(
    model: Any,
    path: Any,
    quantize: str | None = None,
    sparse: bool | str = "auto",
    representative_data: Any = None,
    validate_on: Any = None,
    *,
    input_signature: Any = None,
) -> ExportReport:
    """Writes a network as a TFLite file that is proven to run.

    The network is converted in another process, dense and sparse; each file is
    loaded with LiteRT, run, and compared with the model. Only then is the
    chosen one written, under its name, in one rename.

    Args:
        model: a built Keras model of either family, wrapped or stripped; it
            is not changed. A ticket is put on a model first:
            `ticket.apply(build())`; a round of a search is loaded by
            `tflottery.load_network(run_dir)`.
        path: file to write, ending in `.tflite`, local or remote.
        quantize: how numbers are stored. `None`: float32; `"float16"`;
            `"dynamic_range"`: weights as int8, activations as floats;
            `"int8"`: both as int8, inputs and outputs as floats.
        sparse: whether tensors with many zeros are encoded sparse: `True`,
            `False`, or `"auto"`, the smallest of the two that runs.
        representative_data: examples that calibrate `"int8"`, which needs
            them; the first 200 are used. An array, a dict of arrays by input
            name, a tuple (x, y), a `tf.data.Dataset`, or another iterable of
            examples or batches. Also what model and file are compared on.
        validate_on: labelled examples, in the same forms; accuracies of model
            and file are measured on them.
        input_signature: what the model takes, if it does not say it itself or
            leaves sizes open: `[(None, 28, 28, 1)]`, or `tf.TensorSpec`s.

    Returns:
        An `ExportReport`: sizes of all forms, zeros and encoding of each
        tensor, differences, accuracies, latencies. `print` shows it as
        tables, `save` writes it as JSON.

    Raises:
        TypeError: the model or the data is of no known sort.
        ValueError: an argument cannot be used, weights are NaN or infinite,
            or sizes are left open.
        ExportError: nothing that converts runs and agrees with the model.
        ImportError: LiteRT's interpreter is not installed.

    Example:
        >>> import tempfile, keras, tflottery
        >>> model = keras.Sequential(
        ...     [keras.Input((64,)), keras.layers.Dense(100)])
        >>> model = tflottery.prune_once(model, sparsity=0.9)
        >>> folder = tempfile.mkdtemp()
        >>> report = to_tflite(model, f"{folder}/model.tflite")
        >>> report.form.name, report.times_smaller > 4
        ('sparse float32', True)
    """
    target = placing.file_target(path, ".tflite")
    if quantize is not None:
        checks.check_choice("quantize", quantize, _QUANTIZE)
    if not isinstance(sparse, bool) and sparse != "auto":
        raise ValueError(
            "`sparse` must be True, False or 'auto'. Received: "
            f"sparse={sparse!r}. Use 'auto' for the smallest form that runs."
        )
    if quantize == "int8" and representative_data is None:
        raise ValueError(
            "`representative_data` must be given for quantize='int8': the "
            "ranges of activations are measured on it. Received: "
            "representative_data=None. Give some hundred examples, such as "
            "representative_data=x_train[:200]."
        )
    signature = inputs.signature(model, input_signature)
    weights_check.check_finite(model)
    tried, words = _examples(signature, representative_data)
    compared = {name: array[:_COMPARED] for name, array in tried.items()}
    with (
        tempfile.TemporaryDirectory(prefix="tflottery-") as temporary,
        plain(model) as network,
        state_kept(model),
    ):
        folder = pathlib.Path(temporary)
        signature = dataclasses.replace(signature, model=network)
        expected = _expected(signature, compared, words)
        if validate_on is not None:
            accuracy.check_labels(validate_on, signature, expected)
        found = _try_forms(
            signature, quantize, tried, compared, expected, folder
        )
        chosen = choosing.choose(found, quantize, sparse)
        paths = {
            trial.form.name: trials.place(folder, trial.form)
            for trial in found
            if trial.good
        }
        with Interpreter() as interpreter:
            for place in paths.values():
                interpreter.load(place)
            times = latency.measure(interpreter, paths, compared)
            right = {}
            if validate_on is not None:
                right = accuracy.measure(
                    validate_on, signature, interpreter, paths
                )
    file = TFLiteFile.read(chosen.content)
    files.write_bytes(target, chosen.content)
    return ExportReport(
        path=str(target),
        file_digest=hashlib.sha256(chosen.content).hexdigest(),
        forms=tuple(
            _result(trial, right, times, trial is chosen) for trial in found
        ),
        constants=tuple(file.constants),
        batch=chosen.batch,
        examples=words,
        kernels=tuple(str(delegates.sparse_kernels(file)).splitlines()),
        notes=tuple(_notes(found, chosen, file, expected)),
    )


def _examples(signature, representative_data):
    """Returns what the file is tried and calibrated on, and says what."""
    if representative_data is None:
        made = inputs.generated(signature, _COMPARED)
        return made, f"{_COMPARED} generated examples"
    given = examples.first_examples(
        "representative_data", representative_data, signature, _CALIBRATION
    )
    count = min(_COMPARED, len(next(iter(given.values()))))
    return given, f"{count} examples of representative_data"


def _expected(signature, compared, words):
    """Returns the model's outputs, which the files are held against."""
    try:
        expected = signature.outputs(compared)
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"`model` must run on {words}, in a batch of any size. Received: "
            f"`{signature.model.name}`, which says: {first[:300]} Build it "
            "without `batch_shape` and `stateful`, say what it takes by "
            "`input_signature`, or give `representative_data`."
        ) from error
    for name, value in expected.items():
        if value.dtype.kind not in "biu" and not np.isfinite(value).all():
            raise ValueError(
                "`model` must give finite outputs. Received: NaN or infinite "
                f"values in `{name}` on {words}. Give representative_data "
                "that the model is made for."
            )
    return expected


def _try_forms(signature, quantize, tried, compared, expected, folder):
    """Makes and runs dense float32, and both forms of what is asked for."""
    forms = [_DENSE, Form(quantize), Form(quantize, sparse=True)]
    forms = list(dict.fromkeys(forms))
    calibration = tried if quantize == "int8" else None
    for batch in (None, 1):
        made = conversion.convert(signature, forms, calibration, batch)
        first = trials.attempt(made[0], compared, expected, folder)
        if first.good or conversion.NO_OPERATION in first.reason:
            break
    if not first.good:
        raise ExportError(
            f"`model` cannot be exported: as {_DENSE.name} it "
            f"{first.reason.rstrip('.')}. Received: model "
            f"`{signature.model.name}`.{choosing.what_is_in_the_way(signature.model)}"
        )
    found = [first]
    for converted in made[1:]:
        trial = trials.attempt(converted, compared, expected, folder)
        twin = Form(trial.form.quantize)
        if trial.form.sparse:  # it stands after its twin
            dense = next(other for other in found if other.form == twin)
            trial = trials.compare_with_twin(trial, dense)
        found.append(trial)
    return found


def _result(trial, right, times, chosen):
    return FormResult(
        name=trial.form.name,
        quantize=trial.form.quantize,
        sparse=trial.form.sparse,
        sizes=trial.sizes,
        runs=trial.runs,
        difference=trial.difference,
        reason=trial.reason,
        accuracy=right.get(trial.form.name),
        latency=times.get(trial.form.name),
        chosen=chosen,
    )


def _notes(
    found: Sequence[Trial],
    chosen: Trial,
    file: TFLiteFile,
    expected: Mapping[str, np.ndarray],
):
    """Says what a reader of the report should know."""
    if chosen.batch is not None:
        yield (
            "It takes one example at a time: with an open batch the converter "
            "or the interpreter fails on this model."
        )
    if all(
        len(v) > 1 and np.array_equal(v, v[:1].repeat(len(v), 0))
        for v in expected.values()
    ):
        yield (
            "The model gives the same outputs for all examples that it was "
            "compared on, so the comparison says little: give "
            "representative_data."
        )
    others = [trial for trial in found if trial.good and trial is not chosen]
    smaller = min(others, key=lambda trial: trial.sizes.gzip, default=chosen)
    if smaller.sizes.gzip < chosen.sizes.gzip:
        yield (
            f"Compressed by gzip, {smaller.form.name} would be smaller: "
            f"{smaller.sizes.gzip:,} bytes against {chosen.sizes.gzip:,}."
        )
    encoded = any(constant.encoded == "sparse" for constant in file.constants)
    if chosen.form.sparse and not encoded:
        yield "No tensor is encoded sparse: none has zeros enough."
    quarter = found[0].sizes.raw / 4
    if chosen.form.quantize in (None, "float16") and (
        chosen.sizes.raw > quarter
    ):
        yield (
            f"As dense int8 it would take about {quarter:,.0f} bytes: see "
            "quantize='int8' and quantize='dynamic_range'."
        )
