"""Several processes on one run directory: no row lost, no work done twice."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
from run_contents import contents, read_csv

import tflottery
from tflottery.core import documents, files
from tflottery.core.claims import Claim, ClaimedError, ClaimLostError
from tflottery.lottery import recipes, run_directory, shared_work

ROOT = pathlib.Path(__file__).resolve().parents[2]
# As the command line has it: flags change the first recipe.
CONFIG = recipes.get(recipes.names()[0]).config.replace(
    dataset="digits",
    model_options={"hidden": [8]},
    batch_size=50,
    steps=40,
    validate_every=20,
    rounds=1,
    replicates=3,
)
FLAGS = (
    '--dataset=digits --model_options={"hidden":[8]} --batch_size=50 '
    "--steps=40 --validate_every=20 --rounds=1 --replicates=3"
).split()

# A round that no signal comes too late for.
ENDLESS = "--steps=10000000"


def start(run_dir, *flags):
    return subprocess.Popen(
        [sys.executable, "-m", "tflottery.cli.main", "find", *FLAGS]
        + [f"--run_dir={run_dir}", *flags],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process):
    """Waits for a process; returns its exit code and what it said."""
    said = process.communicate(timeout=180)[1]
    return process.returncode, said


def search(run_dir, config=CONFIG, **keywords):
    return tflottery.find_ticket(
        config=config, run_dir=run_dir, summaries=False, **keywords
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    search(folder)
    return folder


def test_two_processes_on_different_replicates_lose_no_row(alone, tmp_path):
    both = [
        start(tmp_path, "--replicate=0,2"),
        start(tmp_path, "--replicate=1"),
    ]
    for code, said in map(end, both):
        assert code == 0, said
    rows = [
        (r["replicate"], r["round"]) for r in read_csv(tmp_path / "results.csv")
    ]
    expected = [(str(n), str(r)) for n in range(3) for r in range(2)]
    assert rows == expected  # each once, in order
    assert contents(tmp_path) == contents(alone)


def _claims(run_dir):
    return [path for path in run_dir.glob("claims/*/*") if path.is_file()]


def test_sigterm_gives_the_claim_back_and_the_work_is_kept(tmp_path):
    process = start(tmp_path, ENDLESS, "--checkpoint_seconds=0")
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("replicate_0/round_00/checkpoint")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    assert len(_claims(tmp_path)) == 1
    process.send_signal(signal.SIGTERM)
    code, said = end(process)
    assert code == 143
    assert "Interrupted. What is finished is kept. Go on with" in said
    assert ENDLESS in said.splitlines()[-1]
    assert _claims(tmp_path) == []
    assert (tmp_path / "replicate_0/round_00/checkpoint").exists()


def _hold(run_dir, numbers, config=CONFIG):
    run = run_directory.RunDirectory(
        run_dir, config, {"build": None, "data": None}
    )
    return run, [run.claimed(number) for number in numbers]


def test_what_another_works_on_is_left_to_it(tmp_path, caplog):
    _, (held,) = _hold(tmp_path, [1])
    with held:
        result = search(tmp_path)
    assert {row["replicate"] for row in result.rows} == {0, 2}
    assert "Replicate 1 is left to another" in caplog.text
    assert f"held by pid {os.getpid()}" in caplog.text
    rows = search(tmp_path).rows  # free now; the others are not done again
    assert [row["replicate"] for row in rows] == [0, 0, 1, 1, 2, 2]
    assert {row["seconds"] for row in rows if row["replicate"] != 1} == {
        row["seconds"] for row in result.rows
    }


def test_a_single_replicate_in_use_is_refused_at_once(tmp_path):
    _, (held,) = _hold(tmp_path, [1])
    with held, pytest.raises(ClaimedError, match="in use by another process"):
        search(tmp_path, replicates=[1])
    assert not (tmp_path / "replicate_1").exists()


@pytest.mark.parametrize("alive", [False, True])
def test_a_claim_from_elsewhere_is_waited_for_once(
    alive, tmp_path, monkeypatch, caplog
):
    """The machine that held the replicate may have vanished, or not."""
    place = tmp_path / "claims" / "replicate_0" / "claim_0123456789abcdef.json"
    documents.write_json(
        place,
        {
            "state": "held",
            "process": {"host": "afar", "machine": "m", "pid": 7, "start": ""},
            "since": "2026-01-02 03:04:05 UTC",
            "expires": Claim.EXPIRES_SECONDS,
            "renewed": time.time(),
        },
    )
    clock = [0.0]

    def sleep(seconds):
        clock[0] += seconds
        if not alive:  # and so it is not renewed
            then = time.time() - clock[0]
            os.utime(place, (then, then))

    monkeypatch.setattr(
        shared_work,
        "time",
        type("", (), {"sleep": sleep, "monotonic": lambda: clock[0]}),
    )
    config = CONFIG.replace(replicates=1, rounds=0)
    if alive:
        with pytest.raises(ClaimedError, match="pid 7 on host afar"):
            search(tmp_path, config)
        assert Claim.EXPIRES_SECONDS < clock[0] < 1.5 * Claim.EXPIRES_SECONDS
    else:
        assert len(search(tmp_path, config).rows) == 1
        assert not place.exists()
    assert "Waiting up to two minutes" in caplog.text


def test_a_lost_claim_stops_the_writing(tmp_path):
    _, (held,) = _hold(tmp_path, [0])
    with held as journal:
        (claim,) = _claims(tmp_path)
        claim.unlink()
        with pytest.raises(ClaimLostError, match="start again to go on"):
            journal.write_result(0, {}, [])
        assert not (tmp_path / "replicate_0").exists()


def test_a_row_that_comes_while_the_table_is_written_is_not_lost(
    alone, tmp_path, monkeypatch
):
    """Another process finishes a round, and its table, at the worst moment."""
    theirs = run_directory.RunDirectory(
        tmp_path, CONFIG, {"build": None, "data": None}
    )
    ours = run_directory.RunDirectory(
        tmp_path, CONFIG, {"build": None, "data": None}
    )
    with theirs.claimed(0) as journal:
        journal.write_result(0, {"replicate": 0, "round": 0}, [])
    write_text = files.write_text

    def overtaken(path, text):
        monkeypatch.setattr(files, "write_text", write_text)
        with theirs.claimed(1) as journal:
            journal.write_result(1, {"replicate": 1, "round": 1}, [])
        theirs.write_results()
        write_text(path, text)  # ours, which knows nothing of that row

    monkeypatch.setattr(files, "write_text", overtaken)
    ours.write_results()
    found = [
        (r["replicate"], r["round"]) for r in read_csv(tmp_path / "results.csv")
    ]
    assert found == [("0", "0"), ("1", "1")]


def test_damage_in_the_replicate_of_another_is_left_to_its_owner(tmp_path):
    run, (held,) = _hold(tmp_path, [0])
    with held as journal:
        journal.write_result(0, {"replicate": 0, "round": 0}, [])
        place = journal.round_path(0) / "result.json"
        damaged = place.read_text().replace('"round": 0', '"round": 1')
        place.write_text(damaged)
        reader = run_directory.RunDirectory(
            tmp_path, CONFIG, {"build": None, "data": None}
        )
        assert reader.rows() == []
        assert place.read_text() == damaged
        assert journal.result(0) is None  # its owner makes it again
        assert not place.exists()


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"replicates": [3]}, "counted from 0. Received: 3, of 3 replicates"),
        ({"replicates": [-1]}, "`replicates` must be"),
        ({"replicates": []}, "`replicates` must not be empty"),
        ({"replicates": 0}, r"Use replicates=\[0\]"),
        ({"branches": ["tickets"]}, "Did you mean 'ticket'"),
        ({"branches": "ticket"}, r"Use branches=\['ticket'\]"),
    ],
)
def test_what_is_not_there_cannot_be_run(keywords, expected, tmp_path):
    with pytest.raises((TypeError, ValueError), match=expected):
        search(tmp_path / "run", **keywords)
    assert not (tmp_path / "run").exists()


def test_racing_processes_of_many_threads_write_every_row(tmp_path):
    """Five writers of results, each with rounds of its own, at once."""
    config = dataclasses.replace(CONFIG, replicates=5, rounds=4)
    errors = []

    def work(number):
        try:
            run = run_directory.RunDirectory(
                tmp_path, config, {"build": None, "data": None}
            )
            with run.claimed(number) as journal:
                for round in range(5):
                    row = {"replicate": number, "round": round}
                    journal.write_result(round, row, [])
                    run.write_results()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = [
        (r["replicate"], r["round"]) for r in read_csv(tmp_path / "results.csv")
    ]
    assert found == [(str(n), str(r)) for n in range(5) for r in range(5)]
