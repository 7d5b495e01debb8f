"""The performer: who is ready goes on, whoever else still runs."""

import threading

import pytest
import tensorflow as tf

from tflottery.core import cores
from tflottery.lottery.engines.joint import Call, Performer, Program


def number(value):
    return {"value": tf.constant(value)}


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(cores, "count", lambda: 2)


def test_programs_run_at_the_same_time_and_are_not_begun_twice():
    """Each of two waits for the other; a third would have to wait for them."""
    meet, begun = threading.Barrier(2, timeout=30), []

    def run():
        begun.append(threading.get_ident())
        meet.wait()
        return number(len(begun))

    requests = {0: Program(run), 1: Program(run)}
    answers = {}
    with Performer() as perform:
        while requests:
            found = perform(requests)
            answers.update(found)
            for lane in found:
                del requests[lane]
    assert set(answers) == {0, 1} and len(begun) == len(set(begun)) == 2
    assert threading.get_ident() not in begun


def test_who_is_ready_does_not_wait_for_who_is_not():
    free = threading.Event()

    def slow():
        assert free.wait(timeout=30)
        return number(1)

    requests = {0: Program(slow), 1: Program(lambda: number(2))}
    with Performer() as perform:
        assert perform(requests) == {1: {"value": 2}}
        requests[1] = Program(lambda: number(3))
        assert perform(requests) == {1: {"value": 3}}
        # A call is done here and now, while the slow one still runs.
        requests[1] = Call(threading.get_ident)
        assert perform(requests) == {1: threading.get_ident()}
        free.set()
        assert perform({0: requests[0]}) == {0: {"value": 1}}


def test_between_two_calls_the_programs_that_have_ended_are_answered():
    """So that their lanes ask for the next ones while one lane is busy."""
    free, answers = threading.Event(), []

    def run():
        assert free.wait(timeout=30)
        return number(1)

    requests = {0: Call(free.set), 1: Program(run), 2: Call(free.set)}
    with Performer() as perform:
        for _ in range(4):
            answers.append(perform(requests))
            for running in perform._running.values():
                running.result(timeout=30)
    # Lane 2 has its turn when lane 0 asks for something else.
    assert answers == [{0: None}, {1: {"value": 1}}] * 2


def test_who_is_behind_goes_first(monkeypatch):
    """Of those that wait lane 4 is behind; lanes 1 and 2 are level."""
    monkeypatch.setattr(cores, "count", lambda: 1)
    begun, free = [], threading.Event()

    def program(lane, turn):
        def run():
            assert free.wait(timeout=30)
            begun.append(lane)
            return number(lane)

        return Program(run, turn)

    turns = {0: 5, 1: 2, 2: 2, 3: 7, 4: 1}
    requests = {lane: program(lane, turn) for lane, turn in turns.items()}
    with Performer() as perform:
        threading.Timer(0.2, free.set).start()
        while requests:
            for lane in perform(requests):
                del requests[lane]
    # The first may begin at once, as nothing else is known yet.
    assert [lane for lane in begun if lane != 0] == [4, 1, 2, 3]


def test_an_error_of_a_program_reaches_the_caller_and_no_thread_is_left():
    def fail():
        raise ArithmeticError("no number")

    before = threading.active_count()
    with Performer() as perform:
        with pytest.raises(ArithmeticError, match="no number"):
            perform({0: Program(fail)})
    assert threading.active_count() == before
