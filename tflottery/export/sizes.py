"""`Sizes`: the bytes of a file as it is, and compressed.

Zeros that are stored cost nothing once a file is compressed, as app stores and
web servers do. A file that is smaller raw may be the larger download.
"""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Iterator
from typing import Any

import zstandard

from tflottery.core import files

_GZIP_LEVEL = 9
_ZSTD_LEVEL = 19


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Bytes of one content.

    Args:
        raw: As it is.
        gzip: Compressed by gzip at level 9.
        zstd: Compressed by Zstandard at level 19.
    """

    raw: int
    gzip: int
    zstd: int

    @classmethod
    def of(cls, content: Any) -> Sizes:
        """Measures a content.

        Args:
            content: Bytes, or the path of a file or folder, local or remote.
                A folder counts as one stream of its files, each after its
                name, in the order of the names.

        Returns:
            Its `Sizes`. `raw` of a folder is the sum over its files.

        Raises:
            FileNotFoundError: There is nothing at the path.

        Example:
            >>> sizes = Sizes.of(bytes(1000))
            >>> sizes.raw, sizes.gzip < 50, sizes.zstd < 50
            (1000, True, True)
        """
        if isinstance(content, bytes | bytearray | memoryview):
            return cls._of_bytes(bytes(content))
        path = files.as_path(content)
        if not path.is_dir():
            return cls._of_bytes(files.read_bytes(path))
        parts = list(_files_below(path, ""))
        raw = sum(len(data) for _, data in parts)
        stream = b"".join(name.encode() + b"\0" + data for name, data in parts)
        return dataclasses.replace(cls._of_bytes(stream), raw=raw)

    @classmethod
    def _of_bytes(cls, data: bytes) -> Sizes:
        # A time in the header would not change its size, but keeps no secret.
        packed = gzip.compress(data, _GZIP_LEVEL, mtime=0)
        small = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data)
        return cls(len(data), len(packed), len(small))


def _files_below(folder: Any, before: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        name = before + path.name
        if path.is_dir():
            yield from _files_below(path, name + "/")
        else:
            yield name, files.read_bytes(path)
