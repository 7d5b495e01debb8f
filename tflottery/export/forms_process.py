"""The process that tries SavedModels and makes ONNX files, nothing of ours.

Run as a program with the path of a job file. It stands alone: what it loads it
loads as a stranger would, without the classes of the model, and what tf2onnx
changes in NumPy it changes here only.
"""

from __future__ import annotations

import json
import pathlib
import sys
import traceback
from typing import Any

import numpy as np


def filled(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns a float tensor of rank two or more with numbers for its zeros.

    Args:
        array: any array; one of another kind is returned as it is.
        rng: where the numbers come from.

    Returns:
        Array of the same shape and dtype. The numbers are as large as the
        others, so that it compresses as if nothing had been pruned.

    Example:
        >>> weights = np.array([[0.0, 2.0], [0.0, -2.0]])
        >>> bool(np.all(filled(weights, np.random.default_rng(0)) != 0))
        True
    """
    if array.ndim < 2 or "float" not in array.dtype.name:
        return array
    values = np.asarray(array, "float32")
    zeros = values == 0
    if not zeros.any():
        return array
    spread = float(values[~zeros].std()) if not zeros.all() else 0.0
    drawn = rng.standard_normal(int(zeros.sum())).astype("float32")
    values = values.copy()
    values[zeros] = drawn * (spread or 0.05)
    return values.astype(array.dtype)


def as_stored(array: Any) -> np.ndarray:
    """Returns an array as .npz keeps it: bfloat16 as float32, texts as bytes.

    Example:
        >>> as_stored(np.array(["a", "b"], object)).dtype.kind
        'S'
    """
    array = np.asarray(array)
    if array.dtype == object:
        texts = [
            t if isinstance(t, bytes) else str(t).encode() for t in array.flat
        ]
        return np.array(texts, dtype="S").reshape(array.shape)
    return array.astype("float32") if array.dtype.kind == "V" else array


def main(job_path: str) -> None:
    """Does what a job file asks for.

    Args:
        job_path: JSON with `form` (`"saved_model"` or `"onnx"`),
            `saved_model` (folder), `inputs` (an .npz) and `folder` for the
            results: `outputs.npz`, `dense` (the same without zeros, to compare
            sizes), `model.onnx`; or `error.txt`.
    """
    job = json.loads(pathlib.Path(job_path).read_text("utf-8"))
    folder = pathlib.Path(job["folder"])
    try:
        with np.load(job["inputs"]) as stored:
            arrays = {name: stored[name] for name in stored.files}
        run = _try_onnx if job["form"] == "onnx" else _try_saved_model
        outputs = run(job["saved_model"], arrays, folder)
        stored = {name: as_stored(value) for name, value in outputs.items()}
        np.savez(folder / "outputs.npz", **stored)
    except Exception as error:
        text = "".join(traceback.format_exception_only(error))
        (folder / "error.txt").write_text(text, "utf-8")


def _try_saved_model(path, arrays, folder):
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    run = loaded.signatures["serving_default"]
    specs = run.structured_input_signature[1]
    outputs = run(
        **{
            name: tf.cast(arrays[name], spec.dtype)
            if spec.dtype != tf.string
            else tf.constant(arrays[name])
            for name, spec in specs.items()
        }
    )
    rng = np.random.default_rng(0)
    for variable in loaded._all_variables:  # as `ExportArchive` has it
        variable.assign(filled(variable.numpy(), rng))
    tf.saved_model.save(
        loaded, str(folder / "dense"), signatures={"serving_default": run}
    )
    return {name: value.numpy() for name, value in outputs.items()}


def _try_onnx(path, arrays, folder):
    import onnx
    import onnxruntime
    import tensorflow as tf
    import tf2onnx
    from onnx import numpy_helper

    loaded = tf.saved_model.load(path)
    run = loaded.signatures["serving_default"]
    specs = run.structured_input_signature[1]
    names = list(specs)

    def flat(*tensors):
        return run(**dict(zip(names, tensors, strict=True)))

    signature = [
        tf.TensorSpec(specs[name].shape, specs[name].dtype, name)
        for name in names
    ]
    model, _ = tf2onnx.convert.from_function(
        tf.function(flat, input_signature=signature, autograph=False), signature
    )
    content = model.SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    onnx.checker.check_model(content)
    session = onnxruntime.InferenceSession(
        content, providers=["CPUExecutionProvider"]
    )
    found = session.run(
        None,
        {
            name: arrays[name].astype(specs[name].dtype.as_numpy_dtype)
            for name in (value.name for value in session.get_inputs())
        },
    )
    rng = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        whole = filled(array, rng)
        if whole is not array:
            tensor.CopyFrom(numpy_helper.from_array(whole, tensor.name))
    (folder / "dense").write_bytes(model.SerializeToString())
    outputs = [value.name for value in session.get_outputs()]
    return dict(zip(outputs, found, strict=True))


if __name__ == "__main__":
    main(sys.argv[1])
