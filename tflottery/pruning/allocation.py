"""How one target is shared among tensors: global, layer-wise or ERK.

Pruning a fifth of a network can mean a fifth of every tensor or the weakest
fifth wherever it lies. An allocation answers with *pools*: tensors that are
ranked together, and how many of their entries stay. What is weak is not asked
here.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Mapping

from tflottery.core import checks

_NAMES = ("global", "layerwise", "erk")


@dataclasses.dataclass(frozen=True)
class Pool:
    """Tensors that are ranked together, and how many entries they keep.

    Args:
        paths: The tensors, sorted.
        count: How many of their entries (or units) stay, in all.
    """

    paths: tuple[str, ...]
    count: int


def names() -> tuple[str, ...]:
    """Returns the valid scopes.

    Example:
        >>> names()
        ('global', 'layerwise', 'erk')
    """
    return _NAMES


def allocate(
    scope: str,
    shapes: Mapping[str, tuple[int, ...]],
    densities: Mapping[str, float],
    *,
    sizes: Mapping[str, int] | None = None,
    survivors: Mapping[str, int] | None = None,
    floors: Mapping[str, int] | None = None,
) -> list[Pool]:
    """Returns how many entries stay, pool by pool.

    With n_l the size and d_l the density of tensor l, and rounding half to
    even:

    * `"layerwise"` keeps round(d_l n_l) of each tensor;
    * `"global"` keeps round(sum d_l n_l) of all tensors together;
    * `"erk"` keeps as many as `"global"`, shared so that the density of a
      tensor is proportional to (sum of its dimensions) / (their product), and
      1 at most. Within the total, d_l does not say which tensor gives.

    A tensor whose density is exactly 1 is left as it is under every scope: it
    is neither ranked nor counted with the others. No count exceeds the
    survivors or falls below the floors; where a bound binds in `"erk"`, the
    others share what is left, so that the total stays exact.

    Args:
        scope: One of `names()`.
        shapes: The shape of each tensor, by path.
        densities: The share of each tensor to keep, in [0, 1], by path.
        sizes: The number of units n_l where units are not entries. Defaults
            to the number of entries.
        survivors: How many units are left. Defaults to `sizes`.
        floors: How many units stay whatever is asked, at most the survivors.
            Defaults to one for each tensor that has any.

    Returns:
        Pools that cover every path once, and do not depend on the order of
        the mappings.

    Raises:
        ValueError: If the scope is unknown or a density out of its range.

    Example:
        >>> shapes = {"a": (4, 5), "b": (10, 8)}
        >>> allocate("layerwise", shapes, {"a": 0.5, "b": 0.25})
        [Pool(paths=('a',), count=10), Pool(paths=('b',), count=20)]
        >>> allocate("global", shapes, {"a": 0.5, "b": 0.25})
        [Pool(paths=('a', 'b'), count=30)]
        >>> allocate("erk", shapes, {"a": 0.3, "b": 0.3})
        [Pool(paths=('a',), count=10), Pool(paths=('b',), count=20)]

    Reference: "erk" is the Erdos-Renyi-Kernel allocation of Evci et al.,
    Rigging the Lottery, 2020, section 3.
    """
    checks.check_choice("scope", scope, _NAMES)
    paths = tuple(sorted(shapes))
    if sizes is None:
        sizes = {path: math.prod(shapes[path]) for path in paths}
    if survivors is None:
        survivors = sizes
    if floors is None:
        floors = {path: min(1, survivors[path]) for path in paths}
    asked = {
        path: checks.check_fraction(
            "density",
            densities[path],
            what="It is the share of entries kept; use 0.2 to keep a fifth.",
            closed_right=True,
        )
        for path in paths
    }
    dense = [path for path in paths if asked[path] == 1.0]
    sparse = tuple(path for path in paths if asked[path] < 1.0)
    pools = [Pool((path,), survivors[path]) for path in dense]
    if not sparse:
        return pools
    if scope == "layerwise":
        for path in sparse:
            wanted = round(asked[path] * sizes[path])
            count = max(floors[path], min(wanted, survivors[path]))
            pools.append(Pool((path,), count))
    else:
        wanted = _total(sizes, {path: asked[path] for path in sparse})
        low = sum(floors[path] for path in sparse)
        high = sum(survivors[path] for path in sparse)
        total = max(low, min(wanted, high))
        if scope == "global":
            pools.append(Pool(sparse, total))
        else:
            shares = [_erk_share(shapes[path], sizes[path]) for path in sparse]
            counts = apportion(
                shares,
                [floors[path] for path in sparse],
                [survivors[path] for path in sparse],
                total,
            )
            pools += [
                Pool((path,), count)
                for path, count in zip(sparse, counts, strict=True)
            ]
    return sorted(pools, key=lambda pool: pool.paths)


def _total(sizes: Mapping[str, int], densities: Mapping[str, float]) -> int:
    """Returns round(sum d_l n_l), the same for every order of the tensors.

    Tensors of one density are added up as integers first, so that one density
    for all gives round(d n) of the whole, to the bit.
    """
    entries: dict[float, int] = {}
    for path, density in densities.items():
        entries[density] = entries.get(density, 0) + sizes[path]
    return round(math.fsum(d * size for d, size in entries.items()))


def _erk_share(shape: tuple[int, ...], size: int) -> float:
    """Returns the unscaled ERK density times the size."""
    return size * max(sum(shape), 1) / max(math.prod(shape), 1)


def apportion(
    shares: list[float], low: list[int], high: list[int], total: int
) -> list[int]:
    """Divides `total` in proportion to `shares`, between bounds.

    Each gets clip(t * share, low, high) with one t for all, rounded down; what
    is left over goes to the largest remainders, the earlier first among equal
    ones.

    Args:
        shares: Non-negative numbers.
        low: Lower bounds.
        high: Upper bounds.
        total: The sum wanted, between the sums of the bounds.

    Returns:
        Counts within the bounds that add up to `total` exactly.

    Raises:
        ValueError: If no counts within the bounds add up to it.

    Example:
        >>> apportion([1.0, 1.0, 8.0], [0, 0, 0], [9, 9, 5], 10)
        [3, 2, 5]
    """
    if not sum(low) <= total <= sum(high):
        raise ValueError(
            f"`total` must be between {sum(low)} and {sum(high)}, the sums of "
            f"the bounds. Received: total={total}."
        )
    exact = _fill(shares, low, high, total)
    counts = [math.floor(value) for value in exact]
    # Floating point may leave a value a hair outside of its bounds.
    counts = [
        max(a, min(n, b)) for n, a, b in zip(counts, low, high, strict=True)
    ]
    order = sorted(range(len(counts)), key=lambda i: (counts[i] - exact[i], i))
    left = total - sum(counts)
    while left:
        step = 1 if left > 0 else -1
        for i in order if left > 0 else reversed(order):
            if left and low[i] <= counts[i] + step <= high[i]:
                counts[i] += step
                left -= step
    return counts


def _fill(
    shares: list[float], low: list[int], high: list[int], total: int
) -> list[float]:
    """Returns clip(t * share, low, high) for the t that gives the total."""

    def clipped(t: float) -> list[float]:
        return [
            min(max(t * share, a), b)
            for share, a, b in zip(shares, low, high, strict=True)
        ]

    # The sum grows with t, and is linear between the points where a share
    # meets a bound.
    bounds = [*zip(shares, low, strict=True), *zip(shares, high, strict=True)]
    knots = sorted({0.0, *(bound / s for s, bound in bounds if s > 0)})
    sums = [math.fsum(clipped(t)) for t in knots]
    right = bisect.bisect_left(sums, total)
    if right == 0 or right == len(knots):
        return clipped(knots[min(right, len(knots) - 1)])
    t0, t1 = knots[right - 1], knots[right]
    s0, s1 = sums[right - 1], sums[right]
    return clipped(t0 + (t1 - t0) * (total - s0) / (s1 - s0))
