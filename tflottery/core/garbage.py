"""Garbage: large objects that are no longer used, but still in memory.

Models and optimizers of Keras refer to themselves in circles. Python frees such
objects when its collector happens to come by, which for networks of many
megabytes may be after the next peak of memory.
"""

from __future__ import annotations

import gc

LARGE = 2**25


def collect(size: int) -> None:
    """Has Python free what is no longer used, if that is worth the time.

    A collection takes some tenths of a second where TensorFlow is loaded.

    Args:
        size: Bytes that it would free, of which fewer than 32 MiB are left to
            Python.
    """
    if size >= LARGE:
        gc.collect()
