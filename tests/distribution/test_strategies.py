"""Tests of strategies by name: what one gets, and what is refused at once."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import signal
import socket
import subprocess
import sys
import textwrap
import time
from unittest import mock

import pytest
import tensorflow as tf

from tflottery.distribution import strategies, tpus

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """An environment that names no cluster and no TPU."""
    for name in ("TF_CONFIG", "TPU_NAME", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _tf_config(ports, index=0):
    workers = [f"127.0.0.1:{port}" for port in ports]
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": workers}, "task": task})


def _start(code, **environment):
    """Starts a Python of its own, where TensorFlow has not run anything."""
    program = "from tflottery.distribution import strategies, tpus\n"
    return subprocess.Popen(
        [sys.executable, "-c", program + textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(code, **environment):
    with _start(code, **environment) as process:
        out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors[-3000:]
    return json.loads(out.splitlines()[-1])


def test_none_is_the_strategy_in_scope(two_cpus):
    assert strategies.get() is tf.distribute.get_strategy()
    assert strategies.get("none") is tf.distribute.get_strategy()
    mirrored = tf.distribute.MirroredStrategy(two_cpus)
    with mirrored.scope():
        assert strategies.get() is mirrored
        assert strategies.get(mirrored) is mirrored


@pytest.mark.parametrize("name", strategies.names())
def test_a_scope_cannot_be_left_by_name(name, two_cpus):
    # TensorFlow would refuse to mix them, but later.
    with (
        tf.distribute.MirroredStrategy(two_cpus).scope(),
        pytest.raises(ValueError, match=f"'{name}' under MirroredStrategy"),
    ):
        strategies.get(name)


def test_a_strategy_comes_back_as_it_is(two_cpus):
    for strategy in (
        tf.distribute.get_strategy(),
        tf.distribute.OneDeviceStrategy(two_cpus[0]),
        tf.distribute.MirroredStrategy(two_cpus),
        mock.create_autospec(tf.distribute.TPUStrategy, instance=True),
    ):
        assert strategies.get(strategy) is strategy


@pytest.mark.parametrize(
    "kind",
    [
        tf.distribute.experimental.CentralStorageStrategy,
        tf.distribute.ParameterServerStrategy,
    ],
)
def test_a_strategy_without_whole_copies_is_refused(kind):
    strategy = mock.create_autospec(kind, instance=True)
    with pytest.raises(ValueError, match="`strategy` must keep a whole model"):
        strategies.get(strategy)


def test_a_wrong_type_or_name_is_refused():
    with pytest.raises(TypeError, match="of type int.*'one_device', 'mirr"):
        strategies.get(2)
    with pytest.raises(ValueError, match="Did you mean 'mirrored'.*'tpu'"):
        strategies.get("miror")
    with pytest.raises(TypeError, match="`tpu` must be of type str"):
        strategies.get("tpu", tpu=8)


@pytest.mark.parametrize("strategy", [None, "none", "multi_worker", "tpu"])
def test_devices_are_not_for_every_strategy(strategy):
    with pytest.raises(ValueError, match="`devices` must be given with strat"):
        strategies.get(strategy, devices="CPU:0")


@pytest.mark.parametrize("strategy", [None, "none", "mirrored"])
def test_a_tpu_is_for_its_own_strategy(strategy):
    with pytest.raises(ValueError, match="`tpu` must be given with strategy="):
        strategies.get(strategy, tpu="local")


def test_one_device_is_the_cpu_without_a_gpu(two_cpus):
    for devices, name in [(None, "CPU:0"), ("CPU:1", "CPU:1")]:
        strategy = strategies.get("one_device", devices=devices)
        assert isinstance(strategy, tf.distribute.OneDeviceStrategy)
        assert strategy.extended.worker_devices[0].endswith(name)
    with pytest.raises(ValueError, match="must name one device"):
        strategies.get("one_device", devices=two_cpus)


@pytest.mark.parametrize(
    "devices",
    ["CPU:0,CPU:1", "cpu:0, /device:CPU:1", ["CPU:0", "CPU:1"], 2, "2", None],
)
def test_mirrored_has_a_replica_per_device(two_cpus, devices, caplog):
    with caplog.at_level(logging.INFO, "tflottery"):
        # None stands for the full names that TensorFlow itself gives.
        strategy = strategies.get("mirrored", devices=devices or two_cpus)
    assert strategy.num_replicas_in_sync == 2
    assert [name[-5:] for name in strategy.extended.worker_devices] == [
        "CPU:0",
        "CPU:1",
    ]
    assert "Mirrored: 2 replicas, on CPU:0, CPU:1." in caplog.text


def test_mirrored_without_gpus_has_one_replica_and_says_so(two_cpus, caplog):
    assert strategies.get("mirrored").num_replicas_in_sync == 1
    assert caplog.records[-1].levelno == logging.WARNING
    assert "one replica only, on CPU:0" in caplog.text


def test_gpus_are_taken_first(monkeypatch):
    visible = [mock.Mock(device_type=kind) for kind in ("CPU", "GPU", "GPU")]
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda: visible)
    monkeypatch.setattr(
        tf.config, "get_logical_device_configuration", lambda device: None
    )
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", list)
    monkeypatch.setattr(tf.distribute, "OneDeviceStrategy", str)
    assert strategies.get("one_device") == "GPU:0"
    for devices in (None, 2):
        found = strategies.get("mirrored", devices=devices)
        assert found == ["GPU:0", "GPU:1"]
    with pytest.raises(ValueError, match="GPU:2 does not; the devices here"):
        strategies.get("mirrored", devices=3)


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        ("GPU:0", "GPU:0 does not; the devices here are CPU:0, CPU:1"),
        ("CPU:2", "CPU:2 does not; CPUs can be made only before TensorFlow"),
        (1000, "CPU:2 does not; at most"),
        ("CPU:0,GPU:0", "different devices of one kind"),
        ("CPU:0,CPU:0", "different devices of one kind"),
        ("CPU", "must be names of devices"),
        ("CPU:0,", "must be names of devices"),
        ("", "must be names of devices"),
        ([], "must be names of devices"),
        ([0, 1], "must be names of devices"),
        ("/job:worker/task:1/device:CPU:0", "must be names of devices"),
        (0, "must be a positive integer"),
    ],
)
def test_devices_that_cannot_be_are_refused(two_cpus, devices, expected):
    with pytest.raises(ValueError, match=expected) as error:
        strategies.get("mirrored", devices=devices)
    assert "'CPU:0,CPU:1' or a number" in str(error.value)


@pytest.mark.parametrize("devices", [True, 1.5, {"CPU:0"}])
def test_devices_of_another_type_are_refused(devices):
    with pytest.raises(TypeError, match="`devices` must be"):
        strategies.get("mirrored", devices=devices)


def test_a_fresh_process_makes_cpus_and_then_no_cluster():
    found = _run(
        """
        import json, os
        import tensorflow as tf
        strategy = strategies.get("mirrored", devices=3)
        one = strategy.run(lambda: tf.constant(1))
        total = strategy.reduce("SUM", one, axis=None)
        words = []
        for name, devices in [("mirrored", "CPU:3"), ("multi_worker", None)]:
            try:
                strategies.get(name, devices=devices)
            except ValueError as error:
                words.append(str(error))
        print(json.dumps([int(total), *words]))
        """,
        TF_CONFIG=_tf_config(_free_ports(1)),
    )
    total, no_cpu, no_cluster = found
    assert total == 3
    assert "CPU:3 does not; CPUs can be made only before" in no_cpu
    assert "must be made before TensorFlow has run anything" in no_cluster


def test_a_cluster_of_one_worker_works_after_what_was_refused():
    # A refusal must not start TensorFlow: no cluster could be made after it.
    found = _run(
        """
        import json, os, socket
        import tensorflow as tf
        refused = []
        def refuse(*name, **arguments):
            try:
                strategies.get(*name, **arguments)
            except ValueError as error:
                refused.append(str(error))
        config = os.environ.pop("TF_CONFIG")
        refuse("multi_worker")
        refuse("mirrored", devices="GPU:7")
        strategies.get()
        os.environ["TF_CONFIG"] = config
        strategy = strategies.get("multi_worker")
        again = strategies.get("multi_worker")
        one = again.run(lambda: tf.constant(1))
        kind = type(strategy).__name__
        print(json.dumps([len(refused), kind, int(one)]))
        """,
        TF_CONFIG=_tf_config(_free_ports(1)),
    )
    assert found == [2, "CollectiveAllReduceStrategy", 1]


@pytest.mark.slow
def test_a_port_in_use_is_refused_in_words():
    with socket.create_server(("0.0.0.0", 0)) as server:
        [words] = _run(
            """
            import json
            try:
                strategies.get("multi_worker")
            except ValueError as error:
                print(json.dumps([str(error)]))
            """,
            TF_CONFIG=_tf_config([server.getsockname()[1]]),
        )
    assert "must reach all workers of its cluster" in words
    assert "ports are free" in words


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_wait_for_a_worker_that_never_comes(number):
    # TensorFlow holds Python's lock while it waits, up to an hour.
    code = """
        import logging, signal
        logging.basicConfig(level=logging.INFO)
        signal.signal(signal.SIGTERM, print)  # as the command line does
        strategies.get("multi_worker")
        """
    ports = _free_ports(2)
    with _start(code, TF_CONFIG=_tf_config(ports)) as process:
        for line in process.stderr:
            if "Waiting for" in line:
                break
        assert "Waiting for 2 workers, up to an hour" in line
        assert f"worker 0 of 2 (127.0.0.1:{ports[0]}, " in line
        try:
            _wait_until_listening(ports[0])
            process.send_signal(number)
            assert process.wait(timeout=30) == -number
        finally:
            process.kill()


def _wait_until_listening(port):
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"Nobody listens on port {port}.")


def test_a_tpu_that_is_not_there_is_refused_with_a_way_out():
    with pytest.raises(ValueError, match="no TPU device.*'mirrored'"):
        strategies.get("tpu")


def test_what_tensorflow_says_of_a_missing_tpu_is_said_in_words(monkeypatch):
    # As on a machine with something in /dev/accel0.
    monkeypatch.setattr(tpus.glob, "glob", lambda pattern: [pattern])
    with pytest.raises(ValueError, match="tpu='local'.*TPUs not") as error:
        strategies.get("tpu", tpu="local")
    assert isinstance(error.value.__cause__, tf.errors.NotFoundError)


def test_a_tpu_is_connected_then_initialised_then_used(monkeypatch):
    calls = mock.Mock()
    monkeypatch.setattr(tpus, "resolver", calls.resolver)
    monkeypatch.setattr(
        tf.config, "experimental_connect_to_cluster", calls.connect
    )
    monkeypatch.setattr(
        tf.tpu.experimental, "initialize_tpu_system", calls.initialize
    )
    monkeypatch.setattr(tf.distribute, "TPUStrategy", calls.strategy)
    found = strategies.get("tpu", tpu="my-tpu")
    assert found is calls.strategy.return_value
    resolver = calls.resolver.return_value
    assert calls.mock_calls == [
        mock.call.resolver("my-tpu"),
        mock.call.connect(resolver),
        mock.call.initialize(resolver),
        mock.call.strategy(resolver),
    ]
