"""`RowMap`: a layer that looks up where a row of an embedding is found now.

Its table holds whole numbers, which no quantization touches. The class exists
once for each Keras family, each in a module of its own, where both families
look for it when they load a saved model.
"""

from __future__ import annotations

from typing import Any

import keras

from tflottery.compaction import row_map_class

RowMap = row_map_class.make(
    keras,
    lambda table, indices: keras.ops.take(table, indices, axis=0),
    lambda indices: keras.ops.cast(indices, "int32"),
    __name__,
)


def class_for(of: Any) -> type:
    """Returns the class of a family.

    Args:
        of: the module `keras` or `tf_keras`.

    Example:
        >>> import numpy as np
        >>> layer = class_for(keras)(3)
        >>> layer.build()
        >>> _ = layer.table.assign([0, 2, 1])
        >>> np.asarray(layer(np.array([[1, 2]]))).tolist()
        [[2, 1]]
    """
    if of is keras:
        return RowMap
    from tflottery.compaction import legacy_row_map

    return legacy_row_map.RowMap
