"""A few training examples, for criteria that look at gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

_BATCH = 1000
_MOST = 5000


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
        per_class: how many of each; fewer where they would be more than 5,000
            in all, or of a class that is rare in the first epoch.
        seed: of the choice.

    Returns:
        A pair (x, y) of arrays, examples along axis 0.

    Example:
        >>> from tflottery import data
        >>> x, y = balanced(data.load("digits"), 25, seed=0)
        >>> np.bincount(y).tolist()
        [25, 25, 25, 25, 25, 25, 25, 25, 25, 25]
    """
    per_class = max(1, min(per_class, _MOST // data.num_classes))
    size = min(_BATCH, data.train_size)
    batches = data.train_batches(size, seed=seed)
    batches = batches.take(data.steps_per_epoch(size))
    missing = np.full(data.num_classes, per_class)
    found = []
    for x, y in batches.as_numpy_iterator():
        rows = [np.flatnonzero(y == c)[:n] for c, n in enumerate(missing) if n]
        chosen = np.sort(np.concatenate(rows))
        found.append((x[chosen], y[chosen]))
        missing -= np.bincount(y[chosen], minlength=data.num_classes)
        if not missing.any():
            break
    x, y = (np.concatenate(part) for part in zip(*found, strict=True))
    return x, y


def _first_batch(data, size, seed):
    stream = data.train_batches(size, seed=seed)
    return next(stream.take(1).as_numpy_iterator())
