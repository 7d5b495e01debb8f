"""The entries with the largest scores, found inside a compiled step.

A supermask that is trained changes at every step, so its choice has to be part
of the step. Sorting would take most of it; counting does not. The k-th largest
score is found bit by bit, by counting how many scores reach a candidate: 32
passes over the scores, whatever their number, with static shapes and without a
sort, as XLA likes it. The counts are exact and ties go by index, as they do in
`tflottery.pruning`.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

_LARGEST = tf.int32.max


def largest(scores: tf.Tensor, count: int) -> tf.Tensor:
    """Marks the `count` largest scores of a tensor.

    Args:
        scores: float32 tensor of any shape, without NaN.
        count: how many, between 0 and the number of entries.

    Returns:
        Boolean tensor of the shape of `scores` with `count` entries `True`;
        of equal scores those with the lower flat index.

    Example:
        >>> largest(tf.constant([0.5, -1.0, 0.5, 2.0]), 2).numpy().tolist()
        [True, False, False, True]
    """
    keys = tf.reshape(_ordered(scores), [-1])
    return tf.reshape(_first(keys, count), tf.shape(scores))


def largest_of_all(
    scores: Sequence[tf.Tensor], count: int, index: int
) -> tf.Tensor:
    """Marks the entries of one tensor that are among the largest of several.

    The largest entry of each tensor is always among them: a tensor without
    any would cut the network in two.

    Args:
        scores: float32 tensors, none of them empty.
        count: how many of all, at least one for each tensor.
        index: the tensor to answer for.

    Returns:
        Boolean tensor of the shape of `scores[index]`. Of equal scores those
        of the earlier tensor stay, then those with the lower flat index.

    Example:
        >>> scores = [tf.constant([3.0, 2.0, 1.0]), tf.constant([0.1, 0.2])]
        >>> [largest_of_all(scores, 3, i).numpy().tolist() for i in (0, 1)]
        [[True, True, False], [False, True]]
    """
    parts = [_with_best_first(_ordered(tensor)) for tensor in scores]
    start = sum(part.shape[0] for part in parts[:index])
    size = parts[index].shape[0]
    chosen = _first(tf.concat(parts, 0), count)[start : start + size]
    return tf.reshape(chosen, tf.shape(scores[index]))


def _ordered(scores):
    """Returns integers that are in the order of the floats."""
    zero = tf.zeros((), scores.dtype)
    scores = tf.where(tf.equal(scores, zero), zero, scores)  # no -0.0
    bits = tf.bitcast(scores, tf.int32)
    return tf.where(bits < 0, tf.bitwise.bitwise_xor(bits, _LARGEST), bits)


def _with_best_first(keys):
    keys = tf.reshape(keys, [-1])
    places = tf.range(tf.shape(keys)[0], dtype=tf.int64)
    return tf.where(places == tf.argmax(keys), _LARGEST, keys)


def _first(keys, count):
    """Marks the `count` largest of a vector of int32, ties by index."""
    threshold = _threshold(keys, count)
    above = keys > threshold
    equal = keys == threshold
    room = count - tf.reduce_sum(tf.cast(above, tf.int32))
    return above | (equal & (tf.cumsum(tf.cast(equal, tf.int32)) <= room))


def _threshold(keys, count):
    """Returns the largest integer that at least `count` keys reach."""

    def reach(candidate):
        found = tf.reduce_sum(tf.cast(keys >= candidate, tf.int32))
        return found >= count

    def fix_bit(bit, found):
        candidate = found + tf.bitwise.left_shift(1, bit)
        return bit - 1, tf.where(reach(candidate), candidate, found)

    start = tf.where(reach(0), 0, tf.int32.min)
    _, found = tf.while_loop(lambda bit, _: bit >= 0, fix_bit, (30, start))
    return found
