"""Tests of TPUs: none is here, and that is said at once."""

from __future__ import annotations

import os
import socket
import threading

import pytest
import tensorflow as tf

from tflottery.distribution import tpus


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """An environment that names no TPU, to be added to."""
    for name in list(os.environ):
        if name.startswith(("TPU_", "KUBE_GOOGLE", "GCE_METADATA")):
            monkeypatch.delenv(name)


def _closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize("name", [None, "", "local"])
def test_a_machine_without_a_tpu_has_none(name):
    with pytest.raises(ValueError, match="tpu='local'.*no TPU device.*'mirr"):
        tpus.resolver(name)


@pytest.mark.parametrize("variable", ["GCE_METADATA_HOST", "GCE_METADATA_IP"])
def test_a_tpu_by_name_needs_googles_metadata(monkeypatch, variable):
    # TensorFlow asks the same address, without a time limit.
    port = _closed_port()
    monkeypatch.setenv(variable, f"127.0.0.1:{port}")
    monkeypatch.setenv("TPU_NAME", "my-tpu")
    with pytest.raises(
        ValueError, match=f"tpu='my-tpu'.*127.0.0.1:{port} cannot be reached"
    ):
        tpus.resolver()


def test_a_tpu_at_an_address_that_nobody_answers_is_refused():
    # TensorFlow would wait for it for ever.
    name = f"grpc://127.0.0.1:{_closed_port()}"
    with pytest.raises(ValueError, match=f"tpu='{name}'.*cannot be reached"):
        tpus.resolver(name)


def test_a_host_that_says_nothing_is_given_up(monkeypatch):
    told = threading.Event()

    def connect(address, timeout):
        told.wait(10)
        raise OSError("too late")

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(tpus, "_REACH_SECONDS", 0.05)
    with pytest.raises(ValueError, match="no answer in 0 s"):
        tpus.resolver("grpc://127.0.0.1:1")
    told.set()


def test_what_googles_clients_raise_is_said_in_words(monkeypatch):
    def fails(tpu):
        raise RuntimeError("Missing runtime dependency on the Google API.")

    monkeypatch.setattr(
        tf.distribute.cluster_resolver, "TPUClusterResolver", fails
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = f"grpc://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ValueError, match="Missing runtime dep") as error:
            tpus.resolver(name)
    assert isinstance(error.value.__cause__, RuntimeError)
