"""The best entries of several arrays: exactly as many as asked, in O(n).

A threshold cannot do it: with `>` or `>=` all ties stay or all ties go. Here
the order is total (larger score first, among equals the earlier array and in it
the lower flat index), so a count has one answer. The value at the border is
found by selection in a narrow bracket rather than by a sort or by a copy of
everything: 25 million scores take some hundredths of a second and, unless most
of them are equal, little memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tflottery.core import cores

# Entries looked at together: small enough to stay in the cache of a core.
_CHUNK = 1 << 18
# Entries from which the border is guessed. The guess decides the time only.
_SAMPLE = 1 << 16


def keep_best(
    scores: Sequence[np.ndarray],
    alive: Sequence[np.ndarray],
    count: int,
    floors: Sequence[int] | None = None,
) -> list[np.ndarray]:
    """Marks the `count` best living entries over all arrays.

    Args:
        scores: Flat float arrays of one dtype; NaN only at dead entries.
        alive: Flat bool arrays of the same lengths; only `True` may be kept.
        count: How many to keep, between the sum of `floors` and the number
            alive.
        floors: How many entries of each array are safe: its best ones stay,
            and others leave in their place. Defaults to none.

    Returns:
        A list of new flat bool arrays with exactly `count` `True` in all.

    Raises:
        ValueError: If `count` is out of its range.

    Example:
        >>> scores = [np.array([3.0, 1.0, 3.0]), np.array([3.0, 0.5])]
        >>> alive = [np.ones(3, bool), np.ones(2, bool)]
        >>> keep_best(scores, alive, 2)
        [array([ True, False,  True]), array([False, False])]
        >>> keep_best(scores, alive, 2, floors=[1, 1])
        [array([ True, False, False]), array([ True, False])]
    """
    living = cores.each(
        lambda array: int(np.count_nonzero(array)), alive, _size(alive)
    )
    floors = [0] * len(living) if floors is None else list(floors)
    fits = all(f <= n for f, n in zip(floors, living, strict=True))
    if not (fits and sum(floors) <= count <= sum(living)):
        raise ValueError(
            f"`count` must be between {sum(floors)} (the floors) and "
            f"{sum(living)} (the living). Received: count={count}, "
            f"floors={floors}, living={living}."
        )
    kept, counts = _best(scores, alive, living, count)
    if all(k >= f for k, f in zip(counts, floors, strict=True)):
        return kept
    safe = [
        _best([s], [a], [n], f)[0][0]
        for s, a, n, f in zip(scores, alive, living, floors, strict=True)
    ]
    others = [a & ~k for a, k in zip(alive, safe, strict=True)]
    left = [n - f for n, f in zip(living, floors, strict=True)]
    more, _ = _best(scores, others, left, count - sum(floors))
    return [k | m for k, m in zip(safe, more, strict=True)]


def _best(
    scores: Sequence[np.ndarray],
    alive: Sequence[np.ndarray],
    living: Sequence[int],
    count: int,
) -> tuple[list[np.ndarray], list[int]]:
    """Marks the best; returns the marks, and how many there are in each."""
    if count == sum(living):
        return [a.copy() for a in alive], list(living)
    if count == 0:
        return [np.zeros(a.shape, np.bool_) for a in alive], [0] * len(living)
    kept = [np.empty(a.shape, np.bool_) for a in alive]
    within = _keep_above(
        kept, scores, alive, _bracket(scores, alive, count, sum(living))
    )
    missing = count - sum(found.above for found in within)
    if not 0 <= missing <= sum(found.places.size for found in within):
        # The sample misled (entries in a rhythm): look at everything.
        dtype = scores[0].dtype.type
        everything = (dtype(-np.inf), dtype(np.inf))
        within = _keep_above(kept, scores, alive, everything)
        missing = count
    chosen = _first(np.concatenate([f.scores for f in within]), missing)
    ends = np.cumsum([found.places.size for found in within])

    def add(chunk):
        found, best = chunk
        places = found.places[best]
        kept[found.array][found.start :][places] = True
        return found.above + places.size

    parts = zip(within, np.split(chosen, ends[:-1]), strict=True)
    counts = [0] * len(kept)
    for found, more in zip(
        within, cores.each(add, parts, _size(scores)), strict=True
    ):
        counts[found.array] += more
    return kept, counts


class _Within(NamedTuple):
    """What a chunk has within the bracket.

    Attributes:
        array: Number of the chunk's array.
        start: Where in it the chunk begins.
        above: How many living entries are above the bracket.
        places: Where in the chunk those within are, in their order.
        scores: Their scores.
    """

    array: int
    start: int
    above: int
    places: np.ndarray
    scores: np.ndarray


def _keep_above(
    kept: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    alive: Sequence[np.ndarray],
    bracket: tuple[np.floating, np.floating],
) -> list[_Within]:
    """Sets all of `kept`, to the living above a bracket; returns those in it.

    This one pass over all entries is most of the work.
    """
    low, high = bracket

    def look(chunk):
        array, part = chunk
        values, live = scores[array][part], alive[array][part]
        over = np.greater(values, high, out=kept[array][part])
        over &= live
        reach = values >= low
        reach &= live
        reach ^= over
        places = np.flatnonzero(reach).astype(np.int32)
        above = int(np.count_nonzero(over))
        return _Within(array, part.start, above, places, values[places])

    return cores.each(look, _chunks(scores), _size(scores))


def _first(scores: np.ndarray, count: int) -> np.ndarray:
    """Marks so many of the best; among equals, the first ones."""
    if count in (0, scores.size):
        return np.full(scores.shape, count > 0)
    border = np.partition(scores, scores.size - count)[scores.size - count]
    best = scores > border
    ties = np.flatnonzero(scores == border)
    best[ties[: count - int(np.count_nonzero(best))]] = True
    return best


def _bracket(
    scores: Sequence[np.ndarray],
    alive: Sequence[np.ndarray],
    k: int,
    living: int,
) -> tuple[np.floating, np.floating]:
    """Returns two scores between which the k-th largest very likely lies.

    Floyd and Rivest, 1975: the same quantile of a sample, and five standard
    deviations to either side.
    """
    stride = _size(scores) // _SAMPLE | 1
    sample = []
    start = 0
    for values, live in zip(scores, alive, strict=True):
        part = slice(start, None, stride)
        sample.append(values[part][live[part]])
        start = (start - values.size) % stride
    ordered = np.sort(np.concatenate(sample))
    dtype = ordered.dtype.type
    share = (living - k) / living
    rank = share * ordered.size
    margin = 5.0 * (share * (1 - share) * ordered.size) ** 0.5 + 1.0
    first, last = math.floor(rank - margin), math.ceil(rank + margin)
    low = ordered[first] if first >= 0 else dtype(-np.inf)
    high = ordered[last] if last < ordered.size else dtype(np.inf)
    return low, high


def _size(arrays: Sequence[np.ndarray]) -> int:
    return sum(array.size for array in arrays)


def _chunks(arrays: Sequence[np.ndarray]) -> Iterator[tuple[int, slice]]:
    for i, array in enumerate(arrays):
        for start in range(0, array.size, _CHUNK):
            yield i, slice(start, min(start + _CHUNK, array.size))
