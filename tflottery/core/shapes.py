"""Whether two sets of named tensors are alike.

Masks, snapshots and models are matched by path. When they do not match, the one
useful error is the one that names the tensor and both shapes, and it is the
same error everywhere.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any


def shape_of(value: Any) -> tuple[int, ...]:
    """Returns the shape of an array, or the shape that `value` itself is.

    Args:
        value: Anything with an attribute `shape`, or a sequence of integers.

    Returns:
        A tuple of Python ints.

    Example:
        >>> shape_of([3, 3, 1, 8])
        (3, 3, 1, 8)
    """
    shape = getattr(value, "shape", value)
    return tuple(operator.index(length) for length in shape)


def _few(paths: list[str]) -> str:
    shown = ", ".join(f"`{path}`" for path in paths[:5])
    more = len(paths) - 5
    return f"{shown} and {more} more" if more > 0 else shown


def check_same_shapes(
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    *,
    noun: str = "mask",
    what: str = "model",
) -> None:
    """Refuses two mappings that differ in their paths or shapes.

    Args:
        ours: A mapping from path to array or shape.
        theirs: The mapping to compare with; its order does not matter.
        noun: What `ours` is, for the message. Defaults to `"mask"`.
        what: What `theirs` is, for the message. Defaults to `"model"`.

    Raises:
        ValueError: If a shape differs (the message names the first such path
            and both shapes), or if either side lacks a path of the other.

    Example:
        >>> check_same_shapes({"a": (2, 3)}, {"a": (2, 4)})
        Traceback (most recent call last):
        ...
        ValueError: mask of `a` has shape (2, 3); the model has (2, 4). Was\
 the mask made for another model?
    """
    for path, value in ours.items():
        if path in theirs and shape_of(value) != shape_of(theirs[path]):
            raise ValueError(
                f"{noun} of `{path}` has shape {shape_of(value)}; the {what} "
                f"has {shape_of(theirs[path])}. Was the {noun} made for "
                "another model?"
            )
    missing = [path for path in ours if path not in theirs]
    excess = [path for path in theirs if path not in ours]
    faults = []
    if missing:
        faults.append(f"the {what} lacks {_few(missing)}")
    if excess:
        faults.append(f"the {noun} lacks {_few(excess)}")
    if faults:
        raise ValueError(
            f"The {noun} does not fit the {what}: {'; '.join(faults)}. Was the "
            f"{noun} made for another model?"
        )
