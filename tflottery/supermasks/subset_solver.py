"""Exact subset sums: which of n numbers add up to a target.

A subset-sum ticket asks this question once for every weight of the target
network, each time with other numbers, hundreds of thousands of times. n numbers
have 2**n subsets; meeting in the middle looks at 2**(n/2) sums of each half
instead, sorts one half and searches it for what the other half leaves open
(Horowitz and Sahni). Many small problems go through NumPy together.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from tflottery.core.checks import check_finite

MAX_CANDIDATES = 40
"""Most numbers of one problem: 2**20 sums of each half, about 60 MB."""

# Sums of one batch: small enough that a batch stays in the cache.
_SUMS_PER_BATCH = 1 << 14

# A first look should have this many subsets inside the tolerance, by the normal
# approximation of the density of subset sums; measured to be the quickest.
_SUBSETS_WANTED = 3.0

# Candidates that each further look adds, for the problems still open.
_STRIDE = 3


@dataclasses.dataclass(frozen=True)
class Subsets:
    """One subset for each problem.

    Attributes:
        kept: Bool array (candidates, problems): the members of the subsets.
        errors: Float64 array (problems,): sum of the subset minus the target.
    """

    kept: np.ndarray
    errors: np.ndarray


def _subset_sums(values: np.ndarray) -> np.ndarray:
    """Returns all sums of each row; bit i of a sum's index is number i."""
    rows, count = values.shape
    sums = np.zeros((rows, 1 << count))
    for i in range(count):
        known = 1 << i
        np.add(
            sums[:, :known],
            values[:, i : i + 1],
            out=sums[:, known : 2 * known],
        )
    return sums


def _bits(numbers: np.ndarray, count: int) -> np.ndarray:
    return (numbers[:, None] >> np.arange(count)) & 1 == 1


def _nearest_of_batch(values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns the best subset of each row as a bool array (rows, count)."""
    rows, count = values.shape
    half = count // 2
    wanted = targets[:, None] - _subset_sums(values[:, :half])
    sums = _subset_sums(values[:, half:])
    # Sentinels at both ends spare every search the question whether it ran
    # off the row.
    ordered = np.empty((rows, sums.shape[1] + 2))
    ordered[:, 0], ordered[:, -1] = -np.inf, np.inf
    ordered[:, 1:-1] = sums
    ordered[:, 1:-1].sort(axis=1)
    places = np.empty(wanted.shape, np.intp)
    for row in range(rows):
        places[row] = ordered[row].searchsorted(wanted[row])
    places += np.arange(rows)[:, None] * ordered.shape[1]
    flat = ordered.reshape(-1)
    gap_above = flat[places] - wanted
    gap_below = wanted - flat[places - 1]
    gaps = np.minimum(gap_above, gap_below)
    first = gaps.argmin(axis=1)
    every = np.arange(rows)
    is_above = gap_above[every, first] <= gap_below[every, first]
    found = flat[places[every, first] - ~is_above]
    second = (sums == found[:, None]).argmax(axis=1)
    return np.concatenate(
        [_bits(first, half), _bits(second, count - half)], axis=1
    )


def _checked(
    candidates: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    candidates = np.asarray(candidates, np.float64)
    targets = np.asarray(targets, np.float64)
    if candidates.ndim != 2 or targets.shape != candidates.shape[1:]:
        raise ValueError(
            "`candidates` must have shape (candidates, problems) and `targets` "
            f"(problems,). Received: shapes {candidates.shape} and "
            f"{targets.shape}. One column of candidates belongs to one target."
        )
    if candidates.shape[0] > MAX_CANDIDATES:
        raise ValueError(
            f"`candidates` must have at most {MAX_CANDIDATES} rows. Received: "
            f"{candidates.shape[0]} rows. The time doubles with every two "
            "candidates; pass some of the rows, which are as random as all, "
            "and go on with others where they do not suffice."
        )
    for name, array in (("candidates", candidates), ("targets", targets)):
        if not np.isfinite(array).all():
            raise ValueError(
                f"`{name}` must be finite. Received: an array with "
                f"{np.count_nonzero(~np.isfinite(array))} entries that are not "
                "numbers. Look for what made them upstream."
            )
    return candidates, targets


def nearest_subsets(candidates: np.ndarray, targets: np.ndarray) -> Subsets:
    """Finds, for each target, the subset whose sum comes nearest to it.

    Exact: no subset of a column is nearer, but for rounding of float64 sums.
    The empty subset, whose sum is 0, counts.

    Args:
        candidates: Array (candidates, problems) of finite numbers, at most 40
            candidates; column p holds the numbers of problem p.
        targets: Array (problems,) of finite numbers.

    Returns:
        The subsets and how far they miss.

    Raises:
        ValueError: If shapes do not fit, a number is not finite or there are
            more than 40 candidates.

    Example:
        >>> found = nearest_subsets(np.array([[3.0], [5.0], [-1.0]]), [7.5])
        >>> found.kept[:, 0].tolist(), found.errors.tolist()
        ([True, True, False], [0.5])

    Reference:
        E. Horowitz, S. Sahni: Computing Partitions with Applications to the
        Knapsack Problem, 1974 (meeting in the middle).
    """
    candidates, targets = _checked(candidates, targets)
    return _nearest(candidates, targets)


def _nearest(candidates: np.ndarray, targets: np.ndarray) -> Subsets:
    count, problems = candidates.shape
    kept = np.zeros((problems, count), bool)
    rows = max(1, _SUMS_PER_BATCH >> ((count + 1) // 2))
    for start in range(0, problems, rows):
        batch = slice(start, start + rows)
        kept[batch] = _nearest_of_batch(candidates[:, batch].T, targets[batch])
    kept = kept.T
    sums = np.where(kept, candidates, 0.0).sum(axis=0)
    return Subsets(kept, sums - targets)


def _first_look(candidates: np.ndarray, tolerance: float) -> int:
    """Returns how many candidates to look at first.

    The 2**m subset sums of m numbers lie about as a normal law of variance
    (sum of squares) / 4 says, so that 2**m * 2 * tolerance * density of them
    are within the tolerance of a target near the middle.
    """
    size = math.sqrt(float(np.mean(candidates**2))) if candidates.size else 0.0
    for count in range(1, candidates.shape[0]):
        deviation = size * math.sqrt(count) / 2
        peak = math.sqrt(2 * math.pi) * deviation
        if 2.0**count * 2 * tolerance >= _SUBSETS_WANTED * peak:
            return count
    return candidates.shape[0]


def subsets_within(
    candidates: np.ndarray, targets: np.ndarray, tolerance: float
) -> Subsets:
    """Finds, for each target, a subset whose sum is within `tolerance` of it.

    Where one wants it: when good enough is enough. It looks at the first
    candidates only, as many as should do for a usual target, and takes the
    nearest subset of these; targets that are still open are looked at with
    three more candidates, and so on up to all. That is much quicker than
    `nearest_subsets`, and keeps fewer numbers. It does not miss: a target ends
    outside the tolerance only if all its subsets are, and then its subset is
    the nearest of all.

    Args:
        candidates: Array (candidates, problems) of finite numbers, at most 40
            candidates; column p holds the numbers of problem p.
        targets: Array (problems,) of finite numbers.
        tolerance: Largest |sum - target| that will do, > 0.

    Returns:
        The subsets and how far they miss.

    Raises:
        TypeError: If `tolerance` is not a number.
        ValueError: If shapes do not fit, a number is not finite, there are
            more than 40 candidates or `tolerance` is not positive.

    Example:
        >>> numbers = np.array([[3.0], [5.0], [-1.0], [0.4]])
        >>> found = subsets_within(numbers, np.array([7.5]), 0.2)
        >>> found.kept[:, 0].tolist(), found.errors.round(6).tolist()
        ([True, True, True, True], [-0.1])

    Reference:
        E. Horowitz, S. Sahni: Computing Partitions with Applications to the
        Knapsack Problem, 1974 (meeting in the middle).
    """
    candidates, targets = _checked(candidates, targets)
    check_finite("tolerance", tolerance)
    if tolerance <= 0:
        raise ValueError(
            "`tolerance` must be positive. Received: "
            f"tolerance={tolerance!r}. It is the largest distance of a sum "
            "from its target that will do; ask `nearest_subsets` for the least."
        )
    count, problems = candidates.shape
    kept = np.zeros((count, problems), bool)
    errors = -targets
    still_open = np.arange(problems)
    look = _first_look(candidates, tolerance)
    while still_open.size:
        found = _nearest(candidates[:look, still_open], targets[still_open])
        kept[:look, still_open] = found.kept
        errors[still_open] = found.errors
        if look == count:
            break
        still_open = still_open[np.abs(found.errors) > tolerance]
        look = min(look + _STRIDE, count)
    return Subsets(kept, errors)
