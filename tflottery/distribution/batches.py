"""Batches: how one global batch is divided among replicas and workers.

`batch_size` is always that of the whole step, whatever the number of
replicas: each of them gets an equal part, and a search under a strategy
trains on the batches it would train on without one.
"""

from __future__ import annotations

import tensorflow as tf

from tflottery.core import checks


def divided(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns global batches, of which each worker takes its own part.

    Every worker goes through all batches and keeps its part of each. By
    itself TensorFlow may give workers whole files instead, in other batches.

    Args:
        batches: data set of global batches, the same on each worker.
    """
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return batches.with_options(options)


def check_batch_size(batch_size: int, replicas: int) -> int:
    """Checks that a global batch can be divided into equal parts.

    Args:
        batch_size: examples in a global batch.
        replicas: number of replicas.

    Returns:
        Examples per replica.

    Raises:
        ValueError: they cannot be equal.

    Example:
        >>> check_batch_size(60, replicas=4)
        15
    """
    checks.check_positive_int("batch_size", batch_size)
    if batch_size % replicas:
        below = batch_size // replicas * replicas
        sizes = [size for size in (below, below + replicas) if size]
        raise ValueError(
            "`batch_size` is that of a whole step and must be a multiple of "
            f"the {replicas} replicas. Received: batch_size={batch_size}. Use "
            f"{' or '.join(map(str, sizes))}, or another number of devices."
        )
    return batch_size // replicas


def evaluation_batch_size(
    examples: int, replicas: int, at_most: int = 1000, name: str = "evaluation"
) -> int:
    """Returns a batch size that leaves no replica without an example.

    The last batch may be short; its examples go to the first replicas. A
    replica that got none could not compute a loss, and Keras 3 takes the
    first batch only if its parts are equal.

    Args:
        examples: size of the data set that is evaluated.
        replicas: number of replicas.
        at_most: largest batch size, if there is a choice.
        name: what the data set is for, for the message.

    Raises:
        ValueError: no batch size will do: the set is too small.

    Example:
        >>> evaluation_batch_size(5000, replicas=1)
        1000
        >>> evaluation_batch_size(1001, replicas=2)
        666
    """
    if replicas == 1:
        return at_most

    largest = min(at_most, examples) // replicas * replicas
    sizes = range(largest, 0, -replicas)
    whole = [size for size in sizes if examples % size == 0]
    if whole and whole[0] * 4 >= largest:
        return whole[0]  # all batches have one shape
    for size in sizes:
        if examples % size == 0 or examples % size > size - size // replicas:
            return size
    raise ValueError(
        f"The {name} data must have examples for each of the {replicas} "
        f"replicas in every batch. Received: {examples} examples. Set aside a "
        f"multiple of {replicas}, or use fewer devices."
    )
