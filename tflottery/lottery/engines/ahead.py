"""`one_ahead`: the next item is made while the last one is used."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def one_ahead(
    items: Iterable[Item], thread: concurrent.futures.Executor
) -> Iterator[Item]:
    """Yields items, each of which was made beside the use of the one before.

    Args:
        items: What is yielded. No item is made before the first one is asked
            for, and none but the next one before its time.
        thread: Makes them, one at a time.

    Yields:
        The items, in their order. An error in making one is raised in its
        place.

    Example:
        >>> with concurrent.futures.ThreadPoolExecutor(1) as thread:
        ...     list(one_ahead((2 * x for x in range(3)), thread))
        [0, 2, 4]
    """
    left = iter(items)
    coming = thread.submit(next, left, _END)
    while (item := coming.result()) is not _END:
        coming = thread.submit(next, left, _END)
        yield item
