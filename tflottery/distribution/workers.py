"""Workers: the processes of one cluster, and how they act as one.

Under `MultiWorkerMirroredStrategy` each worker runs the same program. What one
of them alone may do, such as reading and writing a run directory, the chief
does, and the others get what came of it. All of it travels by the strategy's
own collective operations, so nothing is needed but the cluster itself: no
shared disk, no further port.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.distribution import exchange

_DIGEST_WORDS = 4


class WorkerLostError(RuntimeError):
    """A worker of the cluster is gone, so the others cannot go on."""


class ChiefFailedError(RuntimeError):
    """The chief has stopped with an error, which it told to this worker."""


class ChiefRefusedError(ChiefFailedError, ValueError):
    """The chief has refused what it was asked, which this worker was too."""


class WorkersDisagreeError(RuntimeError):
    """The workers hold different values where they must hold the same."""


class Workers:
    """The processes that run a strategy together, seen from one of them.

    Under any strategy but `MultiWorkerMirroredStrategy` there is one process,
    which is the chief; a TPU pod, too, is driven by one.

    Args:
        strategy: a `tf.distribute.Strategy`. Default: the one in scope.

    Attributes:
        strategy: the strategy.
        count: number of processes, at least 1.
        number: which of them this is, from 0; the chief is 0.
        replicas: copies of the model that train together, over all workers.

    Example:
        >>> workers = Workers()
        >>> workers.is_chief, workers.count, workers.replicas
        (True, 1, 1)
        >>> workers.from_chief(lambda: "read by one")
        'read by one'
    """

    def __init__(self, strategy: Any = None):
        self.strategy = strategy or tf.distribute.get_strategy()
        self.replicas = self.strategy.num_replicas_in_sync
        self.number, self.count = _place(self.strategy)

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that reads and writes files."""
        return self.number == 0

    def from_chief(self, function: Callable[[], Any]) -> Any:
        """Calls a function on the chief and returns its value on each worker.

        All workers must call it, in the same order.

        Args:
            function: is called on the chief only. What it returns must be
                picklable.

        Raises:
            ChiefFailedError: on the others, if it raised an error there
                (`ChiefRefusedError` for a ValueError); the chief raises that
                error itself.
        """
        if self.count == 1:
            return function()
        result, failure = None, None
        message = b""
        if self.is_chief:
            try:
                result = function()
                message = pickle.dumps((result, None, None))
            except Exception as error:
                failure = error
                kind = isinstance(error, ValueError)
                message = pickle.dumps((None, str(error), kind))
        message = self._broadcast(message)
        if failure is not None:
            raise failure
        if not self.is_chief:
            result, words, refused = pickle.loads(message)
            if words is not None:
                kind = ChiefRefusedError if refused else ChiefFailedError
                raise kind(f"The chief has stopped: {words}")
        return result

    def check_same(self, what: str, digest: str) -> None:
        """Stops all workers if they do not hold the same.

        All workers must call it, in the same order.

        Args:
            what: what is compared, for the message.
            digest: its SHA-256 on this worker, as hexadecimal digits.

        Raises:
            WorkersDisagreeError: on each worker, if the digests differ.
        """
        if self.count == 1:
            return
        table = np.zeros((self.count, _DIGEST_WORDS), np.int64)
        table[self.number] = np.frombuffer(bytes.fromhex(digest), np.int64)
        rows = exchange.total(self.strategy, table.ravel()).reshape(table.shape)
        others = [
            number
            for number in range(self.count)
            if (rows[number] != rows[0]).any()
        ]
        if others:
            raise WorkersDisagreeError(
                f"The workers do not hold the same {what}. Received: another "
                f"digest on worker {', '.join(map(str, others))} than on the "
                "chief. They must run the same command with the same versions "
                "and the same data; what is finished is kept."
            )

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Says in words that another worker was lost, should that happen.

        Raises:
            WorkerLostError: a collective operation failed inside.
            WorkersDisagreeError: another worker was at another operation.
        """
        try:
            yield
        except tf.errors.OpError as error:
            lost = (
                tf.errors.UnavailableError,
                tf.errors.AbortedError,
                tf.errors.CancelledError,
                tf.errors.DeadlineExceededError,
            )
            reason = _reason(error.message)
            if self.count > 1 and isinstance(error, tf.errors.InternalError):
                if "ollective" in reason:
                    raise WorkersDisagreeError(
                        "The workers are not at the same operation. They must "
                        "run the same command with the same versions; what is "
                        f"finished is kept. ({reason})"
                    ) from error
            if self.count == 1 or not isinstance(error, lost):
                raise
            raise WorkerLostError(
                f"A worker of the cluster was lost; this one is {self.number} "
                f"of {self.count}. What is finished is kept. Start all workers "
                "again with the same commands: they go on from the last "
                f"checkpoint. ({reason})"
            ) from error

    def _broadcast(self, message: bytes) -> bytes:
        """Returns the chief's message on all workers."""
        size = np.array([len(message)], np.int64)
        (length,) = exchange.total(self.strategy, size)
        words = np.zeros(-(-int(length) // 8), np.int64)
        if self.is_chief:
            words.view(np.uint8)[: len(message)] = np.frombuffer(
                message, np.uint8
            )
        words = exchange.total(self.strategy, words)
        return words.tobytes()[: int(length)]


def _reason(message: str) -> str:
    """Returns the line of TensorFlow's message that says most."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    lines = [line for line in lines if line != "Graph execution error:"]
    telling = [line for line in lines if "ollective" in line]
    return [*telling, *lines, ""][0][:300]


def _place(strategy: Any) -> tuple[int, int]:
    """Returns (number of this process, number of processes)."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    spec = resolver.cluster_spec().as_dict() if resolver else {}
    sizes = [len(spec.get(job, ())) for job in ("chief", "worker")]
    if sum(sizes) <= 1:
        return 0, 1
    number = int(resolver.task_id or 0)
    if resolver.task_type == "worker":
        number += sizes[0]
    return number, sum(sizes)
