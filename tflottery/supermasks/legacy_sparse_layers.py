"""The layers of `sparse_layers` for tf_keras; importing it loads tf_keras."""

from __future__ import annotations

from tflottery.layers import family
from tflottery.supermasks import sparse_class

SingleInputUnits, SparseDense = sparse_class.make(
    family.get("tf_keras").keras, __name__
)
