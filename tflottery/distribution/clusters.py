"""Clusters: which workers the surroundings name.

A launcher says in the environment who takes part: `TF_CONFIG`, or Slurm's
variables. TensorFlow trusts what it reads and fails, or waits, much later. Here
it is read and checked first, and refused in words.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

_JOBS = ("chief", "worker")
_EXAMPLE = (
    "On the first of two workers, set for example "
    'TF_CONFIG=\'{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}\'; on the second, index 1.'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a cluster, and which of them this process is.

    Attributes:
        source: who named them, "TF_CONFIG" or "Slurm".
        jobs: "host:port" addresses by job, which is "chief" or "worker".
        task_type: the job of this process.
        task_index: its place within the job, from 0.
    """

    source: str
    jobs: Mapping[str, tuple[str, ...]]
    task_type: str
    task_index: int

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses of all workers, that of the chief first."""
        return tuple(
            address for job in _JOBS for address in self.jobs.get(job, ())
        )

    @property
    def address(self) -> str:
        """Address of this process."""
        return self.jobs[self.task_type][self.task_index]

    def describe(self) -> str:
        """Returns one phrase: which worker, of which, named by whom.

        Example:
            >>> jobs = {"worker": ("host1:2222", "host2:2222")}
            >>> Cluster("TF_CONFIG", jobs, "worker", 1).describe()
            'worker 1 of 2 (host1:2222, host2:2222; from TF_CONFIG)'
        """
        every = self.addresses
        return (
            f"worker {every.index(self.address)} of {len(every)} "
            f"({', '.join(every)}; from {self.source})"
        )


def find() -> Cluster:
    """Returns the cluster that the environment names.

    `TF_CONFIG` comes first, then Slurm's variables of a step with more than one
    task. Slurm's tasks get ports that follow from the number of the job.

    Raises:
        ValueError: neither is there, or what is there cannot be used.
    """
    text = os.environ.get("TF_CONFIG", "")
    if text.strip():
        return _from_tf_config(text)
    tasks = _slurm_tasks()
    if tasks > 1:
        return _from_slurm(tasks)
    raise ValueError(
        "`strategy='multi_worker'` must be told of its cluster by the "
        "environment. Received: no TF_CONFIG, and no Slurm step of more than "
        f"one task. {_EXAMPLE} Under Slurm, start with `srun --ntasks=2`."
    )


def resolver(cluster: Cluster) -> Any:
    """Returns TensorFlow's resolver of a cluster.

    Several Slurm tasks on one node share its GPUs evenly, unless Slurm gave
    each its own (`--gpus-per-task`).

    Raises:
        ValueError: GPUs cannot be shared, or not any more.
    """
    if cluster.source == "TF_CONFIG":
        return tf.distribute.cluster_resolver.TFConfigClusterResolver()
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({k: list(v) for k, v in cluster.jobs.items()}),
        task_type=cluster.task_type,
        task_id=cluster.task_index,
        num_accelerators={"GPU": _take_gpus(cluster)},
        rpc_layer="grpc",
    )


def _from_tf_config(text: str) -> Cluster:
    def refuse(expectation: str) -> ValueError:
        return ValueError(
            f"`TF_CONFIG` must {expectation}. Received: TF_CONFIG={text!r}. "
            f"{_EXAMPLE}"
        )

    try:
        config = json.loads(text)
    except ValueError as error:
        raise refuse(f"be JSON ({error})") from error
    if not isinstance(config, dict):
        raise refuse("be a JSON object")
    jobs, task = config.get("cluster"), config.get("task")
    if not isinstance(jobs, dict) or not jobs:
        raise refuse("have a member `cluster`, lists of addresses by job")
    if not isinstance(task, dict) or not {"type", "index"} <= set(task):
        raise refuse("have a member `task` with `type` and `index`")
    strangers = [job for job in (*jobs, task["type"]) if job not in _JOBS]
    if strangers:
        raise refuse(f"name only 'chief' and 'worker', not {strangers[0]!r}")
    for job, addresses in jobs.items():
        if not isinstance(addresses, list) or not all(
            isinstance(address, str) and re.fullmatch(r".+:\d+", address)
            for address in addresses
        ):
            raise refuse(f"list the {job!r} addresses as 'host:port'")
    every = [address for addresses in jobs.values() for address in addresses]
    if len(set(every)) < len(every):
        raise refuse("name each address once")
    if len(jobs.get("chief", [])) > 1:
        raise refuse("name one chief at most")
    kind, index = task["type"], str(task["index"])
    count = len(jobs.get(kind, []))
    if not (index.isdecimal() and int(index) < count):
        raise refuse(
            f"have a task index below {count}, the number of {kind!r} tasks"
        )
    members = {job: tuple(addresses) for job, addresses in jobs.items()}
    return Cluster("TF_CONFIG", members, kind, int(index))


def _slurm_tasks() -> int:
    if "SLURM_PROCID" not in os.environ:
        return 0
    step, job = map(os.environ.get, ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"))
    text = step or job or ""
    return int(text) if text.isdecimal() else 0


def _from_slurm(tasks: int) -> Cluster:
    # Jobs that share a node should not meet on a port: 16 ports for each, below
    # the ports that systems give out by themselves.
    job = os.environ.get("SLURM_JOB_ID", "0")
    port = 20000 + 16 * (int(job) % 700 if job.isdecimal() else 0)
    try:
        # The GPUs are shared by `_take_gpus`: this resolver divides by zero on
        # nodes without any, and counts CUDA_VISIBLE_DEVICES=-1 as one.
        found = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=port,
            gpus_per_node=tasks,
            gpus_per_task=1,
            auto_set_gpu=False,
        )
        jobs = found.cluster_spec().as_dict()
        _, index = found.get_task_info()
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"Slurm's variables must describe a step. Received: {error} Start "
            f"the workers with `srun`, or set TF_CONFIG. {_EXAMPLE}"
        ) from error
    # The resolver takes tasks to be numbered along the sorted names of the
    # nodes, but Slurm sorts n9 before n10 and may deal them out in turn.
    node = os.environ.get("SLURMD_NODENAME")
    local = os.environ.get("SLURM_LOCALID", "")
    addresses = jobs["worker"]
    if node and local.isdecimal():
        own = f"{node}:{port + int(local)}"
        index = addresses.index(own) if own in addresses else None
    if index is None:
        raise ValueError(
            "Slurm's variables must place this task in its step. Received: "
            f"SLURM_PROCID={os.environ['SLURM_PROCID']!r}, "
            f"SLURMD_NODENAME={node!r}, SLURM_LOCALID={local!r} in a step at "
            f"{', '.join(addresses)}. Set TF_CONFIG instead. {_EXAMPLE}"
        )
    return Cluster("Slurm", {"worker": tuple(addresses)}, "worker", index)


def _take_gpus(cluster: Cluster) -> int:
    gpus = tf.config.list_physical_devices("GPU")
    host = cluster.address.rpartition(":")[0]
    here = [a for a in cluster.addresses if a.rpartition(":")[0] == host]
    if not gpus or len(here) == 1 or "SLURM_GPUS_PER_TASK" in os.environ:
        return len(gpus)
    share = len(gpus) // len(here)
    way_out = "Start one task per node, or use `srun --gpus-per-task=1`."
    if not share:
        raise ValueError(
            "A node must have a GPU for each of its tasks, or none. Received: "
            f"{len(here)} tasks and {len(gpus)} GPUs on {host}. {way_out}"
        )
    first = here.index(cluster.address) * share
    try:
        tf.config.set_visible_devices(gpus[first : first + share], "GPU")
    except RuntimeError as error:
        raise ValueError(
            "GPUs must be shared among tasks before TensorFlow has run. "
            f"Received: {error}. {way_out}"
        ) from error
    return share
