"""Bytes and text, written whole or not at all, on any file system.

A long search is killed sooner or later, and a half-written file that looks like
a finished one costs more than the time lost. Every file is therefore written
under a temporary name beside its place, synced and renamed into it. Paths go
through `etils.epath` alone, so that a folder on this disk and a bucket behind
`gs://` are used alike.
"""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import secrets
from collections.abc import Iterable, Iterator
from typing import IO, Any

from etils import epath

TEMPORARY_SUFFIX = ".tflottery-part"


class DamagedFileError(ValueError):
    """A file of ours whose content is not what was written.

    Raised when a checksum disagrees or a part is missing. A caller that can
    make the file anew may remove it and go on; nothing else may use it.
    """


class ForeignFileError(ValueError):
    """A file that is not of the sort that was asked for.

    Raised for a file that tflottery did not write, and for one of another kind
    or of a newer format. It should be left alone: it is somebody's.
    """


def as_path(path: Any) -> epath.Path:
    """Returns `path` as an `epath.Path`.

    Args:
        path: A text, an `os.PathLike` or an `epath.Path`, which is returned as
            it is. Remote places are written as texts, such as
            `"gs://bucket/run"`; `pathlib.Path` would drop a slash. A `~` that
            begins it is the home directory, as in `"~/runs"`; shells leave it
            in `--run_dir=~/runs`.

    Returns:
        An `epath.Path`.

    Raises:
        TypeError: If `path` is something else.
        ValueError: If the text names a scheme that etils does not know, or a
            remote place was made a `pathlib.Path`.

    Example:
        >>> as_path("runs") / "mask"
        PosixGPath('runs/mask')
    """
    if isinstance(path, epath.Path):
        return path
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            "`path` must be a text or a path. Received: "
            f"path={path!r} of type {type(path).__name__}."
        )
    if isinstance(path, pathlib.PurePath):
        _check_slashes(path)
    try:
        found = epath.Path(path)
    except KeyError:
        scheme = str(path).split("://")[0]
        raise ValueError(
            f"`path` has an unknown scheme '{scheme}://'. Received: "
            f"path={path!r}. Use a local path or one that etils.epath knows, "
            "such as 'gs://'."
        ) from None
    is_at_home = os.fspath(path).startswith("~")
    return found.expanduser() if is_at_home else found


def _check_slashes(path: pathlib.PurePath) -> None:
    """Refuses `gs:/bucket`, which would be a folder named `gs:` here."""
    scheme, *rest = path.parts or ("",)
    if len(scheme) < 3 or not scheme.endswith(":"):
        return
    try:
        epath.Path(f"{scheme}//")
    except KeyError:
        return
    raise ValueError(
        "`path` lost a slash when it was made a `pathlib` path. Received: "
        f"path={path!r}. Write it as a text, '{scheme}//{'/'.join(rest)}', or "
        "as an `etils.epath.Path`."
    )


def is_local(path: Any) -> bool:
    """Returns whether a path is on this machine's own file system.

    Args:
        path: The place, local or remote.

    Example:
        >>> is_local("runs/first"), is_local("gs://bucket/run")
        (True, False)
    """
    path = as_path(path)
    # Only the class that epath gives to a plain text can be on this disk, and
    # it serves remote places too: those print their scheme.
    return type(path) is type(epath.Path()) and "://" not in str(path)


@contextlib.contextmanager
def _explained(path: epath.Path) -> Iterator[None]:
    """Says what to do where TensorFlow has no such file system.

    With TensorFlow installed, etils asks it for every scheme; alone it asks
    fsspec, which knows more of them.
    """
    try:
        yield
    except Exception as error:
        if type(error).__name__ != "UnimplementedError" or is_local(path):
            raise
        scheme = str(path).split("://")[0]
        raise ValueError(
            f"`path` has the scheme '{scheme}://', for which TensorFlow has "
            f"no file system. Received: path={str(path)!r}. Set the variable "
            "EPATH_USE_TF=0 in the environment, before Python starts, and "
            "install fsspec's package for it (s3fs, gcsfs, adlfs)."
        ) from error


def _sync_folder(folder: epath.Path) -> None:
    """Makes a rename survive a power cut, where the system can do that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Any, data: bytes | Iterable[bytes]) -> None:
    """Writes a file that is either complete or not there.

    The bytes go to a hidden temporary file in the same folder, which takes the
    place of the old file in one rename. Whatever fails on the way, the old file
    stays as it was and the temporary one is removed; only a killed process can
    leave it behind, under a name that ends in `TEMPORARY_SUFFIX`. Locally, file
    and folder are also synced to the disk. Missing folders are made.

    Args:
        path: Where to write, local or remote.
        data: The bytes, or an iterable of pieces (anything with the buffer
            protocol), which are written one after the other.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_bytes(f"{folder}/new/file", [b"one ", b"two"])
        ...     read_bytes(f"{folder}/new/file")
        b'one two'
    """
    path = as_path(path)
    pieces = (
        [data] if isinstance(data, bytes | bytearray | memoryview) else data
    )
    local = is_local(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(8)
    temporary = path.parent / f".{path.name[:32]}.{token}{TEMPORARY_SUFFIX}"
    try:
        with temporary.open("wb") as file:
            for piece in pieces:
                # TensorFlow's remote files take bytes and no other buffer.
                file.write(piece if local else bytes(piece))
            if local:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        _discard(temporary)
        raise
    if local:
        _sync_folder(path.parent)


def _discard(temporary: epath.Path) -> None:
    """Removes what is left of a failed write, and hides no error by it."""
    try:
        temporary.unlink(missing_ok=True)
    except Exception:  # The error that is already on its way says more.
        return


def read_bytes(path: Any) -> bytes:
    """Reads a whole file.

    Args:
        path: The file, local or remote.

    Returns:
        Its content.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    path = as_path(path)
    with _explained(path):
        return path.read_bytes()


def open_to_read(path: Any) -> IO[bytes]:
    """Opens a file, for what is too large to be held twice.

    Args:
        path: The file, local or remote. A remote one is read at once: it may
            be replaced while it is open.

    Returns:
        The open file, from its beginning on, in which one can seek.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    path = as_path(path)
    if not is_local(path):
        return io.BytesIO(read_bytes(path))
    return path.open("rb")


def write_text(path: Any, text: str) -> None:
    """Writes a text as UTF-8, like `write_bytes`.

    Args:
        path: Where to write, local or remote.
        text: The text. Line ends are written as they are.
    """
    write_bytes(path, text.encode("utf-8"))


def read_text(path: Any) -> str:
    """Reads a UTF-8 text.

    Args:
        path: The file, local or remote.

    Returns:
        The text, with its line ends as they are in the file.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    return read_bytes(path).decode("utf-8")


def exists(path: Any) -> bool:
    """Returns whether there is a file or folder at `path`.

    Args:
        path: The place, local or remote.

    Example:
        >>> exists("no/such/file")
        False
    """
    path = as_path(path)
    with _explained(path):
        return path.exists()


def remove(path: Any) -> None:
    """Removes a file; it is no error if there is none.

    Args:
        path: The file, local or remote.
    """
    path = as_path(path)
    with _explained(path):
        path.unlink(missing_ok=True)
