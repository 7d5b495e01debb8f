"""The best entries of several arrays: exactly as many as asked, in O(n).

A threshold cannot do it: with `>` or `>=` all ties stay or all ties go. Here
the order is total (larger score first, among equals the earlier array and in it
the lower flat index), so a count has one answer. The value at the border is
found by selection in a narrow bracket rather than by a sort or by a copy of
everything: 25 million scores take a tenth of a second and little memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

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
    living = [int(np.count_nonzero(a)) for a in alive]
    floors = [0] * len(living) if floors is None else list(floors)
    fits = all(f <= n for f, n in zip(floors, living, strict=True))
    if not (fits and sum(floors) <= count <= sum(living)):
        raise ValueError(
            f"`count` must be between {sum(floors)} (the floors) and "
            f"{sum(living)} (the living). Received: count={count}, "
            f"floors={floors}, living={living}."
        )
    kept = _best(scores, alive, count)
    if all(np.count_nonzero(k) >= f for k, f in zip(kept, floors, strict=True)):
        return kept
    safe = [
        _best([s], [a], f)[0]
        for s, a, f in zip(scores, alive, floors, strict=True)
    ]
    others = [a & ~k for a, k in zip(alive, safe, strict=True)]
    more = _best(scores, others, count - sum(floors))
    return [k | m for k, m in zip(safe, more, strict=True)]


def _best(
    scores: Sequence[np.ndarray], alive: Sequence[np.ndarray], count: int
) -> list[np.ndarray]:
    living = sum(int(np.count_nonzero(a)) for a in alive)
    if count == living:
        return [a.copy() for a in alive]
    kept = [np.zeros(a.shape, np.bool_) for a in alive]
    if count == 0:
        return kept
    border = _kth_largest(scores, alive, count, living)

    def keep(chunk):
        i, part = chunk
        np.greater_equal(scores[i][part], border, out=kept[i][part])
        kept[i][part] &= alive[i][part]
        return int(np.count_nonzero(kept[i][part]))

    excess = sum(cores.each(keep, _chunks(scores), _size(scores))) - count
    # Every entry at the border was kept; the last ones in the order go.
    for i, part in reversed(list(_chunks(scores))):
        if not excess:
            break
        ties = kept[i][part] & (scores[i][part] == border)
        last = np.flatnonzero(ties)[-excess:]
        kept[i][part][last] = False
        excess -= last.size
    return kept


def _kth_largest(
    scores: Sequence[np.ndarray],
    alive: Sequence[np.ndarray],
    k: int,
    living: int,
) -> np.floating:
    """Returns the k-th largest living score, 1 <= k <= living."""
    low, high = _bracket(scores, alive, k, living)

    def look(chunk):
        i, part = chunk
        values, live = scores[i][part], alive[i][part]
        over = values > high
        over &= live
        reach = values >= low
        reach &= live
        reach ^= over
        found = values[reach]
        between = found[(found > low) & (found < high)]
        top = int(np.count_nonzero(found == high))
        counts = int(np.count_nonzero(over)), top, between.size, found.size
        return counts, between

    seen = cores.each(look, _chunks(scores), _size(scores))
    above, at_high, inside, reached = (
        sum(column)
        for column in zip(*(counts for counts, _ in seen), strict=True)
    )
    at_low = reached - at_high - inside
    candidates = [between for _, between in seen]
    if above < k <= above + at_high:
        return high
    rank = k - above - at_high
    if 0 < rank <= inside:
        middle = np.concatenate(candidates)
        middle.partition(inside - rank)
        return middle[inside - rank]
    if 0 < rank <= inside + at_low:
        return low
    # The sample misled (entries in a rhythm): look at everything.
    everything = np.concatenate(
        [s[a] for s, a in zip(scores, alive, strict=True)]
    )
    everything.partition(living - k)
    return everything[living - k]


def _bracket(
    scores: Sequence[np.ndarray],
    alive: Sequence[np.ndarray],
    k: int,
    living: int,
) -> tuple[np.floating, np.floating]:
    """Returns two scores between which the k-th largest very likely lies.

    Floyd and Rivest, 1975: the same quantile of a sample, and six standard
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
    rank = (living - k) / living * ordered.size
    margin = 3.0 * ordered.size**0.5 + 1.0
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
