"""Two real workers: a search from one command line per worker.

The workers are processes that find each other on the loopback by `TF_CONFIG`;
collective operations, heartbeats and kills are the real ones. Each runs in a
folder of its own, and only the chief's may hold the run directory.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from run_contents import contents, read_csv
from two_processes import finish, running

from tflottery.core import records

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ["-m", "tflottery.cli.main"]
COMMAND = (
    "find --strategy=multi_worker --keras=tf_keras --dataset=digits "
    '--model_options={"hidden":[16]} --batch_size=50 --steps=80 '
    "--validate_every=20 --rounds=1 --replicates=1 --prune_fraction=0.5 "
    "--rewind_to=20it --rewind_optimizer=restore --checkpoint_seconds=0 "
    "--run_dir=run"
).split()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    return folder, finish([*PROGRAM, *COMMAND], folder)


def test_two_workers_find_a_ticket_and_the_chief_alone_writes(uninterrupted):
    folder, (chief, other) = uninterrupted
    rows = read_csv(folder / "worker_0" / "run" / "results.csv")
    assert [row["round"] for row in rows] == ["0", "1"]
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
        [sys.executable, *PROGRAM, *alone],
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
        # Gradients are summed in another order: float32 rounding, which 80
        # steps carry on.
        assert float(mine["validation_loss"]) == pytest.approx(
            float(other["validation_loss"]), abs=1e-3
        )


CURVE = "replicate_0/round_01/history.csv"


def mark(checkpoint):
    """Changes a loss that was noted, which nothing else depends on."""
    arrays, facts = records.read_record(checkpoint, "checkpoint")
    assert facts["step"] >= 20
    arrays["curve/train_loss"] = np.full_like(arrays["curve/train_loss"], 123.0)
    records.write_record(checkpoint, "checkpoint", arrays, facts)


def _wait_for(path, workers):
    deadline = time.monotonic() + 120
    while not path.exists():
        for worker in workers:
            assert worker.process.poll() is None, worker.said
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [1, 0])
def test_a_worker_killed_in_a_round_costs_nothing_but_time(
    victim, uninterrupted, tmp_path
):
    run = tmp_path / "worker_0" / "run"
    with running([*PROGRAM, *COMMAND], tmp_path) as workers:
        _wait_for(run / "replicate_0/round_01/checkpoint", workers)
        workers[victim].process.send_signal(signal.SIGKILL)
        code, said = workers[1 - victim].wait(), workers[1 - victim].said
    assert code == 1, said
    assert "A worker of the cluster was lost" in said
    assert "Start all workers again with the same commands" in said
    assert not (run / "replicate_0/round_01/result.json").exists()
    mark(run / "replicate_0/round_01/checkpoint")
    finish([*PROGRAM, *COMMAND], tmp_path)
    folder, _ = uninterrupted
    ours, theirs = contents(run), contents(folder / "worker_0" / "run")
    assert b",123.0," in ours.pop(CURVE)  # it went on, and did not begin again
    assert b",123.0," not in theirs.pop(CURVE)
    assert ours == theirs


@pytest.mark.slow
@pytest.mark.parametrize(
    "flag", ["--validation_size=200", "--steps=180", "--rounds=2"]
)
def test_workers_with_other_settings_stop_in_words(flag, tmp_path):
    command = [*PROGRAM, *COMMAND]
    with running(command, tmp_path, second=[flag]) as workers:
        assert [worker.wait() for worker in workers] == [1, 1]
        for worker in workers:
            assert "do not hold the same settings" in worker.said
            assert "Traceback" not in worker.said
    assert not (tmp_path / "worker_0" / "run").exists()
