"""Examples of a caller's: arrays, dicts, `tf.data`, iterables, in batches.

Calibrating, comparing and validating all take data as Keras users have it.
Here it becomes batches of named arrays, checked against the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.export.inputs import Signature

_BATCH = 100


def batches(
    argument: str, data: Any, signature: Signature, labelled: bool = False
) -> Iterator[tuple[dict[str, np.ndarray], Any]]:
    """Goes through data in batches.

    Args:
        argument: what the data is called in messages.
        data: an array of examples; a dict of arrays by input name; a tuple
            `(x, y)`; a `tf.data.Dataset`, another iterable or a function that
            returns one, of examples or of batches, each alone or as a tuple
            `(x, y)`.
        signature: of the model.
        labelled: whether there must be labels.

    Yields:
        `({input name: array of shape (n, ...)}, labels)`; these are an
        array, a structure of arrays, or `None`.

    Raises:
        TypeError: the data is of no such sort.
        ValueError: shapes do not fit the model, or labels are missing.
    """
    if callable(data):
        data = data()
    one = _whole(data, signature)
    items = _slices(one) if one is not None else _items(argument, data)
    found = False
    for item in items:
        x, y = _split(argument, item, signature)
        if labelled and y is None:
            raise ValueError(
                f"`{argument}` must hold labels beside the examples. "
                f"Received: {_sort(item)}. Give a tuple (x, y) of arrays, or "
                "a tf.data.Dataset of such tuples."
            )
        found = True
        yield _checked(argument, x, y, signature)
    if not found:
        raise ValueError(
            f"`{argument}` must hold at least one example. Received: "
            f"{type(data).__name__} without any."
            + (
                " A generator can be used only once."
                if isinstance(data, Iterator)
                else ""
            )
        )


def first_examples(
    argument: str, data: Any, signature: Signature, count: int
) -> dict[str, np.ndarray]:
    """Returns the first examples of some data, as `{name: array}`."""
    parts: list[dict[str, np.ndarray]] = []
    have = 0
    for x, _ in batches(argument, data, signature):
        parts.append(x)
        have += len(next(iter(x.values())))
        if have >= count:
            break
    return {
        name: np.concatenate([part[name] for part in parts])[:count]
        for name in signature.names
    }


def _is_array(value):
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _whole(data, signature):
    """Returns data that is all there at once as one item, or `None`."""
    if _is_array(data) or isinstance(data, Mapping):
        return data
    if isinstance(data, tuple) and all(_is_structure(part) for part in data):
        return data
    inputs = len(signature.names)
    if isinstance(data, list) and inputs > 1 and len(data) == inputs:
        return data if all(_is_array(part) for part in data) else None
    return None


def _is_structure(value):
    return all(_is_array(part) for part in tf.nest.flatten(value))


def _slices(whole):
    flat = [np.asarray(part) for part in tf.nest.flatten(whole)]
    size = min((len(part) for part in flat if part.ndim), default=0)
    for start in range(0, size, _BATCH):
        cut = [part[start : start + _BATCH] for part in flat]
        yield tf.nest.pack_sequence_as(whole, cut)


def _items(argument, data) -> Iterable[Any]:
    if isinstance(data, str) or not isinstance(data, Iterable):
        raise TypeError(
            f"`{argument}` must be an array, a dict of arrays by input name, "
            "a tuple (x, y), a tf.data.Dataset or another iterable of "
            f"batches. Received: {argument}={data!r}."
        )
    return data


def _split(argument, item, signature):
    """Returns the inputs of an item, flat, and its labels, if it has any."""
    wanted = len(signature.names)
    y = None
    if isinstance(item, (tuple, list)) and len(item) in (2, 3):
        first = tf.nest.flatten(item[0])
        if len(first) == wanted:
            item, y = item[0], item[1]
    if isinstance(item, Mapping):
        return _by_name(argument, item, signature), y
    return tf.nest.flatten(item), y


def _by_name(argument, item, signature):
    names = signature.names
    if set(names) <= set(item):
        return [item[name] for name in names]
    keys = signature.arguments[0]
    keys = sorted(keys) if isinstance(keys, Mapping) else []
    if len(keys) == len(names) and set(keys) <= set(item):
        return [item[key] for key in keys]
    if len(item) == len(names) == 1:
        return list(item.values())
    raise ValueError(
        f"`{argument}` must name the inputs of the model. Received: a dict "
        f"with {sorted(map(str, item))}; the inputs are {list(names)}."
    )


def _checked(argument, x, y, signature):
    if len(x) != len(signature.names):
        raise ValueError(
            f"`{argument}` must give one array for each input of the model. "
            f"Received: {len(x)} arrays for the inputs "
            f"{list(signature.names)}."
        )
    arrays = {}
    alone = False
    for name, spec, value in zip(
        signature.names, signature.specs, x, strict=True
    ):
        array = np.asarray(value)
        wanted = tuple(spec.shape.as_list()[1:])
        if array.shape == wanted:  # an example without a batch around it
            array, alone = array[None], True
        if array.shape[1:] != wanted:
            raise ValueError(
                f"`{argument}` must fit the model's inputs. Received: an "
                f"array of shape {array.shape} for input `{name}`, which "
                f"takes batches of shape {(None, *wanted)}."
            )
        arrays[name] = _of_type(argument, name, array, spec)
    labels = y
    if y is not None:
        y = np.asarray(y) if isinstance(y, list) else y
        labels = tf.nest.map_structure(np.asarray, y)
    if alone and labels is not None:
        labels = tf.nest.map_structure(lambda part: part[None], labels)
    sizes = {len(array) for array in arrays.values()}
    sizes |= {
        len(part) if part.ndim else 0
        for part in tf.nest.flatten(labels)
        if part is not None
    }
    if len(sizes) > 1:
        raise ValueError(
            f"`{argument}` must hold as many labels as examples. Received: "
            f"batches of {sorted(sizes)}."
        )
    return arrays, labels


def _of_type(argument, name, array, spec):
    """Returns an array as the model takes it, if nothing is lost by that."""
    kind = spec.dtype.as_numpy_dtype
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(
            f"`{argument}` must hold finite numbers. Received: NaN or "
            f"infinite values for input `{name}`."
        )
    found = array.astype(kind)
    if not spec.dtype.is_floating and np.any(found != array):
        raise ValueError(
            f"`{argument}` must hold whole numbers for input `{name}`, which "
            f"is of dtype {spec.dtype.name}. Received: {array.dtype} such as "
            f"{array.ravel()[:3].tolist()}. Are they scaled already?"
        )
    return found


def _sort(item):
    parts = tf.nest.flatten(item)
    shapes = ", ".join(str(tuple(np.shape(part))) for part in parts[:3])
    more = f" and {len(parts) - 3} more" if len(parts) > 3 else ""
    return f"{type(item).__name__} of shapes {shapes}{more}"
