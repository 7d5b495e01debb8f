"""What a user gives in place of names: facts about a `build` and a `data`.

A function may be edited between two calls. These facts, which stand in
`given.json`, tell its network from another, so that a search that goes on does
so with the network and the data it began with.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tflottery.core import documents
from tflottery.data import Dataset, InMemoryDataset
from tflottery.layers import family as families
from tflottery.layers import paths
from tflottery.lottery import compiling
from tflottery.lottery.training_config import TrainingConfig

_LONGEST = 100  # of a list that is kept as it is

# Facts of the process: where a class was imported from, what there is to
# compile with, how many objects were made before.
_OF_THE_PROCESS = frozenset(
    (
        *("module", "registered_name", "shared_object_id", "build_config"),
        *("jit_compile", "is_legacy_optimizer"),
    )
)


def of_network(model: Any) -> dict[str, Any]:
    """Returns what tells a network from one that is built in another way.

    Initial values are not among it, nor names that Keras counts up.

    Args:
        model: built, compiled or not, of either Keras family.

    Returns:
        A dict of plain values: `network`, the classes, settings and
        connections of its layers; `variables`, `[path, shape, type]` each;
        `optimizer`, `loss` and `loss_weights`, `None` where it has none.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> model.compile("sgd", "mse")
        >>> facts = of_network(model)
        >>> facts["variables"][0], facts["loss"]
        (['dense/kernel', [4, 2], 'float32'], 'mse')
    """
    with warnings.catch_warnings():
        # Keras warns of settings that cannot be loaded; nobody will load them.
        warnings.simplefilter("ignore")
        return _of_network(model)


def of_data(data: Dataset, config: TrainingConfig) -> dict[str, Any]:
    """Returns what tells data from other data of the same sizes.

    Args:
        data: any data set.
        config: whose batches are looked at.

    Returns:
        A dict with `sha256`, of the sizes, of the first batch of each part
        and, of data in memory, of all labels.
    """
    return {"sha256": _digest(_samples(data, config))}


def digest_of(facts: Any) -> str:
    """Returns the SHA-256 of plain values, in hexadecimal."""
    return _digest([documents.canonical_json(facts).encode()])


def differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    """Yields where two facts differ, as `name (there ..., here ...)`.

    What only one of them tells is no difference: versions of Keras differ in
    which settings a layer has.

    Args:
        there: facts as `given.json` has them.
        here: facts of the same kind.
        name: of these facts.

    Example:
        >>> [*differences({"units": 4, "seed": 0}, {"units": 5}, "dense")]
        ['dense.units (there 4, here 5)']
        >>> [*differences([1, 2], [1], "sizes")]
        ['sizes (there 2 entries, here 1)']
    """
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in sorted(there.keys() & here.keys()):
            yield from differences(
                there[key], here[key], f"{name}.{key}" if name else key
            )
    elif isinstance(there, list) and isinstance(here, list):
        if len(there) != len(here):
            yield f"{name} (there {len(there)} entries, here {len(here)})"
            return
        for number, (a, b) in enumerate(zip(there, here, strict=True)):
            yield from differences(a, b, f"{name}[{number}]")
    elif there != here:
        yield f"{name} (there {there!r}, here {here!r})"


def _of_network(model):
    compiled: dict[str, Any] = {}
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        compiled = {**compiling.compiled_with(model), "optimizer": optimizer}
    return {
        "network": _network(model, set()),
        "variables": [
            [path, [*map(int, variable.shape)], _plain(variable.dtype)]
            for path, variable in paths.variables(model).items()
        ],
        **{
            name: _plain(compiled.get(name))
            for name in ("optimizer", "loss", "loss_weights")
        },
    }


def _digest(parts: Iterable[bytes]) -> str:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()


def _samples(data: Dataset, config: TrainingConfig) -> Iterator[bytes]:
    sizes = (data.train_size, data.validation_size, data.test_size)
    yield repr((*sizes, data.input_shape, data.num_classes)).encode()
    size = config.batch_size
    for batches_of in (
        data.train_batches(size, seed=config.seed),
        data.validation_batches(size),
        data.test_batches(size),
    ):
        for array in next(batches_of.take(1).as_numpy_iterator()):
            yield np.ascontiguousarray(array).tobytes()
    if isinstance(data, InMemoryDataset):
        for part in ("train", "validation", "test"):
            resident = data.resident(part)
            yield np.asarray(resident.labels)[resident.rows].tobytes()


def _network(layer: Any, seen: set[int]) -> dict[str, Any]:
    """Returns class, settings and inner layers of a layer or model."""
    layer = paths.unwrapped(layer)
    found: dict[str, Any] = {"class": type(layer).__name__}
    if id(layer) in seen:
        return found
    seen.add(id(layer))
    is_model = hasattr(layer, "fit")
    if not is_model:
        found["settings"] = _settings(layer)
    below = paths.children(layer)
    if below:
        found["layers"] = [_network(child, seen) for child in below]
    if is_model and families.of(layer).is_graph(layer):
        found["calls"] = _calls(layer, {child.name for child in below})
    return found


def _settings(thing: Any) -> Any:
    """Returns what `get_config` tells, or `None`."""
    try:
        return _plain(thing.get_config())
    except Exception:  # of the user's own class: it raises what it likes
        return None


def _calls(model: Any, names: set[str]) -> Any:
    """Returns what a functional model calls, on what, and with what.

    Layers go by their place in the list, as Keras counts up their names.
    """
    try:
        nodes = model.get_config()["layers"]
    except Exception:  # a layer of the user's own cannot tell its settings
        return None
    nodes = [node for node in nodes if "inbound_nodes" in node]
    numbers = {node["name"]: number for number, node in enumerate(nodes)}

    def numbered(value):
        if isinstance(value, dict):
            return {key: numbered(item) for key, item in value.items()}
        if isinstance(value, list):
            return [numbered(item) for item in value]
        return numbers.get(value, value) if isinstance(value, str) else value

    return [
        {
            # An operation is no layer, and described nowhere else.
            "settings": None
            if node["name"] in names
            else _plain({**node["config"], "class": node["class_name"]}),
            "on": numbered(_plain(node["inbound_nodes"])),
        }
        for node in nodes
    ]


def _plain(value: Any) -> Any:
    """Returns a value in JSON's own types, without facts of the process."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        items = [_plain(item) for item in value]
        if len(items) <= _LONGEST:
            return items
        # A table of numbers or words, such as an embedding to begin with.
        return {"length": len(items), "sha256": digest_of(items)}
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if inspect.isroutine(value) or inspect.isclass(value):
        return value.__qualname__
    if hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": _settings(value)}
    if hasattr(value, "shape") and hasattr(value, "__array__"):
        array = np.asarray(value)
        return {"shape": [*array.shape], "sha256": _digest([array.tobytes()])}
    name = getattr(value, "name", None)  # of a type of TensorFlow
    return name if isinstance(name, str) else type(value).__qualname__


def _plain_mapping(value):
    if value.get("class_name") == "__lambda__":
        return value["class_name"]  # its code has line numbers
    dropped = set(_OF_THE_PROCESS)
    if len(value) > 1:
        dropped.add("name")  # which alone is what it is: that of a type
    if value.get("function_type") == "lambda":
        dropped.add("function")
    return {
        str(key): _plain(item)
        for key, item in value.items()
        if key not in dropped
    }
