"""A `fit` of the user's own on two workers: two processes on the loopback."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import tflottery

SCRIPT = pathlib.Path(__file__).with_name("fit_worker.py")
ROOT = pathlib.Path(tflottery.__file__).parents[1]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def run_workers(folder, count=2):
    """Runs the script as so many workers; returns what each has found."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    processes = []
    for number in range(count):
        config = {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": number},
        }
        environment = {
            **os.environ,
            "TF_CONFIG": json.dumps(config),
            "PYTHONPATH": str(ROOT),
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, str(SCRIPT), str(folder)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        printed = [each.communicate(timeout=150)[0] for each in processes]
    finally:
        for each in processes:
            each.kill()
    for each, text in zip(processes, printed, strict=True):
        assert each.returncode == 0, text[-4000:]
    return printed, [
        json.loads((folder / f"worker_{number}.json").read_text())
        for number in range(count)
    ]


def test_two_workers_find_one_ticket_and_one_of_them_writes(tmp_path):
    printed, (chief, other) = run_workers(tmp_path)
    assert chief["replicas"] == other["replicas"] == 2
    assert chief["mirrored"] == other["mirrored"] == [True, True]
    assert chief["densities"] == other["densities"] == [1.0, 0.5, 0.25]
    assert chief["masks"] == other["masks"]
    assert len(set(chief["masks"])) == 3
    assert chief["val_loss"] == other["val_loss"]
    assert chief["sparsity"] == other["sparsity"] == 0.75
    # Weights, slots and statistics after each of 8 + 5 + 5 steps.
    assert len(chief["digests"]) == 18
    assert chief["digests"] == other["digests"]
    # Files and lines are the chief's.
    assert (tmp_path / "snapshot").is_file()
    assert chief["run_dir"] == str(tmp_path / "logs" / "fit_0")
    assert other["run_dir"] is None
    assert [p.name for p in (tmp_path / "logs").iterdir()] == ["fit_0"]
    assert len(list((tmp_path / "logs" / "fit_0").rglob("events*"))) == 1
    assert ["round 2/2" in text for text in printed] == [True, False]
    for found in (chief, other):
        assert "do not hold the same test" in found["refused"]
