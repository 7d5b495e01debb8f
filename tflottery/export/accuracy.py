"""Accuracy: a network and its file on the same labelled examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tflottery.export import examples
from tflottery.export.inputs import Signature
from tflottery.export.interpreter import Interpreter
from tflottery.layers import paths


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


def check_labels(
    data: Any, signature: Signature, expected: Mapping[str, np.ndarray]
) -> None:
    """Looks at the first batch, before any work is done.

    Args:
        data: labelled examples, as `to_tflite` takes them.
        signature: of the model.
        expected: outputs of the model on some examples.

    Raises:
        ValueError: there are no labels, they are not classes of an output,
            or it is not clear of which.
    """
    if isinstance(data, Iterator):
        return  # it can be gone through only once
    for _, labels in examples.batches("validate_on", data, signature, True):
        name, found = chosen(labels, expected)
        scores = np.asarray(expected[name])
        classes(found, scores.shape)
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
    wanted, ours = [], []
    theirs: dict[str, list[np.ndarray]] = {name: [] for name in paths}
    for x, labels in examples.batches("validate_on", data, signature, True):
        outputs = signature.outputs(x)
        output, labels = chosen(labels, outputs)
        scores = np.asarray(outputs[output])
        wanted.append(classes(labels, scores.shape))
        ours.append(_compact(scores))
        for name, path in paths.items():
            found = np.asarray(interpreter.run(path, x)[output])
            theirs[name].append(_compact(found))
    labels, scores = np.concatenate(wanted), np.concatenate(ours)
    logits = are_logits(signature.model, scores)
    said = predicted(scores, logits)
    found = {}
    for name, parts in theirs.items():
        file = predicted(np.concatenate(parts), logits)
        found[name] = Accuracy(
            labels.size,
            float(np.mean(said == labels)),
            float(np.mean(file == labels)),
            float(np.mean(said == file)),
        )
    return found


def chosen(labels: Any, outputs: Mapping[str, Any]) -> tuple[str, np.ndarray]:
    """Returns the output that labels are for, with them.

    Args:
        labels: an array, or `{output name: array}` with one entry.
        outputs: `{name: array}` of the model.
    """
    names = list(outputs)
    if isinstance(labels, Mapping):
        known = [name for name in labels if name in outputs]
        if len(known) == len(labels) == 1:
            return known[0], np.asarray(labels[known[0]])
    elif len(names) == 1:
        return names[0], labels
    given = list(labels) if isinstance(labels, Mapping) else "one array"
    raise ValueError(
        "`validate_on` must say which output its labels are for, by a dict "
        f"with one entry. Received: labels for {given}; the outputs are "
        f"{names}. Give (x, {{{names[-1]!r}: labels}})."
    )


def _compact(scores):
    """Keeps of scores what says the class: one column, or its number."""
    return scores if scores.shape[-1] == 1 else scores.argmax(-1)[..., None]


def are_logits(model: Any, column: np.ndarray) -> bool:
    """Tells whether the single column of an output holds logits.

    Args:
        model: whose last activation says it, if it is linear or a sigmoid.
        column: all scores; of another activation, those outside of 0 to 1
            are logits.
    """
    layers = getattr(model, "layers", None) or [None]
    last = getattr(paths.unwrapped(layers[-1]), "activation", None)
    name = getattr(last, "__name__", "")
    if name in ("sigmoid", "hard_sigmoid"):
        return False
    if name == "linear":
        return True
    return bool(column.size and (column.min() < 0 or column.max() > 1))


def predicted(scores: np.ndarray, logits: bool = False) -> np.ndarray:
    """Returns the class that each row of scores says.

    Args:
        scores: of shape (n, ..., 1): class numbers, or the score of class 1.
        logits: whether that is compared with 0, and not with 0.5.

    Example:
        >>> predicted(np.array([[2], [0]])).tolist()
        [2, 0]
        >>> predicted(np.array([[0.1], [0.9]])).tolist()
        [0, 1]
    """
    column = scores[..., 0]
    if column.dtype.kind in "iu":
        return column
    return (column > (0.0 if logits else 0.5)).astype(int)


def classes(labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns labels as class numbers, from numbers or one-hot rows.

    Args:
        labels: of shape (n, ...), (n, ..., 1) or, one-hot, (n, ..., classes).
        shape: of the scores that they are for, (m, ..., classes).

    Raises:
        ValueError: they are no classes of such scores.

    Example:
        >>> classes(np.array([[0, 0, 1], [1, 0, 0]]), (8, 3)).tolist()
        [2, 0]
    """
    count, wanted = max(shape[-1], 2), shape[1:-1]
    whole = labels
    if labels.dtype.kind in "biuf" and labels.ndim:
        if labels.shape[1:] == (*wanted, shape[-1]) and shape[-1] > 1:
            sums = labels.sum(-1)
            if np.allclose(sums, 1) and labels.min() >= 0:
                return labels.argmax(-1)
        elif labels.shape[1:] == (*wanted, 1):
            labels = labels[..., 0]
        whole = np.rint(labels).astype(int)
        if labels.shape[1:] == wanted and np.array_equal(whole, labels):
            if not whole.size or 0 <= whole.min() <= whole.max() < count:
                return whole
    shown = labels.ravel()[:3].tolist()
    raise ValueError(
        f"`validate_on` must have class numbers from 0 to {count - 1} or "
        "one-hot rows as labels, to compare accuracies. Received: labels of "
        f"shape {labels.shape} and dtype {labels.dtype}, such as {shown}, for "
        f"an output of shape {(None, *shape[1:])}. Leave validate_on out for "
        "other tasks: the outputs are compared in any case."
    )
