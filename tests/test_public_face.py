"""The front door: what `import tflottery` offers, and what it leaves alone."""

import configparser
import inspect
import os
import pathlib
import subprocess
import sys
import types

import pytest

import tflottery

ROOT = pathlib.Path(__file__).resolve().parents[1]


def _public():
    """All public objects as {dotted name: object}, those of modules too."""
    found = {}
    for name in tflottery.__all__:
        value = getattr(tflottery, name)
        found[name] = value
        if isinstance(value, types.ModuleType):
            for inner in value.__all__:
                found[f"{name}.{inner}"] = getattr(value, inner)
    return found


def _run(code, folder):
    """Runs code in a new process, outside of the repository's folder."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "TF_USE_LEGACY_KERAS"
    }
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_public_names_are_one_sorted_list():
    assert list(tflottery.__all__) == sorted(set(tflottery.__all__))


@pytest.mark.parametrize("name", sorted(_public()))
def test_every_public_name_is_documented(name):
    # getattr of the object's own doc: an inherited one does not count.
    own = getattr(_public()[name], "__doc__", None) or ""
    assert own.strip().split("\n")[0].rstrip().endswith("."), own[:80]


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name, value in _public().items()
        if callable(value)
        and not (inspect.isclass(value) and issubclass(value, Exception))
    ),
)
def test_every_public_callable_has_an_example_that_is_run(name):
    # The examples themselves run as doctests; exceptions need none.
    value = _public()[name]
    assert ">>> " in value.__doc__
    assert value.__module__.startswith("tflottery.")


def test_the_version_is_the_one_that_is_installed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    assert tflottery.__version__ == config["metadata"]["version"]


def test_importing_leaves_the_process_as_it_was(tmp_path):
    # TensorFlow and Keras set variables of their own, so they go first.
    code = """
import os, sys, warnings
import keras, tensorflow as tf
is_keras_3 = tf.keras.__version__ == keras.__version__
environment, filters = dict(os.environ), list(warnings.filters)
import tflottery
for name in tflottery.__all__:
    getattr(tflottery, name)
print("legacy", sorted(
    {"tensorflow_model_optimization", "tf_keras"} & set(sys.modules)))
print("environment", set(environment.items()) ^ set(os.environ.items()))
print("filters", warnings.filters == filters)
print("keras 3 stays", is_keras_3, tf.keras.__version__ == keras.__version__)
"""
    result = _run(code, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "legacy []",
        "environment set()",
        "filters True",
        "keras 3 stays True True",
    ]
    assert list(tmp_path.iterdir()) == []


def test_importing_first_leaves_keras_3_in_charge(tmp_path):
    # The order that bites: `tf.keras` is decided when it is first touched.
    code = """
import os
import tflottery
tflottery.prune_iteratively
import keras, tensorflow as tf
print(tf.keras.__version__ == keras.__version__)
print(os.environ.get("TF_USE_LEGACY_KERAS"))
"""
    result = _run(code, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["True", "None"]
