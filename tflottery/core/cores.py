"""Cores: how many there are, and work on arrays spread over them."""

from __future__ import annotations

import concurrent.futures
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

# Entries of arrays from which threads save more time than they cost.
_LARGE = 1 << 20


def count() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(
    function: Callable[[Any], Any], items: Iterable[Any], size: int
) -> list[Any]:
    """Calls a function with each item, on all cores if there is enough to do.

    NumPy lets other threads run while it works on large arrays.

    Args:
        function: Takes an item; calls may overlap and come in any order.
        items: What to call it with; each is taken only when a core is free,
            so a generator may make large ones.
        size: Entries of the arrays that it works on, in all.

    Returns:
        What it has returned, in the order of the items.

    Example:
        >>> each(abs, [-1, 2, -3], size=3)
        [1, 2, 3]
    """
    if size < _LARGE or count() == 1:
        return [function(item) for item in items]
    waiting, turn = enumerate(items), threading.Lock()
    found: dict[int, Any] = {}

    def work(_):
        while True:
            with turn:
                number, item = next(waiting, (None, None))
            if number is None:
                return
            found[number] = function(item)

    with concurrent.futures.ThreadPoolExecutor(count()) as pool:
        list(pool.map(work, range(count())))  # raises what one has raised
    return [found[number] for number in range(len(found))]
