"""Running a Keras 3 layer on the side: what it assigns, what it would build.

`Masked` runs the layer it wraps on masked weights; what the layer then assigns
(BatchNorm statistics, seeds) has to be handed back.
"""

from __future__ import annotations

from typing import Any

import keras


class Recording(keras.StatelessScope):
    """A scope that knows which variables were assigned within it.

    Not all belong to the layer's `variables`: the states of a stateful RNN
    are tracked by nobody.
    """

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.assigned = {}

    def add_update(self, update):
        """Notes an assignment."""
        super().add_update(update)
        self.assigned[id(update[0])] = update[0]


def symbolic(structure: Any) -> Any:
    """Returns arguments of a call as symbols of the same shapes."""

    def convert(value):
        if isinstance(value, keras.KerasTensor) or value is None:
            return value
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            return keras.KerasTensor(
                tuple(value.shape),
                dtype=keras.backend.standardize_dtype(value.dtype),
            )
        return value

    return keras.tree.map_structure(convert, structure)
