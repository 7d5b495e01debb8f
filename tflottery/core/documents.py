"""Readable JSON files that carry their own checksum.

Settings and manifests are read by people as well as by programs, so they are
indented and sorted; and they decide whether a stage is run again, so a torn or
mistyped one must not pass. The checksum is over the meaning and not over the
spaces: reformatting a file leaves it valid, changing a value does not.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.core import files

_DIGEST_KEY = "sha256"
_DIGEST_MEMBER = re.compile(rb'"sha256"\s*:\s*"([^"]*)"')


def _plain(value: Any, where: str) -> Any:
    """Returns `value` in JSON's own types, so that reading gives it back."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(
                f"`{where}` must be finite. Received: {value!r}. JSON has no "
                "such number; write None instead."
            )
        return value
    if isinstance(value, list | tuple):
        return [_plain(v, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(
                    f"The keys of `{where}` must be strings. Received: {key!r} "
                    f"of type {type(key).__name__}. JSON would turn it into a "
                    "string, and reading would not give it back."
                )
        return {k: _plain(v, f"{where}.{k}") for k, v in value.items()}
    raise TypeError(
        f"`{where}` must be made of dicts, lists, strings, numbers, booleans "
        f"and None. Received: an object of type {type(value).__name__}."
    )


def canonical_json(data: Any) -> str:
    """Returns the one JSON text of `data`: sorted, dense and in ASCII.

    Where one wants it: to hash settings, since equal settings give equal texts
    whatever their order. Tuples are written as lists, NumPy scalars as plain
    numbers.

    Args:
        data: Dicts with string keys, lists, tuples, strings, finite numbers,
            booleans and None, nested at will.

    Returns:
        A text of one line.

    Raises:
        TypeError: If a part is of another type. The message says which.
        ValueError: If a number is infinite or NaN.

    Example:
        >>> canonical_json({"rounds": 10, "fraction": 0.2})
        '{"fraction":0.2,"rounds":10}'
    """
    return json.dumps(
        _plain(data, "data"), sort_keys=True, separators=(",", ":")
    )


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(data).encode("ascii")).hexdigest()


def write_json(path: Any, data: Mapping[str, Any]) -> None:
    """Writes a dict as an indented JSON file with its checksum in it.

    The file has one more member, `"sha256"`, over `canonical_json` of the rest.
    It is written like `files.write_bytes`: whole or not at all.

    Args:
        path: Where to write, local or remote.
        data: A dict that `canonical_json` takes, without a key `"sha256"`.

    Raises:
        TypeError: If `data` is no dict, or a part of it has no place in JSON.
        ValueError: If `data` has the key `"sha256"`, or a number that is
            infinite or NaN.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_json(f"{folder}/config.json", {"rounds": 10})
        ...     read_json(f"{folder}/config.json")
        {'rounds': 10}
    """
    if not isinstance(data, Mapping):
        raise TypeError(
            "`data` must be a dict. Received: an object of type "
            f"{type(data).__name__}. Put it under a key, such as "
            "{'values': [1, 2]}."
        )
    plain = _plain(data, "data")
    if _DIGEST_KEY in plain:
        raise ValueError(
            "`data` must not have the key 'sha256', where the checksum goes. "
            f"Received: keys {sorted(plain)}. Use another name for it."
        )
    document = {**plain, _DIGEST_KEY: _digest(plain)}
    files.write_text(
        path, json.dumps(document, sort_keys=True, indent=2) + "\n"
    )


def read_json(path: Any) -> dict[str, Any]:
    """Reads a file that `write_json` wrote.

    Args:
        path: The file, local or remote.

    Returns:
        The dict, without the checksum. Tuples have become lists.

    Raises:
        FileNotFoundError: If there is no such file.
        DamagedFileError: If the file is torn or a value was changed.
        ForeignFileError: If the file is sound JSON without a checksum.
    """
    content = files.read_bytes(path)
    try:
        document = json.loads(content)
    except ValueError as error:
        member = _DIGEST_MEMBER.search(content)
        expected = member[1].decode("ascii", "replace") if member else "none"
        raise files.DamagedFileError(
            f"{path} is damaged: it is not sound JSON ({error}). Expected "
            f"sha256={expected}, found none. Remove the file to have it made "
            "anew."
        ) from error
    if not isinstance(document, dict) or _DIGEST_KEY not in document:
        raise files.ForeignFileError(
            f"{path} is not a tflottery file: it is JSON without our 'sha256'. "
            "Was another path meant?"
        )
    expected = document.pop(_DIGEST_KEY)
    try:
        found = _digest(document)
    except ValueError:  # JSON's readers take NaN, which we never write.
        found = "none"
    if found != expected:
        raise files.DamagedFileError(
            f"{path} is damaged or was edited by hand. Expected "
            f"sha256={expected}, found {found}. Restore the file, or remove it "
            "to have it made anew."
        )
    return document
