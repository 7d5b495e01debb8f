"""`prune_scope`: loading our layers of tf_keras models in a new process."""

from __future__ import annotations

from typing import Any


def prune_scope() -> Any:
    """Returns a scope in which our tf_keras models can be loaded.

    A process that has wrapped no tf_keras model yet needs it for one that is
    wrapped, of a supermask, or compacted with rows of an embedding merged,
    whatever the format of the file, as with TF-MOT. Keras 3 models need no
    scope. Files of TF-MOT's own wrappers load in this scope too, as TF-MOT's
    wrappers; `tflottery.prune_iteratively` takes them over.

    Returns:
        A context manager.

    Example:
        >>> import tf_keras, tflottery
        >>> with tflottery.prune_scope():
        ...     tf_keras.saving.get_registered_object(
        ...         "tflottery>PruneLowMagnitude").__name__
        'PruneLowMagnitude'
    """
    from tflottery.compaction import row_map
    from tflottery.layers.subclassed import MaskedSubclassedModel
    from tflottery.supermasks import registered
    from tflottery.tfmot import guard
    from tflottery.tfmot.wrapper import PruneLowMagnitude

    tf_keras = guard.tf_keras()
    return tf_keras.utils.custom_object_scope(
        {
            "PruneLowMagnitude": guard.wrapper_class(),
            "tflottery>PruneLowMagnitude": PruneLowMagnitude,
            "tflottery>RowMap": row_map.class_for(tf_keras),
            "tflottery>MaskedSubclassedModel": MaskedSubclassedModel,
            **registered.custom_objects("tf_keras"),
        }
    )
