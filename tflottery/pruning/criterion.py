"""What a criterion is, and the evidence it judges by.

"Which weights matter" is one question with many answers. An answer sees arrays
by path and nothing of the network they came from; what needs a network, such as
a gradient, is worked out elsewhere and handed in as evidence.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tflottery.pruning import registry


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What is known of each weight when it is judged: dicts `{path: array}`.

    Only `weights` is always there; a criterion names in `requires` what else
    it needs.

    Args:
        weights: The weights at the end of training, w.
        initial: The weights before training.
        gradients: dL/dw, of the loss on some batch.
        hessian_gradients: H g, with g = dL/dw and H the second derivatives of
            the same loss.
        flow_gradients: dR/d|w|, with R the summed output of the network of
            absolute weights for an input of ones.

    Example:
        >>> evidence = Evidence(weights={"a": [1.0, -2.0]})
        >>> next(evidence.select("magnitude", "weights"))
        ('a', array([ 1., -2.]))
    """

    weights: Mapping[str, Any]
    initial: Mapping[str, Any] | None = None
    gradients: Mapping[str, Any] | None = None
    hessian_gradients: Mapping[str, Any] | None = None
    flow_gradients: Mapping[str, Any] | None = None

    def select(
        self, criterion: str, *names: str
    ) -> Iterator[tuple[str | np.ndarray, ...]]:
        """Yields `(path, array, ...)` for each tensor of `weights`.

        Args:
            criterion: Who asks, for the message.
            *names: Which evidence, in the order wanted.

        Yields:
            The path, then one float array for each name; float32 and float64
            as they are, shorter floats as float32, integers as float64.

        Raises:
            TypeError: If an array does not hold real numbers.
            ValueError: If evidence is missing, in whole or for a tensor, or
                its shape is not that of the weight.
        """
        for name in names:
            if getattr(self, name) is None:
                raise ValueError(
                    f"`evidence` must hold `{name}` for the criterion "
                    f"'{criterion}'. Received: {name}=None. Pass "
                    f"Evidence(..., {name}={{path: array}})."
                )
        for path in self.weights:
            yield (path, *(self._array(name, path) for name in names))

    def _array(self, name: str, path: str) -> np.ndarray:
        known = getattr(self, name)
        if path not in known:
            raise ValueError(
                f"`{name}` lacks `{path}`. Received: {name} of "
                f"{', '.join(f'`{p}`' for p in known) or 'nothing'}. Pass it "
                "for every weight."
            )
        array = as_float(name, path, known[path])
        shape = np.shape(self.weights[path])
        if array.shape != shape:
            raise ValueError(
                f"`{name}` of `{path}` has shape {array.shape}; the weight has "
                f"{shape}. Was it made for another model?"
            )
        return array


def as_float(name: str, path: str, value: Any) -> np.ndarray:
    """Returns an array of float32 or float64 that holds the same numbers.

    Args:
        name: What the array is, for the message.
        path: The tensor's path, for the message.
        value: An array of real numbers of any type, bfloat16 included.

    Returns:
        The array itself if it is of float32 or float64; else a copy, in
        float32 for shorter floats and in float64 for all the rest.

    Raises:
        TypeError: If it does not hold real numbers.

    Example:
        >>> as_float("weights", "a", np.array([1, 2], np.float16)).dtype
        dtype('float32')
    """
    array = np.asarray(value)
    native = array.dtype.newbyteorder("=")
    if native in (np.float32, np.float64):
        return array.astype(native, copy=False)
    if array.dtype.kind in "OSUMmTc":
        raise TypeError(
            f"`{name}` of `{path}` must hold real numbers. Received: an array "
            f"of dtype {array.dtype}."
        )
    short_float = array.dtype.kind not in "iub" and array.dtype.itemsize <= 2
    return array.astype(np.float32 if short_float else np.float64)


def as_double(array: np.ndarray) -> np.ndarray:
    """Returns the array in float64.

    Products and differences of float32 weights are exact there: no score is
    rounded into a tie, and none is lost to underflow.

    Example:
        >>> as_double(np.float32([1.5]))
        array([1.5])
    """
    return array.astype(np.float64, copy=False)


class Criterion(registry.Configurable, abc.ABC):
    """Gives every weight a score; the larger is kept.

    Subclass it, as a frozen dataclass where it takes arguments, to bring a
    criterion of your own. Set `name`, set `requires` if more than the weights
    is looked at, write `scores`, and decorate it with
    `tflottery.pruning.criteria.register` if it is to be saved and loaded.

    Example:
        >>> class Positive(Criterion):
        ...     name = "positive"
        ...
        ...     def scores(self, evidence):
        ...         return dict(evidence.select(self.name, "weights"))
        >>> Positive().scores(Evidence(weights={"a": [1.0, -2.0]}))
        {'a': array([ 1., -2.])}
    """

    name: str
    requires: frozenset[str] = frozenset({"weights"})

    @abc.abstractmethod
    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Scores every weight.

        Args:
            evidence: What is known; it must hold what `requires` names.

        Returns:
            A dict with the paths of `evidence.weights`, to float arrays of the
            weights' shapes. Scores of all tensors are comparable. What a
            pruned entry scores is never looked at.
        """


criterion_registry: registry.Registry[Criterion] = registry.Registry(
    "criterion", Criterion
)
