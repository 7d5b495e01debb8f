"""Workers: what two real processes tell each other."""

import hashlib
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from two_processes import finish

from tflottery.distribution import workers as module

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """What each of two workers has heard: `[{what: text}]`."""
    # One of them is the chief by its job: it comes first.
    said = finish(
        [HERE / "worker_talk.py"], tmp_path_factory.mktemp("talk"), "chief"
    )
    return [
        {
            what: text
            for line in out.splitlines()
            for what, mark, text in [line.partition(" hears: ")]
            if mark
        }
        for out in said
    ]


def test_the_chief_comes_first(talk):
    assert [one["place"] for one in talk] == ["(0, 2, 2)", "(1, 2, 2)"]
    assert sorted(one["own"] for one in talk) == ["[0]", "[1]"]


def test_what_the_chief_reads_all_have(talk):
    values = np.random.default_rng(0).normal(size=3000)
    expected = hashlib.sha256(values.tobytes()).hexdigest()
    assert [one["broadcast"] for one in talk] == [expected, expected]
    assert [one["nothing"] for one in talk] == ["None", "None"]


def test_what_stops_the_chief_stops_all_in_words(talk):
    chief, other = (one["failed"] for one in talk)
    assert chief == "ValueError: `run_dir` is a file."
    assert other == (
        "ChiefRefusedError: The chief has stopped: `run_dir` is a file."
    )
    assert [one["after"] for one in talk] == ["still in step"] * 2


def test_a_difference_is_found_by_all(talk):
    for one in talk:
        assert "do not hold the same mask of round 2" in one["disagree"]
        assert "on worker 1 than on the chief" in one["disagree"]


def test_copies_arrive_with_all_their_bits(talk):
    chief, other = talk
    for number in (0, 1):
        key = f"copies {number}"
        assert chief[key] == other[key]
        # -0.0 keeps its sign, which a sum would lose.
        floats = np.array([-0.0, np.nan, np.inf], np.float16) * (1 + number)
        assert floats.tobytes().hex() in chief[key]
        integers = np.array(-(2**62) + number, np.int64)
        assert integers.tobytes().hex() in chief[key]


def test_statistics_of_all_replicas_are_read_and_written(talk):
    for one in talk:
        assert one["names"] == "['mean']"  # gamma is the same everywhere
        assert one["statistics"] == "[[0.0, -0.0], [1.0, -1.0]]"
        assert one["mean"] == "[0.5, -0.5]"
        assert one["assigned"] == "[[10.0, 0.0], [11.0, 0.0]]"


def test_a_single_process_asks_nobody():
    workers = module.Workers()
    assert (workers.number, workers.count) == (0, 1)
    workers.check_same("mask", "not even a digest")
    with pytest.raises(ZeroDivisionError):
        workers.from_chief(lambda: 1 // 0)


class Two(module.Workers):
    """Says that there are two, as in a cluster."""

    def __init__(self):
        super().__init__()
        self.count = 2


@pytest.mark.parametrize("kind", ["UnavailableError", "AbortedError"])
def test_a_lost_worker_is_said_in_words(kind):
    error = getattr(tf.errors, kind)(None, None, "Connection reset\nby peer")
    with pytest.raises(module.WorkerLostError) as found, Two().watched():
        raise error
    assert "Start all workers again with the same commands" in str(found.value)
    assert "(Connection reset)" in str(found.value)
    with pytest.raises(type(error)), module.Workers().watched():
        raise error


def test_workers_at_different_operations_are_told_so():
    error = tf.errors.InternalError(
        None,
        None,
        "Graph execution error:\n\nCollective instance 237 expected type 0\nat",
    )
    with pytest.raises(module.WorkersDisagreeError) as found, Two().watched():
        raise error
    assert "run the same command" in str(found.value)
    assert "(Collective instance 237 expected type 0)" in str(found.value)


def test_other_errors_are_left_alone():
    error = tf.errors.InvalidArgumentError(None, None, "shapes")
    with pytest.raises(tf.errors.InvalidArgumentError), Two().watched():
        raise error
