"""`tflottery export`: its flags, its help text, and what it writes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

from tflottery.cli import flags, help, networks
from tflottery.core import checks

_SPARSE = {"auto": "auto", "true": True, "false": False}
_QUANTIZE = ("none", "float16", "dynamic_range", "int8")
_FORMS = ("tflite", "keras", "saved_model", "onnx")
_SUFFIXES = {".tflite": "tflite", ".keras": "keras", ".onnx": "onnx"}

_TARGETS = (
    (
        "output",
        str,
        "FILE",
        "What to write: NAME.tflite, NAME.keras, NAME.onnx, or NAME/ for a "
        "SavedModel.",
    ),
    (
        "form",
        str,
        "NAME",
        "tflite, keras, saved_model or onnx. [as the name of --output ends]",
    ),
    (
        "compact",
        bool,
        None,
        "First remove units that have no way in or no way out: an equivalent, "
        "smaller dense network. [false]",
    ),
)
_TFLITE = (
    (
        "quantize",
        str,
        "NAME",
        "none, float16, dynamic_range or int8; int8 is calibrated on 200 "
        "training examples. [none]",
    ),
    (
        "sparse",
        str,
        "auto|true|false",
        "Whether zeros are left out of the file; auto: where that is smaller "
        "and runs. [auto]",
    ),
    (
        "validate",
        bool,
        None,
        "Measure the accuracy of network and file on the test data, and "
        "compare their outputs on true examples. [false]",
    ),
    ("report", str, "FILE", "Write the report as JSON too."),
)


def define() -> absl_flags.FlagValues:
    """Returns the flags of `export`."""
    values = absl_flags.FlagValues()
    for name, kind, placeholder, text in (
        *networks.FLAGS,
        *_TARGETS,
        *_TFLITE,
        *networks.DATA_FLAGS,
    ):
        values[name] = flags.SettingFlag(
            name,
            kind,
            False if kind is bool else None,
            text,
            optional=kind is not bool,
            placeholder=placeholder,
        )
    return values


def explain(values: absl_flags.FlagValues) -> str:
    """Returns the help text of `export`."""

    def block(title, rows):
        return help.block(title, [help.flag_entry(values[r[0]]) for r in rows])

    return "\n\n".join(
        [
            "Usage: tflottery export --run_dir=DIR --output=FILE [FLAGS]\n"
            "       tflottery export --ticket=FILE --output=FILE [FLAGS]\n"
            "       tflottery export --keras_model=FILE --output=FILE [FLAGS]",
            help.paragraph(
                "Writes a network for deployment and prints what came of it: "
                "bytes, zeros, differences, time. A file gets its name only "
                "after it was loaded, run and compared with the network."
            ),
            block("Which network", networks.FLAGS),
            block("What to write", _TARGETS),
            block("TFLite files", _TFLITE),
            block("Data, for int8 and --validate", networks.DATA_FLAGS),
            help.shared(values),
        ]
    )


def execute(values: absl_flags.FlagValues, words: Sequence[str]) -> int:
    """Runs `export`; returns the exit code."""
    if words:
        raise ValueError(
            f"`tflottery export` takes flags only. Received: {words[0]!r}. "
            f"Write --name=value, such as --run_dir={words[0]}."
        )
    given = {name: values[name].value for name in values}
    output = given["output"]
    if not output:
        raise ValueError(
            "`--output` must name the file to write. Received: none. Use "
            "--output=ticket.tflite."
        )
    form = _form(output, given["form"])
    options = _tflite_options(given, form)
    # TensorFlow's own greetings would stand before the report.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    source = networks.source(given)
    print(f"Exporting {source.words()}.", file=sys.stderr, flush=True)
    print(_export(source, given, form, options))
    return 0


def _form(output: str, form: str | None) -> str:
    """Returns the form to write, as it was asked for or as the name ends."""
    if form is not None:
        return checks.check_choice("form", form, _FORMS)
    name = output.rsplit("/", 1)[-1]
    for suffix, known in _SUFFIXES.items():
        if name.endswith(suffix):
            return known
    if "." not in name:
        return "saved_model"
    raise ValueError(
        f"`--output` must end in {', '.join(_SUFFIXES)} or in a slash, for a "
        f"SavedModel. Received: --output={output}. Say what it is to be with "
        f"--form: {', '.join(_FORMS)}."
    )


def _tflite_options(given: dict[str, Any], form: str) -> dict[str, Any]:
    """Returns the options of a TFLite file, checked."""
    asked = [row[0] for row in _TFLITE if given[row[0]] not in (None, False)]
    if form != "tflite" and asked:
        raise ValueError(
            f"`--{asked[0]}` is for TFLite files. Received: --{asked[0]} with "
            f"--output={given['output']}, a file of the form {form}. Leave it "
            "out, or write a .tflite file."
        )
    quantize = given["quantize"] or _QUANTIZE[0]
    sparse = (given["sparse"] or "auto").lower()
    checks.check_choice("quantize", quantize, _QUANTIZE)
    checks.check_choice("sparse", sparse, tuple(_SPARSE))
    return {
        "quantize": None if quantize == "none" else quantize,
        "sparse": _SPARSE[sparse],
    }


def _export(source, given, form, options):
    """Writes the file; returns what is to be printed."""
    from tflottery import export

    model = source.load()
    if options["quantize"] == "int8" or given["validate"]:
        options["representative_data"] = source.representative_examples()
    if given["validate"]:
        options["validate_on"] = source.data.test_batches(100)
    texts = []
    if given["compact"]:
        compaction = export.CompactionReport()
        model = export.compact(model, report=compaction)
        texts.append(str(compaction))
    output = given["output"]
    if form == "tflite":
        report = export.to_tflite(model, output, **options)
        if given["report"]:
            report.save(given["report"])
    else:
        write = {
            "keras": export.to_keras,
            "saved_model": export.to_saved_model,
            "onnx": export.to_onnx,
        }[form]
        report = write(model, output)
    texts.append(str(report))
    return "\n\n".join(texts)
