"""`.keras`, SavedModel and ONNX: a network saved plain, tried and measured.

Each function writes the network without mask wrappers, loads what it wrote,
compares it with the model, and only then gives it its name.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
import tempfile
from typing import Any

import numpy as np

from tflottery.export import form_trial, placing
from tflottery.export.errors import ExportError
from tflottery.export.form_report import FormReport
from tflottery.export.forms_process import filled
from tflottery.export.plain import (
    classes_of,
    plain,
    state_kept,
)
from tflottery.export.sizes import Sizes
from tflottery.layers import family, paths, randomness

_ONNX_PACKAGES = ("onnx", "onnxruntime", "tf2onnx")


def to_keras(
    model: Any, path: Any, *, input_signature: Any = None
) -> FormReport:
    """Writes the plain network as a `.keras` file, tried before it is named.

    The file holds architecture and weights; no masks, no optimizer, nothing
    of `compile`. Anybody with Keras 3, or with tf_keras if `model` is of that
    family, loads it by `load_model`; classes of your own are needed there.
    Save the wrapped model itself, by `model.save`, to train on.

    Args:
        model: a built Keras model of either family, wrapped or stripped. It
            is not changed: training may go on.
        path: file ending in `.keras`, local or remote. Folders are made; an
            old file is replaced once the new one is known to be good.
        input_signature: what the model takes, where it does not say so
            itself: `[(None, 28, 28, 1)]`.

    Returns:
        A `FormReport`; `print` shows it as a table.

    Raises:
        TypeError: not a Keras model.
        ValueError: not built, NaN or infinite weights, a wrong suffix.
        ExportError: the file cannot be written or loaded, or gives other
            outputs; nothing was written then.

    Example:
        >>> import tempfile, keras, tflottery
        >>> model = keras.Sequential([keras.Input((9,)), keras.layers.Dense(9)])
        >>> model = tflottery.prune_once(model, sparsity=0.9)
        >>> report = to_keras(model, tempfile.mkdtemp() + "/small.keras")
        >>> report.form, report.difference
        ('keras', 0.0)
        >>> type(keras.models.load_model(report.path).layers[0]).__name__
        'Dense'
    """
    target = placing.file_target(path, ".keras")
    trial = form_trial.prepare(model, input_signature)
    with tempfile.TemporaryDirectory(prefix="tflottery-") as temporary:
        file = pathlib.Path(temporary) / "model.keras"
        try:
            with plain(model) as network:
                network.save(file)
                classes = classes_of(network)
            loaded, found = _loaded(trial, file, classes)
        except OSError:
            raise
        except Exception as error:
            raise ExportError(
                "`model` cannot be kept in a .keras file. Received: "
                f"`{model.name}` ({type(model).__name__}); "
                f"{form_trial.said(error)} Give classes of your own a "
                "`get_config`, or use `to_saved_model`, which needs none."
            ) from error
        difference = trial.compare(found)
        dense = file.with_name("dense.keras")
        _fill(loaded)
        loaded.save(dense)
        report = trial.report(
            "keras", target, Sizes.of(file), Sizes.of(dense), difference
        )
        placing.place_file(file, target)
    return report


def to_saved_model(
    model: Any, path: Any, *, input_signature: Any = None
) -> FormReport:
    """Writes the plain network as a SavedModel, tried before it is named.

    The folder holds one function, `serving_default`, that takes the inputs by
    name and gives the outputs by name, with a batch of any size. It is loaded
    by `tf.saved_model.load` without Keras and without classes of your own. It
    is tried in another process, which has none of them.

    Args:
        model: as for `to_keras`.
        path: a local folder: a new one, an empty one, or a SavedModel, which
            is replaced. Anything else is refused.
        input_signature: as for `to_keras`.

    Returns:
        A `FormReport`; its sizes are those of all files together.

    Raises:
        TypeError: not a Keras model.
        ValueError: not built, NaN or infinite weights, a wrong place.
        ExportError: as for `to_keras`.

    Example:
        >>> import tempfile, keras, tflottery
        >>> model = keras.Sequential([keras.Input((9,)), keras.layers.Dense(9)])
        >>> model = tflottery.prune_once(model, sparsity=0.9)
        >>> report = to_saved_model(model, tempfile.mkdtemp() + "/small")
        >>> report.difference < 1e-5
        True
    """
    target = placing.folder_target(path)
    trial = form_trial.prepare(model, input_signature)
    with placing.folder_beside(target) as temporary:
        folder = form_trial.write_saved_model(trial, temporary)
        difference = trial.compare(
            form_trial.run(trial, "saved_model", temporary)
        )
        dense = Sizes.of(temporary / "dense")
        report = trial.report(
            "saved_model", target, Sizes.of(folder), dense, difference
        )
        placing.place_folder(folder, target)
    return report


def to_onnx(
    model: Any, path: Any, *, input_signature: Any = None
) -> FormReport:
    """Writes the plain network as an ONNX file, tried before it is named.

    tf2onnx converts it in another process, where ONNX Runtime then runs it.
    Inputs and outputs go by the names they have in a SavedModel. ONNX stores
    zeros like other numbers; the file shrinks when it is compressed.

    Args:
        model: as for `to_keras`.
        path: file ending in `.onnx`, local or remote.
        input_signature: as for `to_keras`.

    Returns:
        A `FormReport`; `print` shows it as a table.

    Raises:
        ImportError: a package is not installed: `pip install
            tflottery[onnx]`.
        TypeError: not a Keras model.
        ValueError: not built, NaN or infinite weights, a wrong suffix.
        ExportError: the network cannot be converted, or the file does not
            run or gives other outputs; nothing was written then.

    Example:
        >>> import importlib.util, tempfile, keras
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> path = tempfile.mkdtemp() + "/model.onnx"
        >>> if importlib.util.find_spec("tf2onnx"):  # the extra is installed
        ...     difference = to_onnx(model, path).difference
        ... else:
        ...     difference = 0.0
        >>> difference < 1e-5
        True
    """
    target = placing.file_target(path, ".onnx")
    missing = [
        name
        for name in _ONNX_PACKAGES
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise ImportError(
            f"`to_onnx` needs {', '.join(_ONNX_PACKAGES)}. Missing: "
            f"{', '.join(missing)}. Install them with `pip install "
            "tflottery[onnx]`."
        )
    trial = form_trial.prepare(model, input_signature)
    with tempfile.TemporaryDirectory(prefix="tflottery-") as temporary:
        folder = pathlib.Path(temporary)
        form_trial.write_saved_model(trial, folder)
        difference = trial.compare(form_trial.run(trial, "onnx", folder))
        file = folder / "model.onnx"
        dense = Sizes.of(folder / "dense")
        report = trial.report("onnx", target, Sizes.of(file), dense, difference)
        placing.place_file(file, target)
    return report


def _loaded(trial, file, classes):
    """Loads a .keras file and runs it."""
    keras = family.of(trial.signature.model).keras
    with randomness.kept():
        loaded = keras.models.load_model(
            file, custom_objects=classes, compile=False, safe_mode=False
        )
    signature = dataclasses.replace(trial.signature, model=loaded)
    with state_kept(loaded):
        return loaded, signature.outputs(trial.arrays)


def _fill(model):
    rng = np.random.default_rng(0)
    for variable in paths.variables(model).values():
        value = variable.numpy()
        whole = filled(value, rng)
        if whole is not value:
            variable.assign(whole)
