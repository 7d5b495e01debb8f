"""`SingleInputUnits` and `SparseDense`: layers that store kept edges only.

They exist once for each Keras family, each in a module of its own, where both
families look for them when they load a saved model.
"""

from __future__ import annotations

from typing import Any

import keras

from tflottery.supermasks import sparse_class

SingleInputUnits, SparseDense = sparse_class.make(keras, __name__)


def classes_for(of: Any) -> tuple[type, type]:
    """Returns both classes of a family.

    Args:
        of: the module `keras` or `tf_keras`.

    Example:
        >>> import numpy as np
        >>> units, sparse = classes_for(keras)
        >>> layer = units(2, use_bias=False)
        >>> layer.build((None, 3))
        >>> layer.set_weights([np.array([2.0, -1.0]), np.array([2, 0])])
        >>> np.asarray(layer(np.array([[5.0, 0.0, 3.0]]))).tolist()
        [[6.0, 0.0]]
    """
    if of is keras:
        return SingleInputUnits, SparseDense
    from tflottery.supermasks import legacy_sparse_layers as legacy

    return legacy.SingleInputUnits, legacy.SparseDense
