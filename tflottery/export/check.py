"""`check_tflite`: whether a file is whole, runs, and agrees with a model."""

from __future__ import annotations

import pathlib
import tempfile
from typing import Any

from tflottery.core import files
from tflottery.export import examples, inputs, trials
from tflottery.export.errors import ExportError
from tflottery.export.interpreter import Interpreter
from tflottery.tflite.file import TFLiteFile


def check_tflite(
    path: Any,
    model: Any,
    *,
    data: Any = None,
    tolerance: float = 1e-3,
    input_signature: Any = None,
) -> float:
    """Loads a TFLite file, runs it, and compares it with a model.

    What `to_tflite` does before it gives a file its name; for a file that has
    travelled, or that another tool has made. Its signature must be
    `serving_default`, with the model's names of inputs.

    Args:
        path: the file, local or remote.
        model: the Keras model that it should agree with.
        data: examples to compare on, as `representative_data` of
            `to_tflite`. Default: 8 generated ones.
        tolerance: the largest difference allowed, over the largest output.
            1e-3 is for float32; int8 needs more.
        input_signature: as for `to_tflite`.

    Returns:
        The largest difference, over the largest output.

    Raises:
        DamagedFileError: the file is not whole.
        ForeignFileError: it is no TFLite file.
        ExportError: it does not load or run, or gives other outputs.

    Example:
        >>> import tempfile, keras, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> path = tempfile.mkdtemp() + "/model.tflite"
        >>> report = tflottery.export.to_tflite(model, path)
        >>> check_tflite(path, model) < 1e-5
        True
    """
    taken = TFLiteFile.read(path).signature
    content = files.read_bytes(path)
    signature = inputs.signature(model, input_signature)
    names = sorted(taken.inputs) if taken is not None else []
    if names != sorted(signature.names):
        raise ExportError(
            "`path` must take the inputs of the model. Received: "
            f"path={str(path)!r} with the inputs {names}; the model's are "
            f"{sorted(signature.names)}. Export the model again."
        )
    tried = (
        inputs.generated(signature)
        if data is None
        else examples.first_examples("data", data, signature, 8)
    )
    with tempfile.TemporaryDirectory(prefix="tflottery-") as folder:
        copy = pathlib.Path(folder) / "model.tflite"
        copy.write_bytes(content)
        with Interpreter() as interpreter:
            interpreter.load(copy)
            found = interpreter.run(copy, tried)
    difference = trials.largest_difference(signature.outputs(tried), found)
    if difference > tolerance:
        raise ExportError(
            "`path` must give the outputs of the model. Received: "
            f"path={str(path)!r}, whose outputs differ by {difference:.3g} of "
            f"the largest one; tolerance={tolerance:g}. Export the model "
            "again, or compare with the model that this file was made of."
        )
    return difference
