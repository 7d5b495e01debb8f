"""Two workers of one cluster: real processes that meet on the loopback."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SECONDS = 300


class Member:
    """A process of the cluster, and what it has said so far."""

    def __init__(self, arguments, cluster, task, log, folder):
        environment = {
            # With one thread, an operation would wait for one behind it.
            **{k: v for k, v in os.environ.items() if "OP_THREADS" not in k},
            "PYTHONPATH": str(ROOT),
            "TF_CONFIG": json.dumps({"cluster": cluster, "task": task}),
        }
        self._log = log  # a file, as a pipe would fill up and block
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self):
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait(self):
        """Returns the exit code."""
        return self.process.wait(timeout=SECONDS)


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def running(arguments, folder, first_job="worker", second=()):
    """Starts both with one command line; kills what is left at the end.

    Each runs in a folder of its own, `worker_0` and `worker_1`.

    Args:
        arguments: what follows `python`.
        folder: where their folders, and what they say, are to be.
        first_job: "chief" makes the first one the chief by its job, else it is
            by its number.
        second: what the second one's command line has besides.
    """
    jobs = [first_job, "worker"]
    cluster, tasks = {}, []
    for job, port in zip(jobs, _free_ports(2), strict=True):
        addresses = cluster.setdefault(job, [])
        tasks.append({"type": job, "index": len(addresses)})
        addresses.append(f"127.0.0.1:{port}")
    members = []
    try:
        for number, task in enumerate(tasks):
            place = folder / f"worker_{number}"
            place.mkdir(parents=True, exist_ok=True)
            log = folder / f"said_{number}"
            line = [*arguments, *(second if number else ())]
            members.append(Member(line, cluster, task, log, place))
        yield members
    finally:
        for member in members:
            member.process.kill()
            member.process.wait()


def finish(arguments, folder, first_job="worker"):
    """Runs both to their good ends; returns what each has said."""
    with running(arguments, folder, first_job) as members:
        codes = [member.wait() for member in members]
        said = [member.said for member in members]
    assert codes == [0, 0], said
    return said
