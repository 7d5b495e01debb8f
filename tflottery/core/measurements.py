"""Measurements: what Keras returns as losses and metrics, as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def as_numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns losses and metrics as floats.

    Args:
        values: `{name: value}`; a float, a NumPy array or a tensor.

    Returns:
        `{name: float}`; of a metric that is several numbers, one for each
        class for instance, a list of them.

    Example:
        >>> as_numbers({"loss": np.float32(0.5), "f1": np.array([0.25, 1.0])})
        {'loss': 0.5, 'f1': [0.25, 1.0]}
    """
    return {
        name: np.asarray(value, np.float64).tolist()
        for name, value in values.items()
    }
