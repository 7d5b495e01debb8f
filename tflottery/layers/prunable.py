"""Which weights can be pruned: decided by the weight, not by the layer class.

A list of known layer classes breaks on the first layer it does not know. Here
a weight is prunable if it is trainable, has rank two or more and is a kernel
or an embedding table; a layer that says so itself (`get_prunable_weights`, as
in TF-MOT) is believed.
"""

from __future__ import annotations

import abc
import dataclasses
import re
from collections.abc import Iterable
from typing import Any

from tflottery.layers import paths

_KERNEL = re.compile(r".*(kernel|embedding)s?|w|weights?", re.IGNORECASE)
_NOT_A_KERNEL = re.compile(r"lora_.*|.*(bias|scale)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class PrunableWeight:
    """One weight that can be pruned.

    Args:
        path: path relative to the layer or model that was searched.
        variable: the weight.
        owner: the layer that holds it.
    """

    path: str
    variable: Any
    owner: Any

    @property
    def names(self) -> tuple[str, ...]:
        """What a user may call it: paths, and the names of its layers."""
        keras_path = variable_path(self.variable)
        return (
            self.path,
            keras_path,
            self.owner.name,
            *(keras_path.split("/")[:-1]),
        )

    @property
    def is_depthwise(self) -> bool:
        """Whether it filters each channel by itself."""
        classes = [base.__name__ for base in type(self.owner).__mro__]
        return self.path.split("/")[-1].startswith("depthwise") or any(
            "DepthwiseConv" in name for name in classes
        )


def variable_path(variable: Any) -> str:
    """Returns Keras' own path of a variable, of either family."""
    path = getattr(variable, "path", None) or variable.name
    return path.split(":")[0]


def variables_of(layer: Any) -> dict[str, Any]:
    """Returns `{relative path: variable}` of a layer."""
    return paths.variables(layer)


def is_complete(layer: Any, weights: Iterable[str] | None) -> bool:
    """Tells whether a layer has all the weights that it will have.

    A layer made of layers may count as built when it comes from a file, while
    those are still to be built by its first call.

    Args:
        layer: any layer.
        weights: relative paths of weights that it must have; `None` if none
            are known.
    """
    if not layer.built:
        return False
    if not weights or set(weights) <= variables_of(layer).keys():
        return True
    return all(is_complete(child, None) for child in paths.children(layer))


def owners_of(layer: Any, wanted: Iterable[str]) -> list[Any]:
    """Returns the layers that hold the variables of these relative paths."""
    wanted = set(wanted)
    return [owner for path, _, owner in paths.walk(layer) if path in wanted]


def prunable_weights(layer: Any, frozen: bool = False) -> list[PrunableWeight]:
    """Finds the weights of a layer or model that can be pruned, at any depth.

    Args:
        layer: a built layer or model; `get_prunable_weights()` on it or on a
            layer inside it decides for that layer.
        frozen: whether weights of layers that are not trainable count too.

    Returns:
        The weights, in the order of `tflottery.layers.paths.walk`.

    Example:
        >>> import keras
        >>> lstm = keras.layers.LSTM(3)
        >>> lstm.build((None, 5, 2))
        >>> [weight.path for weight in prunable_weights(lstm)]
        ['lstm_cell/kernel', 'lstm_cell/recurrent_kernel']
    """
    chosen: dict[int, set[int] | None] = {}
    found = []
    for path, variable, owner in paths.walk(layer):
        if id(owner) not in chosen:
            chosen[id(owner)] = _chosen_by_layer(owner)
        of_layer = chosen[id(owner)]
        if (
            _is_kernel(path, variable, owner, frozen)
            if of_layer is None
            else id(variable) in of_layer
        ):
            found.append(PrunableWeight(path, variable, owner))
    return found


def why_not(layer: Any) -> str:
    """Says in words why a built layer has nothing to prune."""
    own = list(paths.variables(layer).items())
    if not own:
        return "has no weights"
    if not layer.trainable:
        return "is not trainable"
    matrices = [
        f"`{path}` {tuple(variable.shape)}"
        for path, variable in own
        if len(variable.shape) >= 2 and variable.trainable
    ]
    if not matrices:
        return "has no trainable weight of rank 2 or more"
    return (
        f"holds {', '.join(matrices)}, neither a kernel nor an embedding; a "
        "method `get_prunable_weights` on the layer can choose them"
    )


class PrunableLayer(abc.ABC):
    """A layer of a user's own that says which of its weights to prune.

    A mix-in, as in TF-MOT; a plain method `get_prunable_weights` will do too.
    Without either, the weights named as kernels or embeddings are pruned.

    Example:
        >>> import keras
        >>> class Scaled(keras.layers.Layer, PrunableLayer):
        ...     def build(self, shape):
        ...         self.mix = self.add_weight(shape=(shape[-1], 2), name="mix")
        ...     def call(self, x):
        ...         return x @ self.mix
        ...     def get_prunable_weights(self):
        ...         return [self.mix]
        >>> layer = Scaled()
        >>> layer.build((None, 3))
        >>> [weight.path for weight in prunable_weights(layer)]
        ['mix']
    """

    @abc.abstractmethod
    def get_prunable_weights(self) -> list[Any]:
        """Returns the variables to prune; the layer is built by then."""


def _chosen_by_layer(layer: Any) -> set[int] | None:
    method = getattr(layer, "get_prunable_weights", None)
    if method is None:
        return None
    weights = method()
    for weight in weights:
        if not hasattr(weight, "assign"):
            raise TypeError(
                "`get_prunable_weights` must return a list of variables. "
                f"Received: {weight!r} from layer `{layer.name}`."
            )
    return {id(weight) for weight in weights}


def _is_kernel(path: str, variable: Any, owner: Any, frozen: bool) -> bool:
    name = path.split("/")[-1]
    dtype = getattr(variable.dtype, "name", variable.dtype)
    return (
        (frozen or (variable.trainable and owner.trainable))
        and _would_train(variable, owner)
        and len(variable.shape) >= 2
        and ("float" in str(dtype))
        and _KERNEL.fullmatch(name) is not None
        and _NOT_A_KERNEL.fullmatch(name) is None
    )


def _would_train(variable: Any, owner: Any) -> bool:
    """Tells whether a weight is one to train, though its layer may be frozen.

    A layer's `trainable` is no attribute of the weights of tf_keras, and in
    Keras 3 it hides what they were made for.
    """
    made_to_train = getattr(owner, "_trainable_variables", None)
    if made_to_train is None:
        made_to_train = owner._trainable_weights
    return any(variable is other for other in made_to_train)
