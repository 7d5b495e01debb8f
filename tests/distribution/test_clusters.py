"""Tests of clusters: what the environment says, and what is refused of it."""

from __future__ import annotations

import json
import os
import socket

import pytest
import tensorflow as tf

from tflottery.distribution import clusters

TWO = ["host1:2222", "host2:2222"]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """An environment that names no cluster and no TPU, to be added to."""
    for name in list(os.environ):
        if name.startswith(("SLURM", "TPU_", "KUBE_GOOGLE", "GCE_METADATA")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("TF_CONFIG", raising=False)


def _tf_config(cluster, kind="worker", index=0):
    return json.dumps(
        {"cluster": cluster, "task": {"type": kind, "index": index}}
    )


def _closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _in_slurm(monkeypatch, **variables):
    step = {
        "JOB_ID": 7,
        "PROCID": 1,
        "LOCALID": 0,
        "STEP_NUM_TASKS": 2,
        "STEP_NODELIST": "n[1-2]",
        "STEP_TASKS_PER_NODE": "1(x2)",
    }
    for name, value in {**step, **variables}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))


def test_tf_config_names_the_workers_chief_first(monkeypatch):
    jobs = {"worker": TWO, "chief": ["host0:2222"]}
    monkeypatch.setenv("TF_CONFIG", _tf_config(jobs, "worker", 1))
    cluster = clusters.find()
    assert cluster.addresses == ("host0:2222", *TWO)
    assert cluster.address == "host2:2222"
    assert cluster.describe() == (
        "worker 2 of 3 (host0:2222, host1:2222, host2:2222; from TF_CONFIG)"
    )
    resolver = clusters.resolver(cluster)
    assert resolver.cluster_spec().as_dict() == jobs
    assert (resolver.task_type, resolver.task_id) == ("worker", 1)


def test_tf_config_comes_before_slurm(monkeypatch):
    _in_slurm(monkeypatch)
    monkeypatch.setenv("TF_CONFIG", _tf_config({"worker": TWO}))
    assert clusters.find().source == "TF_CONFIG"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'cluster'", "must be JSON"),
        ("[]", "must be a JSON object"),
        ("{}", "must have a member `cluster`"),
        ('{"cluster": {"worker": ["a:1"]}}', "must have a member `task`"),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker"}}',
            "must have a member `task` with `type` and `index`",
        ),
        (_tf_config({"worker": TWO}, index=2), "a task index below 2, the num"),
        (_tf_config({"worker": TWO}, index=-1), "a task index below 2"),
        (_tf_config({"worker": TWO}, "chief"), "a task index below 0"),
        (_tf_config({"worker": TWO}, "evaluator"), "not 'evaluator'"),
        (_tf_config({"worker": TWO, "ps": ["a:1"]}), "not 'ps'"),
        (
            _tf_config({"worker": ["host1"]}),
            "'worker' addresses as 'host:port'",
        ),
        (_tf_config({"worker": "host1:1"}), "addresses as 'host:port'"),
        (_tf_config({"worker": TWO + TWO}), "name each address once"),
        (_tf_config({"chief": TWO}, "chief"), "name one chief at most"),
    ],
)
def test_a_tf_config_that_cannot_be_used_is_refused(
    monkeypatch, text, expected
):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError) as error:
        clusters.find()
    message = str(error.value)
    assert message.startswith("`TF_CONFIG` must ")
    assert expected in message
    assert f"Received: TF_CONFIG={text!r}." in message
    assert 'TF_CONFIG=\'{"cluster": {"worker": ["host1:2222"' in message


def test_the_example_in_the_refusals_is_itself_accepted(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "?")
    with pytest.raises(ValueError) as error:
        clusters.find()
    example = str(error.value).split("TF_CONFIG='")[-1].split("';")[0]
    monkeypatch.setenv("TF_CONFIG", example)
    assert clusters.find().addresses == tuple(TWO)


def test_no_cluster_is_refused_with_an_example(monkeypatch):
    # A Slurm step of one task is no cluster either.
    _in_slurm(monkeypatch, PROCID=0, STEP_NUM_TASKS=1, NTASKS=2)
    monkeypatch.setenv("TF_CONFIG", " ")
    with pytest.raises(ValueError, match=r"no TF_CONFIG, and no Slurm.*srun"):
        clusters.find()


def test_slurm_gives_workers_ports_and_places(monkeypatch):
    _in_slurm(monkeypatch, SLURMD_NODENAME="n2")
    cluster = clusters.find()
    # 20000 + 16 * 7: the seventh job has ports of its own.
    assert cluster.addresses == ("n1:20112", "n2:20112")
    assert cluster.address == "n2:20112"
    resolver = clusters.resolver(cluster)
    assert resolver.cluster_spec().as_dict() == {
        "worker": ["n1:20112", "n2:20112"]
    }
    assert (resolver.task_type, resolver.task_id) == ("worker", 1)
    assert resolver.num_accelerators() == {"GPU": 0}


@pytest.mark.parametrize(
    ("rank", "node", "local"),
    [(0, "n9", 0), (1, "n9", 1), (2, "n10", 0), (3, "n10", 1)],
)
def test_a_slurm_task_is_placed_by_its_node(monkeypatch, rank, node, local):
    # Slurm numbers n9 before n10; sorted as text, they are the other way.
    _in_slurm(
        monkeypatch,
        PROCID=rank,
        LOCALID=local,
        STEP_NUM_TASKS=4,
        STEP_NODELIST="n[9-10]",
        STEP_TASKS_PER_NODE="2(x2)",
    )
    monkeypatch.setenv("SLURMD_NODENAME", node)
    cluster = clusters.find()
    assert cluster.address == f"{node}:{20112 + local}"
    assert len(set(cluster.addresses)) == 4


def test_slurm_without_a_step_is_refused(monkeypatch):
    # So it is in a script of `sbatch` that does not call `srun`.
    _in_slurm(monkeypatch, NTASKS=2)
    monkeypatch.delenv("SLURM_STEP_NUM_TASKS")
    with pytest.raises(ValueError, match="must describe a step.*`srun`"):
        clusters.find()


def test_a_slurm_task_on_a_foreign_node_is_refused(monkeypatch):
    _in_slurm(monkeypatch)
    monkeypatch.setenv("SLURMD_NODENAME", "other")
    with pytest.raises(ValueError, match="'other'.*in a step at n1:20112, n2"):
        clusters.find()


def _with_gpus(monkeypatch, count):
    taken = []
    gpus = [f"gpu {number}" for number in range(count)]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(
        tf.config, "set_visible_devices", lambda some, kind: taken.extend(some)
    )
    return taken


def _two_tasks_on_one_node(monkeypatch):
    _in_slurm(
        monkeypatch, LOCALID=1, STEP_NODELIST="n1", STEP_TASKS_PER_NODE="2"
    )
    monkeypatch.setenv("SLURMD_NODENAME", "n1")
    return clusters.find()


def test_tasks_on_one_node_share_its_gpus(monkeypatch):
    taken = _with_gpus(monkeypatch, 4)
    resolver = clusters.resolver(_two_tasks_on_one_node(monkeypatch))
    assert taken == ["gpu 2", "gpu 3"]
    assert resolver.num_accelerators() == {"GPU": 2}


def test_a_task_keeps_the_gpus_that_slurm_gave_it(monkeypatch):
    taken = _with_gpus(monkeypatch, 1)
    monkeypatch.setenv("SLURM_GPUS_PER_TASK", "1")
    resolver = clusters.resolver(_two_tasks_on_one_node(monkeypatch))
    assert taken == []
    assert resolver.num_accelerators() == {"GPU": 1}


def test_more_tasks_than_gpus_on_a_node_are_refused(monkeypatch):
    _with_gpus(monkeypatch, 1)
    cluster = _two_tasks_on_one_node(monkeypatch)
    with pytest.raises(ValueError, match="2 tasks and 1 GPUs on n1"):
        clusters.resolver(cluster)
