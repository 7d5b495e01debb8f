"""Which Keras a model is of. The two families cannot be mixed in one model.

Nothing is imported to find out: a class knows its bases.
"""

from __future__ import annotations

from typing import Any


def family_of(model: Any) -> str | None:
    """Returns `"keras"`, `"tf_keras"`, or `None` for anything else.

    Args:
        model: a model, a layer, or a list of them.

    Example:
        >>> import keras
        >>> family_of(keras.layers.Dense(1)), family_of("dense")
        ('keras', None)
    """
    if isinstance(model, (list, tuple)) and model:
        found = {family_of(item) for item in model}
        return found.pop() if len(found) == 1 else None
    for base in type(model).__mro__:
        if base.__module__.startswith("keras.src.layers.layer"):
            return "keras"
        if base.__module__.startswith("tf_keras.src.engine.base_layer"):
            return "tf_keras"
    return None


def check_supported(model: Any) -> None:
    """Refuses, in words, what cannot be wrapped.

    Raises:
        TypeError: not a model, layer or list of layers of a known family.
    """
    found = family_of(model)
    if found == "keras":
        return
    if found == "tf_keras":
        raise TypeError(
            "`model` must be a Keras 3 model, layer or list of layers. "
            f"Received: a tf_keras {type(model).__name__}. Build it with "
            "`import keras`; the tf_keras family is not supported yet."
        )
    raise TypeError(
        "`model` must be a Keras model, a layer or a list of layers. "
        f"Received: {model!r} (of type {type(model).__name__})."
    )
