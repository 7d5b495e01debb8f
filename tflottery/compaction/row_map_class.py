"""The class `RowMap`, for whichever Keras family asks.

The families have no base class in common, and only one of them may be loaded.
"""

from __future__ import annotations

from typing import Any

_DOC = """Turns old indices of an embedding into new ones.

    Made by `tflottery.export.compact` in front of an `Embedding` whose zero
    rows were merged. An index out of range is treated as the embedding
    treated it: refused on a CPU; where a device reads zero instead, it becomes
    index 0.

    Args:
        num_rows: number of old indices.
        **kwargs: `name`, `dtype`, ... of every layer.
    """


def make(of: Any, take: Any, cast: Any, module: str) -> type:
    """Makes the class for one Keras family.

    Args:
        of: the module `keras` or `tf_keras`.
        take: function of the table and indices.
        cast: function of indices of any type, to int32.
        module: name of the module where the class will be found.
    """

    class RowMap(of.layers.Layer):
        def __init__(self, num_rows, **kwargs):
            kwargs.setdefault("trainable", False)
            super().__init__(autocast=False, **kwargs)
            self.num_rows = num_rows

        def build(self, input_shape=None):
            """Makes the table."""
            self.table = self.add_weight(
                shape=(self.num_rows,),
                dtype="int32",
                initializer="zeros",
                trainable=False,
                name="table",
            )
            self.built = True

        def call(self, inputs):
            """Returns the new indices, of the shape of the old ones."""
            return take(self.table, cast(inputs))

        def compute_output_shape(self, input_shape):
            """Returns the shape of the input."""
            return input_shape

        def get_config(self):
            """Returns the number of rows."""
            return {**super().get_config(), "num_rows": self.num_rows}

    RowMap.__doc__ = _DOC
    RowMap.__module__, RowMap.__qualname__ = module, "RowMap"
    return of.saving.register_keras_serializable("tflottery")(RowMap)
