"""Lanes: tasks take turns, meet where they ask, and end together."""

import threading

import pytest

from tflottery.lottery.engines import lanes


def answer_all(requests):
    return {lane: f"answer to {value}" for lane, value in requests.items()}


def test_one_lane_runs_at_a_time_in_the_same_order_every_time():
    def trace():
        seen, running = [], threading.Lock()

        def task(name):
            def run(lane):
                for number in range(3):
                    assert running.acquire(blocking=False)
                    seen.append((name, number))
                    running.release()
                    lane.ask(name)

            return run

        lanes.run([task(name) for name in "abcd"], 2, answer_all)
        return seen

    first = trace()
    assert first == trace()
    # a and b turn by turn; c and d follow in the lanes that are free then.
    assert [name for name, _ in first] == list("ababab") + list("cdcdcd")


def test_answers_go_to_who_has_asked_also_if_some_have_to_wait():
    got = []

    def only_the_last(requests):
        lane = max(requests)
        return {lane: requests[lane] * 10}

    def task(value):
        return lambda lane: got.append((value, lane.ask(value)))

    lanes.run([task(1), task(2), task(3)], 3, only_the_last)
    assert got == [(3, 30), (2, 20), (1, 10)]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["task", "perform"])
def test_an_error_ends_all_lanes_and_their_last_blocks_are_run(error, where):
    ended = []

    def task(number):
        def run(lane):
            try:
                lane.ask(number)
                if where == "task" and number == 1:
                    raise error
                lane.ask(number)
            finally:
                ended.append(number)

        return run

    def perform(requests):
        if where == "perform" and requests[0] == 0 and ended == []:
            raise error
        return answer_all(requests)

    before = threading.active_count()
    with pytest.raises(type(error)):
        lanes.run([task(0), task(1), task(2)], 2, perform)
    assert threading.active_count() == before
    assert sorted(ended) == [0, 1]  # task 2 had not begun


def test_a_lane_that_asks_while_it_is_being_ended_is_ended_again():
    asked = []

    def stubborn(lane):
        try:
            lane.ask("first")
        finally:
            asked.append("again")
            lane.ask("more")

    def fail(requests):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        lanes.run([stubborn], 1, fail)
    assert asked == ["again"]


def test_there_may_be_more_lanes_than_tasks_and_no_tasks_at_all():
    lanes.run([], 3, answer_all)
    seen = []
    lanes.run([lambda lane: seen.append(lane.ask(1))], 3, answer_all)
    assert seen == ["answer to 1"]
