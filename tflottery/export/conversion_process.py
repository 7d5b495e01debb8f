"""The process that converts: TensorFlow's converter, and nothing of ours.

Run as a program with the path of a job file. It stands alone, because the
converter keeps about 22 MB with every call, and can end the process it is in.
"""

from __future__ import annotations

import json
import pathlib
import sys
import traceback
from typing import Any


def main(job_path: str) -> None:
    """Converts what a job file asks for.

    Args:
        job_path: JSON with `saved_model` (folder), `folder` (for the
            results), `calibration` (an .npz or null) and `forms`: a list of
            `{"name", "quantize", "sparse"}`. Writes `<name>.tflite` or
            `<name>.error` for each.
    """
    job = json.loads(pathlib.Path(job_path).read_text("utf-8"))
    folder = pathlib.Path(job["folder"])
    for form in job["forms"]:
        try:
            content = _convert(job, form)
        except Exception as error:
            text = "".join(traceback.format_exception_only(error))
            (folder / f"{form['name']}.error").write_text(text, "utf-8")
        else:
            (folder / f"{form['name']}.tflite").write_bytes(content)


def _convert(job: dict[str, Any], form: dict[str, Any]) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(
        job["saved_model"], signature_keys=["serving_default"]
    )
    optimizations = []
    if form["quantize"] is not None:
        optimizations.append(tf.lite.Optimize.DEFAULT)
    if form["sparse"]:
        optimizations.append(tf.lite.Optimize.EXPERIMENTAL_SPARSITY)
    converter.optimizations = optimizations
    if form["quantize"] == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if form["quantize"] == "int8":
        builtins = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
        converter.target_spec.supported_ops = [builtins]
        converter.representative_dataset = _examples(job["calibration"])
    return converter.convert()


def _examples(path: str) -> Any:
    import numpy as np

    arrays = dict(np.load(path))

    def examples():
        for i in range(min(len(array) for array in arrays.values())):
            yield {name: array[i : i + 1] for name, array in arrays.items()}

    return examples


if __name__ == "__main__":
    main(sys.argv[1])
