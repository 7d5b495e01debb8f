"""`RowMap` of tf_keras; importing this module loads tf_keras."""

from __future__ import annotations

import tensorflow as tf

from tflottery.compaction import row_map_class
from tflottery.layers import family

RowMap = row_map_class.make(
    family.get("tf_keras").keras,
    tf.gather,
    lambda indices: tf.cast(indices, tf.int32),
    __name__,
)
