"""Exchange: arrays sent from worker to worker by collective operations.

Everything that workers tell each other goes through one compiled sum, so that
no call traces a new graph. An array is sent by adding it to zeros, as whole
numbers: its bits arrive as they were.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import tensorflow as tf

# Numbers that a collective carries at once: 64 MiB.
_CHUNK = 2**23
_sums: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def total(strategy: Any, values: np.ndarray) -> np.ndarray:
    """Adds up one array over all workers of a cluster.

    All of them must call it, in the same order, with the same shape.

    Args:
        strategy: a `tf.distribute.MultiWorkerMirroredStrategy`.
        values: int64 array `(n,)`.

    Returns:
        The sum, the same on each worker.
    """
    parts = [
        _total(strategy, values[start : start + _CHUNK])
        for start in range(0, len(values), _CHUNK)
    ]
    return np.concatenate(parts) if parts else values


def _total(strategy, values):
    zeros = np.zeros_like(values)
    mine = [values]  # one replica speaks for the process

    def value_of(context):
        return tf.constant(mine.pop() if mine else zeros)

    parts = strategy.experimental_distribute_values_from_function(value_of)
    found = strategy.experimental_local_results(_sum_of(strategy)(parts))
    return found[0].numpy()


def _sum_of(strategy):
    """Returns the compiled sum of a strategy, made at its first use."""
    if strategy not in _sums:
        held = weakref.ref(strategy)

        def add(value):
            context = tf.distribute.get_replica_context()
            # The identity has a device, which the operation asks for.
            return context.all_reduce(
                tf.distribute.ReduceOp.SUM, tf.identity(value)
            )

        def run(parts):
            return held().run(add, args=(parts,))

        _sums[strategy] = tf.function(
            run, autograph=False, reduce_retracing=True
        )
    return _sums[strategy]


def own_numbers(strategy: Any) -> list[int]:
    """Returns the numbers of this process's replicas, in their order.

    Example:
        >>> own_numbers(tf.distribute.get_strategy())
        [0]
    """
    numbers: list[int] = []

    def note(context):
        numbers.append(int(context.replica_id_in_sync_group))
        return tf.constant(0)

    strategy.experimental_distribute_values_from_function(note)
    return numbers


def copies_of_all(
    strategy: Any, own: dict[int, list[np.ndarray]]
) -> dict[int, list[np.ndarray]]:
    """Collects what the replicas of all workers hold, in one exchange.

    Args:
        strategy: a `tf.distribute.MultiWorkerMirroredStrategy`.
        own: `{number: arrays}` of this process's replicas; shapes and types
            are the same for each replica.

    Returns:
        `{number: arrays}` of every replica.
    """
    count = strategy.num_replicas_in_sync
    like = next(iter(own.values()))
    ends = np.cumsum([array.nbytes for array in like])
    width = -(-int(ends[-1]) // 8) if len(ends) else 0
    table = np.zeros((count, width), np.int64)
    for number, arrays in own.items():
        data = b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
        table[number].view(np.uint8)[: len(data)] = np.frombuffer(data, "u1")
    table = total(strategy, table.ravel()).reshape(count, width)
    found = {}
    for number in range(count):
        data = table[number].tobytes()
        starts = [0, *map(int, ends)]
        found[number] = [
            np.frombuffer(data[start:end], array.dtype).reshape(array.shape)
            for array, start, end in zip(like, starts, ends, strict=False)
        ]
    return found
