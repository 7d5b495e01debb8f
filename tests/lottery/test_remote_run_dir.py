"""A run directory in a bucket is complete: it lacks nothing a folder has."""

import re
import shutil

import pytest
import remote_files
import tensorflow as tf
from run_contents import contents
from tensorboard.backend.event_processing import event_accumulator

import tflottery
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.progress import Progress
from tflottery.reports import report

CONFIG = SearchConfig(
    dataset="digits",
    model_options={"hidden": [8]},
    batch_size=50,
    steps=40,
    validate_every=10,
    rounds=2,
    rewind_to="5it",
    rewind_optimizer="restore",
    jit_compile=False,
    prune_fraction=0.4,
)
# Locks are no results, and an event file is named for its moment.
_PASSING = re.compile(r"(^|/)(lock|claims)(/|$)|\.lock$")
_EVENT_FILE = re.compile(r"events\.out\.tfevents\..*")


class StopInRoundOne(Progress):
    """Ends the search in the middle of a round, between checkpoints."""

    def step(self, replicate, round, step, metrics):
        if (round, step) == (1, 30):
            raise KeyboardInterrupt


def search(run_dir, **arguments):
    return tflottery.find_ticket(
        config=CONFIG, run_dir=run_dir, checkpoint_seconds=0.0, **arguments
    )


def without_seconds(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def names(folder):
    found = (
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    )
    return sorted(
        _EVENT_FILE.sub("events", name)
        for name in found
        if not _PASSING.search(name)
    )


def event_values(folder):
    """Returns `{tag: {step: value}}` of scalars and pictures."""
    reader = event_accumulator.EventAccumulator(str(folder), {"tensors": 0})
    reader.Reload()
    return {
        tag: {
            event.step: tf.make_ndarray(event.tensor_proto).tolist()
            for event in reader.Tensors(tag)
        }
        for tag in reader.Tags()["tensors"]
    }


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local")
    result = search(folder)
    return folder, result


@pytest.fixture(scope="module")
def module_bucket(tmp_path_factory):
    with remote_files.bucket_in(tmp_path_factory.mktemp("hidden")) as found:
        yield found


@pytest.fixture(scope="module")
def stopped(module_bucket):
    """The same search, stopped in the midst of a round and then continued.

    Returns its path, its hidden folder and its result; and of the stop: the
    files that were there, the rounds in the logs, and the first step after it.
    """
    path = module_bucket.path / "runs" / "first"
    hidden = module_bucket.folder / "runs" / "first"
    with pytest.raises(KeyboardInterrupt):
        search(path, progress=StopInRoundOne())
    before = names(hidden)
    logged = event_values(hidden / "tensorboard/replicate_0")
    steps = []

    class Noting(Progress):
        def step(self, replicate, round, step, metrics):
            steps.append((round, step))

    result = search(str(path), progress=Noting())
    logged = list(logged["by_round/density"])
    return path, hidden, result, (before, logged, steps[0])


@pytest.fixture(scope="module")
def remote(stopped):
    """The path, the hidden folder and the result of the remote search."""
    return stopped[:3]


def test_a_remote_search_goes_on_where_it_was_stopped(stopped):
    *_, (before, logged, first_step) = stopped
    assert "replicate_0/round_01/checkpoint" in before
    assert "replicate_0/round_00/result.json" in before
    assert "replicate_0/round_01/result.json" not in before
    assert logged == [0]  # no round that was written is lost
    assert first_step == (1, 30)  # from the checkpoint of step 20


def test_it_leaves_the_same_files_and_rows_as_a_local_one(local, remote):
    here, expected = local
    _, hidden, found = remote
    assert without_seconds(found.rows) == without_seconds(expected.rows)
    assert len(found.rows) == 3
    assert found.verdict == expected.verdict
    assert names(hidden) == names(here)
    assert "tensorboard/replicate_0/events" in names(hidden)
    assert contents(hidden) == contents(here)


def test_what_is_finished_there_is_not_done_again(remote):
    path, hidden, found = remote
    before = {file: file.stat().st_mtime_ns for file in hidden.rglob("trained")}
    assert len(before) == 3
    assert search(path, progress=StopInRoundOne()).rows == found.rows
    after = {file: file.stat().st_mtime_ns for file in hidden.rglob("trained")}
    assert after == before


def test_its_tickets_can_be_loaded_from_there(local, remote):
    _, expected = local
    path, _, found = remote
    for ticket in (
        found.ticket_of_round(2),
        tflottery.Ticket.load(path / "replicate_0" / "round_02" / "ticket"),
        tflottery.Ticket.load(f"{path}/replicate_0/round_02/ticket"),
    ):
        assert ticket.mask == expected.ticket_of_round(2).mask
        assert ticket.info == expected.ticket_of_round(2).info
    assert found.ticket.mask == expected.ticket.mask


def test_its_tensorboard_logs_are_whole_when_copied(local, remote, tmp_path):
    here, _ = local
    _, hidden, _ = remote
    part = "tensorboard/replicate_0"
    shutil.copytree(hidden / part, tmp_path / "copy")
    found = event_values(tmp_path / "copy")
    expected = event_values(here / part)
    assert {tag: list(steps) for tag, steps in found.items()} == {
        tag: list(steps) for tag, steps in expected.items()
    }
    assert list(found["by_round/density"]) == [0, 1, 2]
    assert len(found["first_layer_mask/inputs_by_units"]) == 3
    assert {t: v for t, v in found.items() if "seconds" not in t} == {
        t: v for t, v in expected.items() if "seconds" not in t
    }


def test_its_report_is_written_there(local, module_bucket, remote, tmp_path):
    here, path = tmp_path / "run", module_bucket.path / "reported"
    hidden = module_bucket.folder / "reported"
    shutil.copytree(local[0], here)
    shutil.copytree(remote[1], hidden)
    expected, found = report.write_report(here), report.write_report(str(path))
    for name in ("figures/density.png", "figures/density.svg"):
        assert (hidden / name).read_bytes() == (here / name).read_bytes()
    assert (hidden / "figures" / "training_curves.png").exists()
    assert names(hidden) == names(here)
    assert found.verdict == expected.verdict
    assert str(found.page) == f"{path}/report.html"
    assert found.page.read_text().count("<img") == len(found.figures) // 2
    assert str(found.tensorboard) == f"{path}/tensorboard"
    assert str(found.ticket).startswith(f"{path}/replicate_0/round_0")
