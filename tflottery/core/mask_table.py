"""The table of a mask: a line for each tensor and one for the whole."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tflottery.core import bits, text_table


def table(arrays: Mapping[str, np.ndarray]) -> str:
    """Returns a readable table of what is kept.

    Args:
        arrays: A mapping from path to bool array.

    Example:
        >>> print(table({"fc/kernel": np.array([[True, False]])}))
        path       shape  kept  size  density
        fc/kernel  1x2       1     2   0.5000
        total                1     2   0.5000
    """
    rows = [("path", "shape", "kept", "size", "density")]
    kept = size = 0
    for path, array in arrays.items():
        shape = "x".join(str(length) for length in array.shape)
        count = int(np.count_nonzero(array))
        kept, size = kept + count, size + array.size
        rows.append(
            (path, shape, *_numbers(count, array.size, bits.density(array)))
        )
    whole = _numbers(kept, size, kept / size if size else 1.0)
    rows.append(("total", "", *whole))
    return text_table.set_table(rows, num_left=2)


def _numbers(kept: int, size: int, density: float) -> tuple[str, str, str]:
    return f"{kept:,}", f"{size:,}", f"{density:.4f}"
