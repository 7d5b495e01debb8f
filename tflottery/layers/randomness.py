"""The generators of Python and NumPy, left as they were.

Keras 3 draws a seed from Python's generator for every layer that it makes, so
that looking at a model would change what a program draws afterwards.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Has the scope draw no numbers from Python's and NumPy's generators.

    Example:
        >>> random.seed(0)
        >>> with kept():
        ...     drawn = random.random()
        >>> random.random() == drawn
        True
    """
    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
