"""The one door to tf_keras and TF-MOT, which change the process they enter.

Importing TF-MOT sets the environment variable `TF_USE_LEGACY_KERAS`, and with
it which Keras `tf.keras` will be for everybody. Here both are imported when
they are first needed, and nothing is different afterwards: `tf.keras` is what
it would have been, the environment is what it was.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from typing import Any

_VARIABLE = "TF_USE_LEGACY_KERAS"


def tf_keras() -> Any:
    """Returns the module `tf_keras`."""
    return _import("tf_keras")


def tfmot() -> Any:
    """Returns `tensorflow_model_optimization.sparsity.keras`.

    Example:
        >>> import os
        >>> before = dict(os.environ)
        >>> tfmot().PruningSchedule.__name__, dict(os.environ) == before
        ('PruningSchedule', True)
    """
    _settle_tf_keras()
    if "tensorflow_model_optimization" in sys.modules:
        return _import("tensorflow_model_optimization").sparsity.keras
    before = os.environ.get(_VARIABLE)
    try:
        with warnings.catch_warnings():
            # Of `distutils`, which is its own affair.
            warnings.simplefilter("ignore", DeprecationWarning)
            return _import("tensorflow_model_optimization").sparsity.keras
    finally:
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before


def wrapper_class() -> type:
    """Returns TF-MOT's wrapper, `PruneLowMagnitude`."""
    tfmot()
    return importlib.import_module(
        "tensorflow_model_optimization.python.core.sparsity.keras"
        ".pruning_wrapper"
    ).PruneLowMagnitude


def call_context() -> Any:
    """Returns tf_keras' record of the call that is being made."""
    return importlib.import_module(
        "tf_keras.src.engine.base_layer_utils"
    ).call_context()


def autocast_variable_class() -> type:
    """Returns tf_keras' variable that is read in another type."""
    tf_keras()
    return importlib.import_module(
        "tf_keras.src.mixed_precision.autocast_variable"
    ).AutoCastVariable


def _settle_tf_keras() -> None:
    """Has TensorFlow decide now, by the user's environment, on `tf.keras`."""
    import tensorflow as tf

    getattr(tf, "keras").__name__  # noqa: B009, B018  (a lazy module: loads)


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"`{name}` is needed for tf_keras models and cannot be imported: "
            f"{error}. Install it with `pip install tf-keras "
            "tensorflow-model-optimization`, or build the model with Keras 3."
        ) from error
