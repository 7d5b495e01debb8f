"""Groups of scores that are ranked together, in one network.

Under a scope other than `"layerwise"` a layer has to know the scores of the
others. The layers of a saved model are made one by one, by Keras, and find each
other here again: each knows the name of its group and its place in it.
"""

from __future__ import annotations

import threading
import uuid
import weakref
from typing import Any


class ScoreGroup:
    """The weights that share one count, each with a place.

    Args:
        name: the same for all copies of a network.
        size: number of places.
    """

    def __init__(self, name: str, size: int):
        self.name = name
        self.size = size
        self._members: dict[int, tuple[Any, str]] = {}

    def scores(self) -> list[Any]:
        """Returns the score variables of all members, in order.

        Raises:
            RuntimeError: members are missing.
        """
        held = [self._held(place) for place in range(self.size)]
        if any(found is None for found in held):
            here = sum(found is not None for found in held)
            raise RuntimeError(
                "The scores of this layer are ranked together with those of "
                "the other layers of its network, and they are not all there. "
                f"Received: a group of {self.size} weights of which {here} "
                "are known. Load or clone the whole network, not one layer of "
                'it, or use `scope="layerwise"`.'
            )
        return [wrapper.scores[path] for wrapper, path in held]

    def _held(self, place):
        reference, path = self._members.get(place, (None, None))
        wrapper = None if reference is None else reference()
        return None if wrapper is None else (wrapper, path)

    def _add(self, place, wrapper, path):
        self._members[place] = (weakref.ref(wrapper), path)

    def _is_complete(self):
        return len(self._members) == self.size


class _Open(threading.local):
    """Groups whose members are still being made, by name, per thread."""

    def __init__(self):
        self.groups: dict[str, ScoreGroup] = {}


_open = _Open()


def new_name() -> str:
    """Returns a name that no other network has."""
    return uuid.uuid4().hex


def join(
    name: str, size: int, place: int, wrapper: Any, path: str
) -> ScoreGroup:
    """Takes a place in a group, a new one where the place is taken.

    Args:
        name: name of the group.
        size: number of its places.
        place: the place to take, in [0, size).
        wrapper: who takes it; held weakly.
        path: which of its weights it is.

    Returns:
        The group.
    """
    group = _open.groups.get(name)
    if group is None or group._held(place) is not None:
        group = ScoreGroup(name, size)
    group._add(place, wrapper, path)
    if group._is_complete():
        _open.groups.pop(name, None)
    else:
        _open.groups[name] = group
    return group
