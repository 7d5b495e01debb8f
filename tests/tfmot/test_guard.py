"""The door: what enters the process, and what it leaves as it was."""

import json
import os
import subprocess
import sys

import pytest

# Ends a script: which Keras is what, and what is loaded.
REPORT = """
import json, os, sys
loaded = [name for name in ("tf_keras", "tensorflow_model_optimization")
          if name in sys.modules]
import tensorflow as tf
print(json.dumps({
    "loaded": loaded,
    "variable": os.environ.get("TF_USE_LEGACY_KERAS"),
    "changed": sorted(k for k in {*os.environ, *BEFORE}
                      if os.environ.get(k) != BEFORE.get(k)),
    "tf.keras": tf.keras.Model.__module__.split(".")[0],
}))
"""
START = """
import os
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BEFORE = dict(os.environ)
"""
WRAP = """
import tf_keras
model = tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(3,))])
model = tflottery.prune_low_magnitude(model)
assert tflottery.masks(model)
"""
TRAIN = """
import numpy as np
def train(family, verbs):
    model = family.Sequential(
        [family.layers.Dense(6, input_shape=(4,))]
        if family.__version__.startswith("2.")
        else [family.Input((4,)), family.layers.Dense(6)])
    model = verbs.prune_low_magnitude(
        model, verbs.ConstantSparsity(0.5, 1, frequency=1))
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    model.fit(x, np.ones((8, 6), "float32"), batch_size=2, verbose=0,
              callbacks=[verbs.UpdatePruningStep()])
    stripped = verbs.strip_pruning(model)
    assert (stripped.get_weights()[0] == 0).mean() == 0.5
    return type(model).__module__.split(".")[0]
"""


def run(*parts, legacy=None):
    """Runs a script in a new process; returns what its last line says."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "TF_USE_LEGACY_KERAS"
    }
    if legacy is not None:
        environment["TF_USE_LEGACY_KERAS"] = legacy
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", START + "\n".join(parts)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_and_keras_3_models_load_neither():
    found = run(
        "import keras, tflottery",
        "tflottery.prune_scope, tflottery.UpdatePruningStep",
        "model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])",
        "assert tflottery.masks(tflottery.prune_low_magnitude(model))",
        REPORT,
    )
    assert found["loaded"] == [] and found["changed"] == []
    assert found["tf.keras"] == "keras"


@pytest.mark.parametrize(
    "legacy, expected", [(None, "keras"), ("1", "tf_keras")]
)
def test_tf_keras_models_leave_the_users_choice_of_keras(legacy, expected):
    found = run("import tflottery", WRAP, REPORT, legacy=legacy)
    assert found["loaded"] == ["tf_keras", "tensorflow_model_optimization"]
    assert found["variable"] == legacy and found["changed"] == []
    assert found["tf.keras"] == expected


@pytest.mark.parametrize(
    "imports",
    [
        "from tensorflow_model_optimization.sparsity import keras as theirs\n"
        "import tflottery",
        pytest.param(
            "import tflottery\n"
            "from tensorflow_model_optimization.sparsity import keras as "
            "theirs",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["TF-MOT first", "tflottery first"],
)
def test_tfmot_and_this_library_train_side_by_side(imports):
    found = run(
        imports,
        TRAIN,
        "import keras, tf_keras, json",
        "print(json.dumps([train(tf_keras, theirs), train(keras, tflottery),"
        " train(tf_keras, tflottery), train(tf_keras, theirs)]))",
    )
    assert found == ["tf_keras", "keras", "tf_keras", "tf_keras"]


def test_what_is_missing_is_named_and_keras_3_needs_it_not():
    *texts, same, pruned = run(
        "import sys",
        "sys.modules['tensorflow_model_optimization'] = None",
        "import json, keras, tflottery",
        "from tflottery.tfmot import guard",
        "texts = []",
        "def ask(door):",
        "    try:",
        "        door()",
        "    except ImportError as error:",
        "        texts.append(str(error))",
        "ask(guard.tfmot)",
        "sys.modules['tf_keras'] = None",
        "ask(guard.tf_keras)",
        "same = os.environ == BEFORE",
        TRAIN,
        "print(json.dumps([*texts, same, train(keras, tflottery)]))",
    )
    missing = ["tensorflow_model_optimization", "tf_keras"]
    for text, name in zip(texts, missing, strict=True):
        assert text.startswith(f"`{name}` is needed for tf_keras models")
        assert "pip install tf-keras tensorflow-model-optimization" in text
        assert "build the model with Keras 3" in text
    assert same and pruned == "keras"
