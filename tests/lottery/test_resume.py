"""Killed at any moment, damaged anywhere: the run ends the same."""

import random
import signal
import subprocess
import sys
import time

import pytest
from run_contents import contents

import tflottery
from tflottery.lottery import training
from tflottery.lottery.config import SearchConfig

CONFIG = SearchConfig(
    dataset="digits",
    model_options={"hidden": [12, 8]},
    batch_size=50,
    steps=120,
    validate_every=20,
    rounds=2,
    replicates=2,
    rewind_to="25it",
    rewind_optimizer="restore",
    prune_fraction=0.4,
)
SCRIPT = """
import sys
import tflottery
from tflottery.lottery.progress import Progress

class Loud(Progress):
    def start(self, *arguments, **keywords):
        print("started", flush=True)

config = tflottery.SearchConfig.from_dict(eval(sys.argv[2]))
tflottery.find_ticket(config=config, run_dir=sys.argv[1], progress=Loud(),
                      checkpoint_seconds=0.0, summaries=False)
"""


def start(run_dir):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(run_dir), repr(CONFIG.to_dict())],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline().strip() == "started"
    process.stdout.close()
    return process


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    process = start(folder)
    began = time.monotonic()
    assert process.wait(timeout=300) == 0
    return contents(folder), time.monotonic() - began


def check_kills(uninterrupted, folder, kills, seed):
    expected, seconds = uninterrupted
    chance = random.Random(seed)
    done = 0
    while done < kills:
        process = start(folder)
        try:
            # Short enough that many kills fall into the run's whole length.
            process.wait(timeout=chance.uniform(0.2, seconds / 2))
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            done += 1
    process = start(folder)
    assert process.wait(timeout=300) == 0
    found = contents(folder)
    assert found.keys() == expected.keys() and len(found) > 25
    for name in expected:
        assert found[name] == expected[name], name
    return done


@pytest.mark.slow
def test_a_run_killed_three_times_ends_with_the_same_bytes(
    uninterrupted, tmp_path
):
    assert check_kills(uninterrupted, tmp_path, kills=3, seed=1) >= 1


@pytest.mark.slow
def test_a_run_killed_twenty_times_ends_with_the_same_bytes(
    uninterrupted, tmp_path
):
    killed = 0
    for attempt in range(20):
        killed += check_kills(
            uninterrupted, tmp_path / str(attempt), 20 - killed, attempt
        )
        if killed >= 20:
            return
    raise AssertionError(f"only {killed} kills took place")


SMALL = CONFIG.replace(steps=40, validate_every=20, rounds=2, replicates=1)


def search(folder):
    return tflottery.find_ticket(config=SMALL, run_dir=folder, summaries=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    search(folder)
    return folder


def _files(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    )


EXPECTED_FILES = [
    "config.json",
    "replicate_0/initial",
    "replicate_0/rewind",
    *(
        f"replicate_0/round_0{round}/{name}"
        for round in range(3)
        for name in ("history.csv", "mask", "result.json", "ticket", "trained")
    ),
    "results.csv",
]


def test_a_run_directory_holds_what_these_tests_damage(small):
    assert _files(small) == sorted(EXPECTED_FILES)


@pytest.mark.parametrize(
    "how", ["flipped", pytest.param("truncated", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "name",
    [
        # One of each kind; the other rounds are slow.
        pytest.param(
            name,
            marks=pytest.mark.slow
            if "round_00" in name or "round_02" in name
            else (),
        )
        for name in EXPECTED_FILES
    ],
)
def test_a_damaged_file_is_made_again(small, tmp_path, name, how):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(small, folder)
    expected = contents(small)
    path = folder / name
    data = bytearray(path.read_bytes())
    if how == "truncated":
        data = data[: len(data) // 2]
    else:
        data[len(data) // 2] ^= 0b10
    path.write_bytes(data)
    search(folder)
    assert contents(folder) == expected


@pytest.mark.slow
def test_a_damaged_checkpoint_is_noticed_and_the_round_begins_again(
    small, tmp_path, monkeypatch
):
    folder = tmp_path / "run"
    original = training._Watch._validate
    calls = []

    def stop_later(self, loss):
        original(self, loss)
        calls.append(1)
        if len(calls) == 3:
            training.save(self.checkpoint, self.model, self.progress)
            raise KeyboardInterrupt

    monkeypatch.setattr(training._Watch, "_validate", stop_later)
    with pytest.raises(KeyboardInterrupt):
        search(folder)
    monkeypatch.undo()
    checkpoints = list(folder.rglob("checkpoint"))
    assert len(checkpoints) == 1
    data = bytearray(checkpoints[0].read_bytes())
    data[-50] ^= 1
    checkpoints[0].write_bytes(data)
    search(folder)
    assert contents(folder) == contents(small)


def test_a_full_disk_loses_nothing(small, tmp_path, monkeypatch):
    """Every write fails from some moment on; then there is room again."""
    from tflottery.core import files

    folder = tmp_path / "run"
    write = files.write_bytes
    written = []

    def until_full(path, data):
        if len(written) >= 9:
            raise OSError(28, "No space left on device")
        written.append(path)
        return write(path, data)

    monkeypatch.setattr(files, "write_bytes", until_full)
    with pytest.raises(OSError, match="No space left"):
        search(folder)
    monkeypatch.undo()
    # Where training is slow, a checkpoint was due before the disk was full.
    allowed = {*EXPECTED_FILES, "replicate_0/round_00/checkpoint"}
    assert "config.json" in _files(folder) and set(_files(folder)) <= allowed
    search(folder)
    assert contents(folder) == contents(small)
