"""`Lanes`: tasks that take turns, and leave to others what can be done at once.

Each task runs in a lane, which is a thread, but never two of them run at once,
so tasks need no locks. A lane runs until it asks for something; when all have
asked, the caller's thread sees to it, and a lane that has its answer goes on.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Task = Callable[["Lane"], None]
# Does some of what is asked for, at least one, and returns the answers.
Perform = Callable[[Mapping[int, Any]], Mapping[int, Any]]


class _Cancelled(BaseException):
    """Ends a lane where it stands; its `finally` blocks are run."""


class Lane:
    """One of several lanes, as its tasks see it.

    Attributes:
        number: Which lane it is, from 0.
    """

    def __init__(self, number: int):
        self.number = number
        self._request: Any = None
        self._answer: Any = None
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._cancelled = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def ask(self, request: Any) -> Any:
        """Waits until a request is done, and returns what came of it.

        Args:
            request: What is passed to the function that performs requests.
        """
        self._request = request
        self._stopped.release()
        self._go.acquire()
        if self._cancelled:
            raise _Cancelled
        return self._answer

    @property
    def is_here(self) -> bool:
        """Whether it is this lane that asks."""
        return threading.current_thread() is self._thread

    def _begin(self, tasks: collections.deque[Task]) -> None:
        self._thread = threading.Thread(
            target=self._work, args=(tasks,), daemon=True
        )
        self._thread.start()
        self._stopped.acquire()

    def _work(self, tasks):
        try:
            while tasks:
                tasks.popleft()(self)
        except BaseException as error:
            self._error = error
        self._request = None
        self._thread = None
        self._stopped.release()

    def _resume(self, answer: Any) -> None:
        self._answer = answer
        self._go.release()
        self._stopped.acquire()

    def _cancel(self) -> None:
        while self._thread is not None:
            self._cancelled = True
            self._go.release()
            self._stopped.acquire()


def run(tasks: Sequence[Task], count: int, perform: Perform) -> None:
    """Runs tasks in lanes; a lane that is through with one takes the next.

    Args:
        tasks: Functions of a `Lane`.
        count: Number of lanes.
        perform: Function of `{lane: request}` of all lanes that wait; it does
            one or more of the requests and returns `{lane: answer}`.

    Raises:
        BaseException: What a task or `perform` raises; the other lanes are
            ended where they stand.

    Example:
        >>> def double(requests):
        ...     print("together:", list(requests.values()))
        ...     return {lane: 2 * value for lane, value in requests.items()}
        >>> def task(value):
        ...     return lambda lane: print(value, "gives", lane.ask(value))
        >>> run([task(1), task(2), task(3)], 2, double)
        together: [1, 2]
        1 gives 2
        2 gives 4
        together: [3]
        3 gives 6
    """
    waiting = collections.deque(tasks)
    lanes = [Lane(number) for number in range(count)]
    try:
        for lane in lanes:
            lane._begin(waiting)
            _check(lane)
        while any(lane._thread for lane in lanes):
            answers = perform(
                {lane.number: lane._request for lane in lanes if lane._thread}
            )
            for number, answer in answers.items():
                lanes[number]._resume(answer)
                _check(lanes[number])
    finally:
        for lane in lanes:
            lane._cancel()


def _check(lane):
    if lane._error is not None:
        error, lane._error = lane._error, None
        raise error
