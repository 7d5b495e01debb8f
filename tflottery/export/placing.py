"""Where an export goes: what may lie there already, and the last rename.

A name is taken by a whole and tried file or folder, in one rename, or it is
left as it was. What is not ours to replace is refused before any work is done.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator
from typing import Any

from etils import epath

from tflottery.core import files

_PIECE = 1 << 24
_OF_SAVED_MODEL = frozenset(
    {
        "saved_model.pb",
        "saved_model.pbtxt",
        "variables",
        "assets",
        "assets.extra",
        "fingerprint.pb",
        "keras_metadata.pb",
    }
)
_OTHER_FORMS = {
    ".keras": "tflottery.export.to_keras",
    ".onnx": "tflottery.export.to_onnx",
    ".tflite": "tflottery.export.to_tflite",
    ".h5": "model.save",
}


def file_target(path: Any, suffix: str) -> epath.Path:
    """Checks the path of a file to write.

    Args:
        path: local or remote.
        suffix: what it must end in, such as `".keras"`.

    Returns:
        The path.

    Raises:
        TypeError: not a path.
        ValueError: it ends otherwise, is a folder, or cannot be written.

    Example:
        >>> file_target("networks/small.onnx", ".onnx").name
        'small.onnx'
    """
    target = files.as_path(path)
    if target.suffix != suffix:
        raise ValueError(
            f"`path` must end in '{suffix}'. Received: path={str(path)!r}. "
            f"Use '{target.stem or 'model'}{suffix}', or the function for "
            "another form: to_tflite, to_keras, to_saved_model, to_onnx."
        )
    if files.exists(target) and target.is_dir():
        raise ValueError(
            f"`path` must be a file. Received: path={str(path)!r}, which is a "
            "folder. Choose another name, or remove the folder."
        )
    check_writable(target)
    return target


def check_writable(target: epath.Path) -> None:
    """Refuses a place on this machine where nothing can be written.

    Raises:
        ValueError: a folder above it is a file, or closed to this user.
    """
    if not files.is_local(target):
        return  # only trying would tell
    above = pathlib.Path(target).absolute().parent
    while not above.exists():
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        kind = "may not be written to" if above.is_dir() else "is a file"
        raise ValueError(
            "`path` must be in a folder that can be written to. Received: "
            f"path={str(target)!r}, where {str(above)!r} {kind}."
        )


def place_file(source: pathlib.Path, target: epath.Path) -> None:
    """Gives a finished local file its name, here or on a remote disk."""

    def pieces():
        with source.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    files.write_bytes(target, pieces())


def folder_target(path: Any) -> pathlib.Path:
    """Checks the path of a SavedModel to write.

    Args:
        path: local folder: new, empty, or a SavedModel, which will be
            replaced.

    Returns:
        The path, links followed.

    Raises:
        TypeError: not a path.
        ValueError: it is remote, a file, named like one, or holds something
            else than a SavedModel.
    """
    given = files.as_path(path)
    if not files.is_local(given):
        raise ValueError(
            "`path` must be a folder on this machine. Received: "
            f"path={str(path)!r}. A folder cannot be put into a bucket in one "
            "step; write it here and copy it, saved_model.pb last."
        )
    if given.suffix in _OTHER_FORMS:
        raise ValueError(
            "`path` must be a folder for a SavedModel. Received: "
            f"path={str(path)!r}, the name of a file. Leave out "
            f"'{given.suffix}', or use {_OTHER_FORMS[given.suffix]}."
        )
    target = pathlib.Path(os.path.realpath(given))
    if target.exists() and not target.is_dir():
        raise ValueError(
            "`path` must be a folder for a SavedModel. Received: "
            f"path={str(path)!r}, which is a file. Choose another name."
        )
    content = _names_in(target)
    foreign = sorted(content - _OF_SAVED_MODEL)
    if content and not content & {"saved_model.pb", "saved_model.pbtxt"}:
        foreign = sorted(content)
    if foreign:
        raise ValueError(
            "`path` must be a new folder, an empty one, or a SavedModel, "
            f"which is replaced. Received: path={str(path)!r}, which holds "
            f"{foreign[:3]} ({len(foreign)} such entries). Choose another "
            "folder; nothing was written."
        )
    return target


@contextlib.contextmanager
def folder_beside(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a temporary folder on the same disk, gone afterwards."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_name(target)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def place_folder(source: pathlib.Path, target: pathlib.Path) -> None:
    """Gives a finished folder its name.

    A SavedModel that is replaced is put aside first and removed last; between
    two renames there is nothing under its name.

    Args:
        source: folder on the same disk.
        target: what `folder_target` returned.
    """
    for path in [*source.rglob("*"), source]:
        _sync(path)
    aside = None
    if _names_in(target):
        aside = _temporary_name(target)
        target.rename(aside)
    try:
        source.rename(target)
    except BaseException:
        if aside is not None:
            aside.rename(target)
        raise
    _sync(target.parent)
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def _names_in(folder: pathlib.Path) -> set[str]:
    return {p.name for p in folder.iterdir()} if folder.is_dir() else set()


def _temporary_name(target: pathlib.Path) -> pathlib.Path:
    token = secrets.token_hex(8)
    name = f".{target.name[:32]}.{token}{files.TEMPORARY_SUFFIX}"
    return target.parent / name


def _sync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
