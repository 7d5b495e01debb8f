"""A few training examples, for criteria that look at gradients."""

from __future__ import annotations

from typing import Any

import numpy as np


def some(data: Any, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns training examples.

    Args:
        data: a `tflottery.data.Dataset`.
        count: how many; all, if the data set has fewer.
        seed: of the choice.

    Returns:
        A pair (x, y) of arrays, examples along axis 0.

    Example:
        >>> from tflottery import data
        >>> x, y = some(data.load("digits"), 100, seed=0)
        >>> x.shape, y.shape
        ((100, 8, 8, 1), (100,))
    """
    return _first_batch(data, min(count, data.train_size), seed)


def balanced(
    data: Any, per_class: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns as many training examples of each class.

    Args:
        data: a `tflottery.data.Dataset`.
        per_class: how many of each; fewer of a class that has fewer among the
            examples looked at, twenty times as many as are wanted.
        seed: of the choice.

    Returns:
        A pair (x, y) of arrays, examples along axis 0.

    Example:
        >>> from tflottery import data
        >>> x, y = balanced(data.load("digits"), 25, seed=0)
        >>> np.bincount(y).tolist()
        [25, 25, 25, 25, 25, 25, 25, 25, 25, 25]
    """
    wanted = 20 * per_class * data.num_classes
    x, y = _first_batch(data, min(wanted, data.train_size), seed)
    rows = [np.flatnonzero(y == c)[:per_class] for c in range(data.num_classes)]
    chosen = np.sort(np.concatenate(rows))
    return x[chosen], y[chosen]


def _first_batch(data, size, seed):
    stream = data.train_batches(size, seed=seed)
    return next(stream.take(1).as_numpy_iterator())
