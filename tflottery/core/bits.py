"""Named bool arrays as bits: to store them small and to name them.

A mask costs a byte an entry in memory and needs one bit on disk. The digest is
over the same bits, so that a mask has one name for ever, whatever the machine
and whatever order its tensors were listed in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def as_bits(path: str, value: Any) -> np.ndarray:
    """Copies `value` into a read-only bool array, if it holds only 0 and 1.

    Args:
        path: The path of the tensor, for the message.
        value: An array of booleans, or of zeros and ones of any numeric type.

    Returns:
        A new bool array of the same shape, in C order.

    Raises:
        TypeError: If the array does not hold numbers.
        ValueError: If an entry is neither 0 nor 1.

    Example:
        >>> as_bits("fc/kernel", [1.0, 0.0])
        array([ True, False])
    """
    array = np.asarray(value)
    if array.dtype.kind in "OSUMmT":
        raise TypeError(
            f"mask of `{path}` must hold booleans, or zeros and ones. "
            f"Received: an array of dtype {array.dtype}. Pass a numeric array."
        )
    if array.dtype != np.bool_:
        wrong = (array != 0) & (array != 1)
        if np.any(wrong):
            raise ValueError(
                f"mask of `{path}` must hold zeros and ones only, 1 to keep. "
                f"Received: {array[wrong][0]} among its entries. Compare with "
                "a threshold first, such as `scores > 0.5`."
            )
    kept = np.array(array, dtype=np.bool_, order="C")
    kept.setflags(write=False)
    return kept


def owned(path: str, array: np.ndarray) -> np.ndarray:
    """Makes a bool array read-only that nobody else holds, instead of a copy.

    Args:
        path: The path of the tensor, for the message.
        array: A bool array in C order, of which there is no view.

    Returns:
        The array itself.

    Raises:
        ValueError: If it is of another type or order, or itself a view.

    Example:
        >>> owned("fc/kernel", np.array([True, False])).flags.writeable
        False
    """
    flags = array.flags
    if array.dtype != np.bool_ or not (flags.c_contiguous and flags.owndata):
        raise ValueError(
            f"mask of `{path}` must be a bool array in C order with data of "
            f"its own. Received: dtype {array.dtype}, c_contiguous="
            f"{flags.c_contiguous}, owndata={flags.owndata}. Use as_bits."
        )
    array.setflags(write=False)
    return array


def density(array: np.ndarray) -> float:
    """Returns the share of entries of a bool array that are kept, or 1.

    Args:
        array: A bool array; one without entries has density 1.

    Example:
        >>> density(np.array([True, False])), density(np.zeros(0, bool))
        (0.5, 1.0)
    """
    return int(np.count_nonzero(array)) / array.size if array.size else 1.0


def pack(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Packs bool arrays, eight entries to a byte.

    Args:
        arrays: A mapping from path to bool array.

    Returns:
        A dict from path to a flat uint8 array of `ceil(size / 8)` bytes; the
        first entry, in C order, is the highest bit, and the rest is zeros.

    Example:
        >>> pack({"a": np.array([True, False, True])})
        {'a': array([160], dtype=uint8)}
    """
    return {path: np.packbits(array) for path, array in arrays.items()}


def unpack(
    packed: Mapping[str, np.ndarray], shapes: Mapping[str, Sequence[int]]
) -> dict[str, np.ndarray]:
    """Unpacks what `pack` has packed.

    Args:
        packed: A mapping from path to flat uint8 array.
        shapes: A mapping from path to the shape that was packed.

    Returns:
        A dict from path to bool array, in the order of `packed`.

    Example:
        >>> unpack({"a": np.array([160], np.uint8)}, {"a": (3,)})
        {'a': array([ True, False,  True])}
    """
    arrays = {}
    for path, entries in packed.items():
        shape = tuple(shapes[path])
        size = int(np.prod(shape, dtype=np.int64))
        flat = np.unpackbits(entries, count=size)
        arrays[path] = flat.view(np.bool_).reshape(shape)
    return arrays


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Names the content of bool arrays by 64 hexadecimal digits.

    SHA-256 over the tensors sorted by path: for each a JSON line
    `[path, shape]`, then its packed bytes. It is fixed for ever.

    Args:
        arrays: A mapping from path to bool array, in any order.

    Returns:
        The SHA-256 in lower-case hexadecimal.

    Example:
        >>> digest({"a": np.array([True, False])})[:12]
        '27cdff13c446'
    """
    content = hashlib.sha256()
    for path in sorted(arrays):
        line = json.dumps([path, list(arrays[path].shape)]) + "\n"
        content.update(line.encode("ascii"))
        content.update(np.packbits(arrays[path]))
    return content.hexdigest()
