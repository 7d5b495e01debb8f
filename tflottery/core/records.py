r"""Arrays and settings in one checksummed file.

Masks and snapshots must be found whole or be known to be broken. A record is
one line of text, which says what the file is and gives the checksum of the
rest, followed by an ordinary npz archive:

    tflottery mask 1 sha256=<64 hexadecimal digits>\n
    <zip: record.json, then one .npy for each array>

Archive tools skip the first line, so the arrays can be taken out without this
package. Nothing in it is pickled.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import itertools
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np

from tflottery.core import checks, documents, files

_MAGIC = b"tflottery "
_VERSION = 1
_HEADER = re.compile(
    rb"tflottery ([a-z][a-z0-9_-]*) (\d+) sha256=([0-9a-f]{64})\n"
)
_HEADER_END = re.compile(rb".{0,80}sha256=([0-9a-f]{64})\n", re.DOTALL)
_KIND = re.compile(r"[a-z][a-z0-9_-]*")
_MANIFEST = "record.json"
# The archive stores dates; ours is the first one that zip knows.
_DATE = (1980, 1, 1, 0, 0, 0)
# More bytes than a first line has; bytes that are checked at once.
_LINE, _PIECE = 4096, 2**20
# Bytes from which a member gets zip's 64-bit fields; room for its own header.
_LARGE = 2**31 - 2**20


def _storable(name: str, value: Any) -> tuple[np.ndarray, str]:
    """Returns an array that npy can hold, and the name of its true dtype."""
    array = np.asarray(value, order="C")
    if array.dtype.isbuiltin == 2:
        # bfloat16 and its like come from ml_dtypes; npy would forget them.
        return array.view(f"u{array.dtype.itemsize}"), array.dtype.name
    if array.dtype.kind not in "?biufcSU":
        raise TypeError(
            f"array `{name}` must hold numbers, booleans or strings. Received: "
            f"dtype {array.dtype}. Convert it first; nothing is pickled."
        )
    return array, array.dtype.str


def _true_dtype(name: str) -> np.dtype:
    try:
        return np.dtype(name)
    except TypeError:
        return np.dtype(getattr(importlib.import_module("ml_dtypes"), name))


def _add(archive: zipfile.ZipFile, name: str, size: int) -> IO[bytes]:
    """Opens a new member that carries no trace of the day or the system."""
    member = zipfile.ZipInfo(name, _DATE)
    member.create_system = 3
    return archive.open(member, "w", force_zip64=size >= _LARGE)


class _Sink(io.RawIOBase):
    """Takes what is written and hands it out in pieces, which it forgets."""

    def __init__(self):
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self):
        return True

    def write(self, data):
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def drain(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


def _archive(
    kind: str, arrays: Mapping[str, Any], meta: Mapping[str, Any]
) -> Iterator[bytes]:
    """Yields the archive piece by piece: it is as large as all arrays."""
    described = []
    for name, value in arrays.items():
        if not isinstance(name, str) or not name or "\0" in name:
            raise ValueError(
                "The names of arrays must be strings, not empty and without "
                f"NUL. Received: {name!r}."
            )
        described.append([name, _storable(name, value)[1]])
    manifest = documents.canonical_json(
        {"arrays": described, "kind": kind, "meta": meta, "version": _VERSION}
    )
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        with _add(archive, _MANIFEST, len(manifest)) as file:
            file.write(manifest.encode("ascii"))
        for name, value in arrays.items():
            array, _ = _storable(name, value)
            with _add(archive, f"{name}.npy", array.nbytes) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
            yield from sink.drain()
    yield from sink.drain()


def write_record(
    path: Any, kind: str, arrays: Mapping[str, Any], meta: Mapping[str, Any]
) -> None:
    """Writes arrays and settings into one file, whole or not at all.

    Equal arrays in the same order and equal settings give the same bytes on any
    day (under one version of Python and NumPy, whose formats these are).

    Args:
        path: Where to write, local or remote. An existing file is replaced.
        kind: What the record is, such as `"mask"`: lower-case letters, digits,
            `-` and `_`.
        arrays: A mapping from name to array: numbers, booleans, strings, or
            the small floats of ml_dtypes such as bfloat16; of any rank. Names
            may contain `/`.
        meta: A dict that `documents.canonical_json` takes.

    Raises:
        TypeError: If an array holds objects, or `meta` has no place in JSON.
        ValueError: If `kind` or a name is malformed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/snapshot"
        ...     write_record(path, "snapshot", {"a/b": np.ones(2)}, {"k": 5})
        ...     arrays, meta = read_record(path, "snapshot")
        >>> arrays["a/b"], meta
        (array([1., 1.]), {'k': 5})
    """
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise ValueError(
            "`kind` must be a lower-case word. Received: "
            f"kind={kind!r}. Use one such as 'mask'."
        )
    checks.check_instance("arrays", arrays, Mapping)
    checks.check_instance("meta", meta, Mapping)
    # Made twice, as the checksum goes first: that takes less than the memory.
    digest = hashlib.sha256()
    for piece in _archive(kind, arrays, meta):
        digest.update(piece)
    header = f"tflottery {kind} {_VERSION} sha256={digest.hexdigest()}\n"
    pieces = _archive(kind, arrays, meta)
    files.write_bytes(path, itertools.chain([header.encode("ascii")], pieces))


def _damaged(path: Any, expected: str, found: str) -> files.DamagedFileError:
    return files.DamagedFileError(
        f"{path} is damaged: its content is not what was written. Expected "
        f"sha256={expected}, found {found}. Restore the file, or remove it to "
        "have it made anew."
    )


def _check(path: Any, file: IO[bytes]) -> tuple[re.Match[bytes], str]:
    """Checks the first line and the checksum of the rest.

    Returns:
        The parts of the first line, and the checksum.
    """
    start = file.read(_LINE)
    header = _HEADER.match(start)
    if header is None:
        raise _foreign_or_damaged(path, start + file.read())
    digest = hashlib.sha256(memoryview(start)[header.end() :])
    for piece in iter(lambda: file.read(_PIECE), b""):
        digest.update(piece)
    expected, found = header[3].decode(), digest.hexdigest()
    if found != expected:
        raise _damaged(path, expected, found)
    return header, found


def _foreign_or_damaged(path: Any, content: bytes) -> ValueError:
    """Says what is wrong with a first line."""
    # A damaged first line must not pass for a foreign file: either end of it
    # gives it away.
    tail = _HEADER_END.match(content)
    if tail is not None:
        found = hashlib.sha256(memoryview(content)[tail.end() :]).hexdigest()
        return _damaged(path, tail[1].decode(), f"{found} under a broken line")
    if content.startswith(_MAGIC) or _MAGIC.startswith(content):
        return _damaged(path, "(unreadable)", "a broken first line")
    return files.ForeignFileError(
        f"{path} is not a tflottery file: its first line is not ours. Was "
        "another path meant?"
    )


def read_record(
    path: Any, kind: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads a file that `write_record` wrote, and checks every byte of it.

    Args:
        path: The file, local or remote.
        kind: What the record should be, such as `"mask"`.

    Returns:
        The arrays, as a dict in the order written, with their dtypes; and the
        settings.

    Raises:
        FileNotFoundError: If there is no such file.
        DamagedFileError: If any byte was changed, added or lost. The message
            has the path, the expected and the found checksum.
        ForeignFileError: If tflottery did not write the file, or if it holds
            another kind of record or a newer format.
    """
    with files.open_to_read(path) as file:
        header, digest = _check(path, file)
        with zipfile.ZipFile(file) as archive:
            manifest = json.loads(archive.read(_MANIFEST))
            _check_manifest(path, kind, header, digest, manifest)
            arrays = {}
            for name, dtype in manifest["arrays"]:
                with archive.open(f"{name}.npy") as member:
                    array = np.lib.format.read_array(member, allow_pickle=False)
                arrays[name] = array.view(_true_dtype(dtype))
    return arrays, manifest["meta"]


def _check_manifest(
    path: Any,
    kind: str,
    header: re.Match[bytes],
    digest: str,
    manifest: Mapping[str, Any],
) -> None:
    # The checksum does not cover the first line; the archive repeats it.
    named = [header[1].decode(), int(header[2])]
    if named != [manifest["kind"], manifest["version"]]:
        raise _damaged(path, digest, f"{digest} under a broken line")
    if manifest["version"] != _VERSION:
        raise files.ForeignFileError(
            f"{path} has format {manifest['version']}; this version of "
            f"tflottery reads format {_VERSION}. Use a newer tflottery."
        )
    if manifest["kind"] != kind:
        raise files.ForeignFileError(
            f"{path} holds a tflottery {manifest['kind']!r} record; "
            f"{kind!r} was asked for. Was another path meant?"
        )
