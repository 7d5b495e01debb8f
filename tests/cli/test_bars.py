import io

import pytest
from rich.console import Console

from tflottery.cli import progress
from tflottery.lottery.progress import Progress

ROW = {
    "replicate": 0,
    "round": 1,
    "density": 0.8,
    "best_step": 400,
    "test_accuracy_best": 0.9234,
    "seconds": 12.34,
}


class _Clock:
    now = 0.0

    def __call__(self):
        return self.now


def _log(**settings):
    stream, clock = io.StringIO(), _Clock()
    return progress.LogProgress(stream, clock=clock, **settings), stream, clock


def test_a_log_tells_rounds_as_they_begin_and_end():
    log, stream, _ = _log()
    log.start(10, 1)
    log.round_started(0, 1, 0.8, 2000)
    log.round_finished(ROW)
    log.finish()
    assert stream.getvalue() == (
        "round 1 of 10: training to step 2000 with 80.0% of the weights\n"
        "round 1 of 10: 80.0% of the weights, early stop at step 400, test "
        "accuracy there 92.34% (12.3 s)\n"
    )


def test_a_log_tells_which_control_a_round_is_of():
    log, stream, _ = _log()
    log.start(10, 1)
    log.controls_planned(4)
    log.branch_started(0, "random_reinit", 1, 2)
    log.round_started(0, 3, 0.5, 2000)
    assert stream.getvalue() == (
        "random reinit, draw 1, round 3 of 10: training to step 2000 with "
        "50.0% of the weights\n"
    )


def test_controls_count_as_rounds_of_their_replicate():
    place = progress._Place(10, 2)
    place.control_rounds = 4
    assert place.stages == 2 * (11 + 4)
    place.branch_started(0, "one_shot", 0, 1)
    assert place.stage(0, 7) == 11 + 1
    place.round_finished(0)
    assert place.stage(0, 9) == 11 + 2
    assert place.stage(1, 3) == 15 + 3


def test_a_log_tells_replicates_where_there_are_several():
    log, stream, _ = _log()
    log.start(10, 3)
    log.round_started(2, 1, 0.8, 2000)
    assert stream.getvalue().startswith("replicate 2 of 0–2, round 1 of 10: ")


def test_a_log_tells_steps_only_now_and_then():
    log, stream, clock = _log(every_seconds=30)
    log.start(10, 1)
    log.round_started(0, 0, 1.0, 2000)
    for step, clock.now in ((100, 10), (200, 29), (300, 31), (400, 40)):
        log.step(0, 0, step, {"validation_accuracy": 0.5, "other": 1.0})
    lines = stream.getvalue().splitlines()
    assert lines[1:] == [
        "round 0 of 10: step 300 of 2000, validation accuracy 50.00%"
    ]


@pytest.fixture
def terminal():
    stream = io.StringIO()
    return Console(file=stream, force_terminal=True, width=150), stream


def test_bars_follow_the_search(terminal):
    console, stream = terminal
    bars = progress.RichProgress(console)
    bars.start(3, 2)
    search, round_ = bars._bars.tasks
    assert search.total == 8  # Two replicates of rounds 0, 1, 2 and 3.
    bars.round_started(1, 2, 0.64, 200)
    assert (search.completed, round_.total) == (6, 200)
    bars.step(1, 2, 50, {"validation_accuracy": 0.5})
    assert (search.completed, round_.completed) == (6.25, 50)
    assert "validation accuracy 50.00%" in round_.fields["note"]
    assert "replicate 1 of 0–1, round 2 of 3" in search.fields["note"]
    bars.round_finished({**ROW, "replicate": 1, "round": 2})
    assert search.completed == 7
    bars.finish()
    assert "test accuracy there 92.34%" in stream.getvalue()


def test_rounds_of_networks_trained_together_are_counted_as_they_end(terminal):
    """Four rounds begin; steps are told of one; they end one by one."""
    bars = progress.RichProgress(terminal[0])
    bars.start(3, 4)
    bars.trained_together(4)
    search = bars._bars.tasks[0]
    for replicate in range(4):
        bars.round_started(replicate, 0, 1.0, 200)
    bars.step(0, 0, 50, {})
    assert search.completed == 1  # a quarter of four rounds
    for replicate in (2, 0, 1, 3):
        bars.round_finished({**ROW, "replicate": replicate, "round": 0})
        assert search.completed == 4
    bars.round_started(0, 1, 0.8, 200)
    assert search.completed == 4
    bars.finish()


def test_rounds_found_finished_do_not_count_as_speed(terminal):
    bars = progress.RichProgress(terminal[0])
    bars.start(100, 1)
    bars.round_started(0, 90, 0.1, 200)
    search = bars._bars.tasks[0]
    assert search.completed == 90
    assert search.speed is None
    bars.finish()


def test_bars_may_be_finished_at_any_time_and_twice(terminal):
    bars = progress.RichProgress(terminal[0])
    bars.finish()
    bars.start(1, 1)
    bars.finish()
    bars.finish()
    assert bars._bars.live.is_started is False


def test_a_terminal_gets_bars():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    assert isinstance(progress.make_progress(Terminal()), progress.RichProgress)


@pytest.mark.parametrize("view", ["silent", "log", "rich"])
def test_every_view_takes_every_call(view, terminal):
    seen = {
        "silent": Progress,
        "log": lambda: progress.LogProgress(io.StringIO()),
        "rich": lambda: progress.RichProgress(terminal[0]),
    }[view]()
    seen.start(total_rounds=1, replicates=1)
    seen.round_started(replicate=0, round=0, density=1.0, steps=10)
    seen.step(replicate=0, round=0, step=5, metrics={})
    seen.round_finished(row={**ROW, "round": 0})
    seen.finish()
