"""Independent random streams, made from one seed and names.

An experiment has one seed and many uses of chance: initial weights, data order,
random tickets, replicates. Numbering them (seed + 1, seed + 2, ...) makes
streams collide and shifts them all when a use is added. Naming them does
neither: `child_seed(7, "replicate", 2, "conv1/kernel")` depends on these words
alone, and not on the process, the machine or the order of the calls.
"""

from __future__ import annotations

import hashlib
import json
import numbers

import numpy as np


def _plain_int(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _digest(seed: int, names: tuple[str | int, ...]) -> bytes:
    """Hashes the words in an encoding that keeps their borders and types."""
    if not _plain_int(seed):
        raise TypeError(
            f"`seed` must be an integer. Received: seed={seed!r}. Every use of "
            "chance here is seeded; pass 0 if any seed will do."
        )
    words: list[str | int] = [int(seed)]
    for name in names:
        if isinstance(name, str):
            words.append(str(name))
        elif _plain_int(name):
            words.append(int(name))
        else:
            raise TypeError(
                "`names` must be strings or integers. Received: "
                f"{name!r} of type {type(name).__name__}. Use its name instead."
            )
    text = json.dumps(words, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).digest()


def child_seed(seed: int, *names: str | int) -> int:
    """Returns the seed that belongs to `names` under `seed`.

    Where one wants it: to seed what takes an integer, such as a Keras
    initializer or a shuffle. The result is the first eight bytes of a SHA-256
    over the words, big-endian, modulo 2**31. It is fixed for ever: a changed
    value would change every experiment that was ever run.

    Args:
        seed: The experiment's seed, any integer.
        *names: Strings or integers that say what the stream is for. The word
            `"1"` and the number `1` are different names.

    Returns:
        An int in [0, 2**31), so that it fits a signed 32-bit integer.

    Raises:
        TypeError: If `seed` is not an integer, or a name is neither a string
            nor an integer.

    Example:
        >>> child_seed(0, "replicate", 1)
        462315847
        >>> child_seed(0, "replicate", 2) == child_seed(0, "replicate", 1)
        False
    """
    return int.from_bytes(_digest(seed, names)[:8], "big") % 2**31


def rng(seed: int, *names: str | int) -> np.random.Generator:
    """Returns a fresh NumPy generator for `names` under `seed`.

    Where one wants it: to draw arrays. Two calls with the same words give two
    generators in the same state. The bit generator is named (PCG64) rather than
    left to NumPy's default, which may change.

    Args:
        seed: The experiment's seed, any integer.
        *names: Strings or integers that say what the stream is for.

    Returns:
        A `numpy.random.Generator` at the start of its stream.

    Raises:
        TypeError: As `child_seed`.

    Example:
        >>> rng(0, "shuffle").permutation(5)
        array([1, 0, 2, 3, 4])
    """
    entropy = int.from_bytes(_digest(seed, names)[:16], "big")
    return np.random.Generator(np.random.PCG64(entropy))
