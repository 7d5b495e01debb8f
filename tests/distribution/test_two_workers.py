"""Two real workers: a search from one command line per worker.

The workers are processes that find each other on the loopback by `TF_CONFIG`;
collective operations, heartbeats and kills are the real ones.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest
from run_contents import contents, read_csv

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMAND = (
    "find --strategy=multi_worker --keras=tf_keras --dataset=digits "
    '--model_options={"hidden":[16]} --batch_size=50 --steps=160 '
    "--validate_every=20 --rounds=2 --replicates=1 --prune_fraction=0.5 "
    "--rewind_to=20it --rewind_optimizer=restore --checkpoint_seconds=0 "
    "--run_dir=run"
).split()


def _free_ports():
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Worker:
    """A process, and what it has said so far."""

    def __init__(self, folder, index, cluster):
        place = folder / f"worker_{index}"
        place.mkdir(parents=True, exist_ok=True)
        task = {"type": "worker", "index": index}
        environment = {
            # With one thread, an operation would wait for one behind it.
            **{k: v for k, v in os.environ.items() if "OP_THREADS" not in k},
            "PYTHONPATH": str(ROOT),
            "TF_CONFIG": json.dumps({"cluster": cluster, "task": task}),
        }
        self._log = folder / f"said_{index}"  # a pipe would fill up
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tflottery.cli.main", *COMMAND],
                cwd=place,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self):
        return self._log.read_text(encoding="utf-8")

    def wait(self):
        return self.process.wait(timeout=300)


@contextlib.contextmanager
def two_workers(folder):
    """Starts both; each has a folder of its own to run in.

    Only the chief's holds the run directory, so that a worker that wrote
    files by itself would be found out.
    """
    cluster = {"worker": [f"127.0.0.1:{port}" for port in _free_ports()]}
    workers = [Worker(folder, index, cluster) for index in range(2)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()


def finish(folder):
    """Runs both to their ends; returns what each said."""
    with two_workers(folder) as workers:
        codes = [worker.wait() for worker in workers]
        assert codes == [0, 0], [worker.said for worker in workers]
        return [worker.said for worker in workers]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    return folder, finish(folder)


def test_two_workers_find_a_ticket_and_the_chief_alone_writes(uninterrupted):
    folder, (chief, other) = uninterrupted
    rows = read_csv(folder / "worker_0" / "run" / "results.csv")
    assert [row["round"] for row in rows] == ["0", "1", "2"]
    assert (folder / "worker_0" / "run" / "report.html").exists()
    assert not list((folder / "worker_1").iterdir())
    assert "ticket" in chief
    assert "Worker 1 of 2: " in other
    verdict = other.split("Worker 1 of 2: ")[1].split(".")[0]
    assert verdict in " ".join(chief.split())  # both know what was found


def test_two_workers_find_what_one_process_finds(uninterrupted, tmp_path):
    folder, _ = uninterrupted
    alone = [word for word in COMMAND if "--strategy" not in word]
    subprocess.run(
        [sys.executable, "-m", "tflottery.cli.main", *alone],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        timeout=180,
    )
    ours = read_csv(folder / "worker_0" / "run" / "results.csv")
    theirs = read_csv(tmp_path / "run" / "results.csv")
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["density"] == other["density"]
        # Gradients are summed in another order: float32 rounding, which 160
        # steps carry on.
        assert float(mine["validation_loss"]) == pytest.approx(
            float(other["validation_loss"]), abs=1e-3
        )


def _wait_for(path, workers):
    deadline = time.monotonic() + 120
    while not path.exists():
        for worker in workers:
            assert worker.process.poll() is None, worker.said
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.005)


@pytest.mark.parametrize("victim", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_a_worker_killed_in_a_round_costs_nothing_but_time(
    victim, uninterrupted, tmp_path
):
    run = tmp_path / "worker_0" / "run"
    with two_workers(tmp_path) as workers:
        _wait_for(run / "replicate_0/round_01/checkpoint", workers)
        workers[victim].process.send_signal(signal.SIGKILL)
        code, said = workers[1 - victim].wait(), workers[1 - victim].said
    assert code == 1, said
    assert "A worker of the cluster was lost" in said
    assert "Start all workers again with the same commands" in said
    assert not (run / "replicate_0/round_01/result.json").exists()
    assert (run / "replicate_0/round_01/checkpoint").exists()
    finish(tmp_path)
    folder, _ = uninterrupted
    assert contents(run) == contents(folder / "worker_0" / "run")
