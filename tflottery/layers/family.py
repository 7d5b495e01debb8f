"""The two Keras families: which one a model is of, and what differs there.

Keras 3 and tf_keras cannot be mixed in one model, and this library serves
both. What has to be done differently is named here, once, as `Family`; Keras 3
(`keras_family`) answers in this package, tf_keras in `tflottery.tfmot`, which
stands above and registers itself. Nothing is imported to find out which
family a model is of: a class knows its bases.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Sequence
from typing import Any


class CannotMaskError(ValueError):
    """A layer keeps a weight where no mask can reach it."""


class Family(abc.ABC):
    """What wrapping does differently in one Keras family."""

    name: str

    @property
    @abc.abstractmethod
    def keras(self) -> Any:
        """The family's module: `keras` or `tf_keras`."""

    @property
    @abc.abstractmethod
    def wrapper_class(self) -> type:
        """The class of the family's mask wrappers."""

    @abc.abstractmethod
    def masked(self, layer: Any, weights: Any = None, settings: Any = None):
        """Returns a mask wrapper around a layer.

        Args:
            layer: the layer to wrap.
            weights: relative paths of the weights to mask; `None` for all
                that are prunable, once the layer is built.
            settings: a `PruningSettings`.
        """

    @abc.abstractmethod
    def is_graph(self, layer: Any) -> bool:
        """Tells whether a model is functional or Sequential."""

    @abc.abstractmethod
    def unlocked(self, model: Any) -> contextlib.AbstractContextManager:
        """A scope in which attributes of a built model may be replaced."""

    @abc.abstractmethod
    def own_attributes(self) -> frozenset[str]:
        """Names of attributes where the family does its own bookkeeping."""

    @abc.abstractmethod
    def restore_order(
        self, model: Any, before: Sequence[Any], replaced: dict[int, Any]
    ) -> None:
        """Puts the tracked layers of a model into the order of before.

        Args:
            model: its attributes have been replaced.
            before: what `tracked` returned before that.
            replaced: `{id of an object of before: what stands for it now}`.
        """

    @abc.abstractmethod
    def tracked(self, model: Any) -> list[Any]:
        """Returns what the model tracks, in order."""

    def adopted(
        self, layer: Any
    ) -> tuple[Any, Sequence[str], dict[str, Any]] | None:
        """Opens a wrapper of another library that can be taken over.

        Returns:
            `(layer within, paths of its weights, {path: mask})`, or `None`.
        """
        return None


_registered: dict[str, Callable[[], Family]] = {}


def register(name: str, make: Callable[[], Family]) -> None:
    """Makes a family known.

    Args:
        name: `"keras"` or `"tf_keras"`.
        make: function that returns it; called when it is first needed.
    """
    _registered[name] = make


def get(name: str) -> Family:
    """Returns a family by name, `"keras"` or `"tf_keras"`.

    Example:
        >>> import tflottery
        >>> get("keras").keras.__name__
        'keras'
    """
    return _registered[name]()


def of(model: Any, argument: str = "model") -> Family:
    """Returns the family of a model, a layer or a list of layers.

    Args:
        model: any object.
        argument: what it is called in the message.

    Raises:
        TypeError: of neither family, or of both.
    """
    name = family_of(model)
    if name is None:
        raise TypeError(_refusal(model, argument))
    return get(name)


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


def _refusal(model: Any, argument: str) -> str:
    if isinstance(model, (list, tuple)):
        found = sorted({family_of(item) or "neither" for item in model})
        if len(found) > 1:
            return (
                f"`{argument}` must be a list of layers of one Keras. Received:"
                " a "
                f"list with layers of {' and '.join(found)}. Build all of "
                "them with `import keras`, or all with `import tf_keras`."
            )
    return (
        f"`{argument}` must be a Keras model, a layer or a list of at least "
        "one layer. "
        f"Received: {model!r} (of type {type(model).__name__})."
    )
