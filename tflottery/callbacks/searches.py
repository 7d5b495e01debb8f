"""Which search runs on a model, for callbacks that show what it does."""

from __future__ import annotations

import weakref
from typing import Any

_searches: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def search_of(model: Any) -> Any:
    """Returns the search that runs, or ran last, on a model, or `None`."""
    return _searches.get(model, lambda: None)()


def register(model: Any, search: Any) -> None:
    """Notes that a search begins on a model.

    Args:
        model: that is being trained.
        search: is kept no longer than others keep it, as it holds the model.
    """
    _searches[model] = weakref.ref(search)
