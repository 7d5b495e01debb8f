"""Tests of limits: what is chosen, what is refused, and that it is still so.

The last tests run what Keras cannot do today. Where one of them fails, Keras
has learnt it, and a limit can go.
"""

from __future__ import annotations

import json
import logging
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from two_processes import finish

from tflottery.distribution import limits

WORKER = """
import json
from tflottery.distribution import limits, strategies
strategy = strategies.get("multi_worker")

import keras
import numpy as np
import tensorflow as tf
import tf_keras

words = []
try:
    limits.limits(strategy, "keras")
except ValueError as error:
    words.append(str(error))

def fit(keras, steps, jit):
    with strategy.scope():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(
            keras.optimizers.SGD(), "mse",
            steps_per_execution=steps, jit_compile=jit,
        )
    x = np.ones((8, 3), "float32")
    data = tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch(4).repeat()
    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    data = data.with_options(options)
    model.fit(data, steps_per_epoch=2, verbose=0, shuffle=False)
    return int(model.optimizer.iterations.numpy())

try:
    fit(keras, 1, False)
except ValueError as error:
    words.append(str(error)[:200])
chosen = limits.choose(strategy, "tf_keras", 2, True)
print(json.dumps([words, chosen, fit(tf_keras, *chosen)]))
"""


def _stand_in(kind, replicas, here):
    """A strategy with more workers or other devices than a test has."""
    strategy = mock.create_autospec(kind, instance=True)
    strategy.num_replicas_in_sync = replicas
    strategy.extended.worker_devices = (None,) * here
    return strategy


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_one_replica_can_do_everything(name, two_cpus):
    everything = limits.Limits(True, True)
    for strategy in (
        tf.distribute.get_strategy(),
        tf.distribute.OneDeviceStrategy(two_cpus[0]),
        tf.distribute.MirroredStrategy(two_cpus[:1]),
        _stand_in(tf.distribute.MultiWorkerMirroredStrategy, 1, 1),
    ):
        assert limits.limits(strategy, name) == everything
        assert limits.choose(strategy, name, 10, True) == (10, True)


@pytest.mark.parametrize(
    ("name", "chosen"), [("keras", (1, False)), ("tf_keras", (10, False))]
)
def test_replicas_are_given_what_works_and_it_is_said(
    two_replicas, caplog, name, chosen
):
    with caplog.at_level(logging.INFO, "tflottery"):
        assert limits.choose(two_replicas, name, 10, True) == chosen
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == (2 if name == "keras" else 1)
    assert "MirroredStrategy with 2 replicas" in lines[-1]
    assert "jit_compile=False instead of True" in lines[-1]


@pytest.mark.parametrize("left", ["auto", None, False])
def test_nothing_is_said_where_nothing_was_asked(two_replicas, caplog, left):
    with caplog.at_level(logging.INFO, "tflottery"):
        steps, jit = limits.choose(two_replicas, "keras", 1, left)
    assert (steps, bool(jit)) == (1, False)
    assert not caplog.records


def test_several_gpus_of_a_single_worker_are_replicas():
    strategy = _stand_in(tf.distribute.MultiWorkerMirroredStrategy, 2, 2)
    assert limits.choose(strategy, "keras", 10, True) == (1, False)
    assert limits.choose(strategy, "tf_keras", 10, True) == (10, False)


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        (tf.distribute.MultiWorkerMirroredStrategy, r"\(2 workers\)"),
        (tf.distribute.TPUStrategy, "TPU"),
    ],
)
def test_where_keras_3_cannot_train_tf_keras_is_the_way_out(kind, where):
    strategy = _stand_in(kind, 4, 2)
    with pytest.raises(ValueError, match=f"{where}.*--keras=tf_keras"):
        limits.limits(strategy, "keras")
    found = limits.limits(strategy, "tf_keras")
    assert (found.steps_per_execution, found.jit_compile) == (True, False)
    assert len(found.reasons) == 1


@pytest.mark.parametrize(
    ("name", "steps", "jit", "received"),
    [
        ("keras", 2, False, "steps_per_execution=2"),
        ("keras", 1, True, "jit_compile=True"),
        ("tf_keras", 2, True, "jit_compile=True"),
    ],
)
def test_a_model_that_cannot_train_as_compiled_is_refused(
    two_replicas, name, steps, jit, received
):
    with pytest.raises(ValueError, match=f"{received}.*Leave it out"):
        limits.check_compiled(two_replicas, name, steps, jit)
    limits.check_compiled(two_replicas, "tf_keras", 2, False)
    limits.check_compiled(two_replicas, "keras", 1, False)


def test_an_unknown_family_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'tf_keras'"):
        limits.limits(tf.distribute.get_strategy(), "tf.keras")


def _fit(keras, strategy, **compile_arguments):
    with strategy.scope():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(), "mse", **compile_arguments)
    x = np.ones((8, 3), "float32")
    data = tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch(4).repeat()
    model.fit(data, steps_per_epoch=2, verbose=0, shuffle=False)
    return int(model.optimizer.iterations.numpy())


def test_both_families_train_on_replicas_as_chosen(any_keras, two_replicas):
    steps, jit = limits.choose(two_replicas, any_keras.__name__, 2, True)
    trained = _fit(
        any_keras, two_replicas, steps_per_execution=steps, jit_compile=jit
    )
    assert trained == 2


def test_keras_3_still_cannot_loop_on_replicas(two_replicas):
    import keras

    with pytest.raises(tf.errors.InvalidArgumentError):
        _fit(keras, two_replicas, steps_per_execution=2, jit_compile=False)


def test_no_family_can_compile_with_xla_on_replicas_yet(
    any_keras, two_replicas
):
    with pytest.raises(tf.errors.InvalidArgumentError):
        _fit(any_keras, two_replicas, jit_compile=True)


@pytest.mark.slow
def test_two_workers_train_tf_keras_as_chosen_and_still_not_keras_3(tmp_path):
    for said in finish(["-c", WORKER], tmp_path):
        (line,) = [line for line in said.splitlines() if line[:2] == "[["]
        (refused, failed), chosen, steps = json.loads(line)
        assert "multi-worker strategy (2 workers)" in refused
        assert "PerReplica" in failed
        assert (chosen, steps) == ([2, False], 2)
