"""Accuracy: a network and its file on the same labelled examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tflottery.export import examples
from tflottery.export.inputs import Signature
from tflottery.export.interpreter import Interpreter


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """How often each is right.

    Args:
        examples: how many there were.
        model: share that the Keras model gets right, 0 to 1.
        file: share that the exported file gets right.
        same: share where both say the same.
    """

    examples: int
    model: float
    file: float
    same: float


def check_labels(data: Any, signature: Signature) -> None:
    """Looks at the first batch, before any work is done.

    Raises:
        ValueError: there are no labels, or they are not classes.
    """
    if isinstance(data, Iterator):
        return  # it can be gone through only once
    for _, labels in examples.batches("validate_on", data, signature, True):
        classes(labels, 2)
        return


def measure(
    data: Any,
    signature: Signature,
    interpreter: Interpreter,
    paths: Mapping[str, Any],
) -> dict[str, Accuracy]:
    """Compares a model with its files, batch by batch.

    Args:
        data: labelled examples, as `to_tflite` takes them.
        signature: of the model.
        interpreter: it has loaded the files.
        paths: `{name: file}`.

    Returns:
        `{name: Accuracy}`.
    """
    counts = {name: np.zeros(4, int) for name in paths}
    for x, labels in examples.batches("validate_on", data, signature, True):
        scores = _first(signature.outputs(x))
        logits = are_logits(scores)
        ours = predicted(scores, logits)
        wanted = classes(labels, 2).reshape(ours.shape)
        for name, path in paths.items():
            theirs = predicted(_first(interpreter.run(path, x)), logits)
            counts[name] += [
                ours.size,
                (ours == wanted).sum(),
                (theirs == wanted).sum(),
                (ours == theirs).sum(),
            ]
    return {name: _shares(*map(int, found)) for name, found in counts.items()}


def _shares(total, *counts):
    return Accuracy(total, *(count / total for count in counts))


def _first(outputs):
    return np.asarray(next(iter(outputs.values())))


def are_logits(scores: np.ndarray) -> bool:
    """Tells whether a single column holds logits, and not probabilities."""
    return bool(scores.size and (scores.min() < 0 or scores.max() > 1))


def predicted(scores: np.ndarray, logits: bool = False) -> np.ndarray:
    """Returns the class that each row of outputs says.

    Args:
        scores: of shape (n, ..., classes); one column is that of class 1.
        logits: whether a single column is compared with 0, and not with 0.5.

    Example:
        >>> predicted(np.array([[0.1, 0.9], [2.0, 1.0]])).tolist()
        [1, 0]
        >>> predicted(np.array([[0.1], [0.9]])).tolist()
        [0, 1]
    """
    if scores.shape[-1] > 1:
        return scores.argmax(-1)
    return (scores[..., 0] > (0.0 if logits else 0.5)).astype(int)


def classes(labels: np.ndarray, least: int) -> np.ndarray:
    """Returns labels as class numbers, from numbers or one-hot rows.

    Args:
        labels: of shape (n,), (n, 1) or, one-hot, (n, classes).
        least: how many columns make a row one-hot.
    """
    if labels.ndim > 1 and labels.shape[-1] >= least:
        one_hot = np.isclose(labels.sum(-1), 1).all() and labels.min() >= 0
        if one_hot:
            return labels.argmax(-1)
    whole = np.rint(labels)
    if labels.dtype.kind not in "biuf" or not np.array_equal(whole, labels):
        raise ValueError(
            "`validate_on` must have class numbers or one-hot rows as labels, "
            f"to compare accuracies. Received: labels of dtype {labels.dtype}"
            f" such as {labels.ravel()[:3].tolist()}. Leave validate_on out: "
            "the outputs are compared in any case."
        )
    return whole.astype(int)
