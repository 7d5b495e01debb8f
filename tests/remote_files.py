"""A remote file system for tests: a bucket that no local call can reach.

Paths are written `tflotterytest://bucket/...`. As in an object store, a folder
is there as long as a file is in it, and a file appears when it is closed. As
in TensorFlow's and fsspec's file systems, only plain modes open a file, it
takes nothing but bytes and it has no descriptor.

The files lie in a hidden local folder, named by an environment variable: a
second process that imports this module sees the same bucket.
"""

from __future__ import annotations

import contextlib
import fnmatch
import io
import os
import pathlib
import secrets
import shutil
import sys
from unittest import mock

from etils import epath
from etils.epath import stat_utils

SCHEME = "tflotterytest:"
FOLDER_VARIABLE = "TFLOTTERY_TEST_REMOTE_DIR"

_LOCAL_STATUS = ("stat", "lstat", "access")
_guarding = False


class LocalUseError(AssertionError):
    """A remote path was handed to a function of the local file system."""


class RemotePath(epath.Path):
    """A path in the bucket."""

    def __str__(self):
        if self.parts[:1] == (SCHEME,):
            return f"{SCHEME}//" + "/".join(self.parts[1:])
        return "/".join(self.parts) or "."

    def __repr__(self):
        return f"RemotePath({str(self)!r})"

    def __fspath__(self):
        raise LocalUseError(f"{self} was used as a local path")

    @property
    def _place(self):
        """Where it lies in truth."""
        if self.parts[:1] != (SCHEME,):
            raise AssertionError(f"{self} is no whole path")
        return _hidden("objects").joinpath(*self.parts[1:])

    def is_dir(self):
        return any(names for _, _, names in os.walk(self._place))

    def is_file(self):
        return self._place.is_file()

    def exists(self):
        return self.is_file() or self.is_dir()

    def resolve(self, strict=False):
        return self

    def iterdir(self):
        if not self.is_dir():
            raise FileNotFoundError(str(self))
        for name in sorted(os.listdir(self._place)):
            if (self / name).exists():
                yield self / name

    def glob(self, pattern):
        if "**" in pattern:
            raise NotImplementedError("`**` may take thousands of requests")
        found = [self]
        for part in pattern.split("/"):
            found = [
                path
                for folder in found
                if folder.is_dir()
                for path in folder.iterdir()
                if fnmatch.fnmatchcase(path.name, part)
            ]
        yield from found

    def walk(self, *, top_down=True, on_error=None):
        paths = list(self.iterdir())
        folders = [path for path in paths if path.is_dir()]
        entry = (
            self,
            [path.name for path in folders],
            [path.name for path in paths if path.is_file()],
        )
        if top_down:
            yield entry
        for folder in folders:
            yield from folder.walk(top_down=top_down, on_error=on_error)
        if not top_down:
            yield entry

    def stat(self):
        if not self.exists():
            raise FileNotFoundError(str(self))
        status = self._place.stat()
        return stat_utils.StatResult(
            is_directory=self.is_dir(),
            length=status.st_size,
            mtime=int(status.st_mtime),  # whole seconds, as elsewhere
        )

    def mkdir(self, mode=None, parents=False, exist_ok=False):
        if self.is_file() or (self.is_dir() and not exist_ok):
            raise FileExistsError(str(self))

    def rmdir(self):
        if self.is_dir():
            raise OSError(f"{self} is not empty")

    def rmtree(self, missing_ok=False):
        if not self.exists() and not missing_ok:
            raise FileNotFoundError(str(self))
        shutil.rmtree(self._place, ignore_errors=True)

    def unlink(self, missing_ok=False):
        if self.is_file():
            os.remove(self._place)
        elif not missing_ok:
            raise FileNotFoundError(str(self))

    def open(self, mode="r", encoding=None, errors=None, **unknown):
        if mode not in ("r", "rb", "w", "wb") or errors or unknown:
            raise ValueError(f"open({mode!r}, {errors=}, {unknown}) of {self}")
        if mode == "r":
            return io.StringIO(self.read_bytes().decode("utf-8"))
        if mode == "rb":
            if not self.is_file():
                raise FileNotFoundError(str(self))
            return io.BytesIO(self._place.read_bytes())
        return (_Upload if mode == "wb" else _TextUpload)(self)

    def _put(self, content):
        if self.is_dir():
            raise IsADirectoryError(str(self))
        upload = _hidden("uploads") / secrets.token_hex(8)
        upload.parent.mkdir(parents=True, exist_ok=True)
        upload.write_bytes(content)
        self._place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(upload, self._place)

    def copy(self, dst, overwrite=False):
        target = epath.Path(dst)
        if target.exists() and not overwrite:
            raise FileExistsError(str(target))
        target.write_bytes(self.read_bytes())
        return target

    def rename(self, target):
        if epath.Path(target).exists():
            raise FileExistsError(str(target))
        return self.replace(target)

    def replace(self, target):
        # An object store has no rename; the old content is never lost.
        target = self.copy(target, overwrite=True)
        self.unlink()
        return target


class _Upload(io.BytesIO):
    """A file that appears when it is closed, unless writing it failed."""

    def __init__(self, path):
        super().__init__()
        self._path = path

    def write(self, data):
        if type(data) is not bytes:
            raise TypeError(f"bytes only, not {type(data).__name__}")
        return super().write(data)

    def close(self):
        if not self.closed and self._path is not None:
            self._path._put(self.getvalue())
        super().close()

    def __exit__(self, kind, *rest):
        if kind is not None:
            self._path = None
        return super().__exit__(kind, *rest)


class _TextUpload(io.StringIO):
    def __init__(self, path):
        super().__init__(newline="")
        self._path = path

    def __exit__(self, kind, *rest):
        if kind is None:
            self._path._put(self.getvalue().encode("utf-8"))
        return super().__exit__(kind, *rest)


epath.register_path_cls(f"{SCHEME}//")(RemotePath)


class Bucket:
    """The bucket of one test.

    Attributes:
        path: its root, a `RemotePath`.
        folder: the hidden folder that holds its files, for the test's eyes.
    """

    def __init__(self):
        self.path = epath.Path(f"{SCHEME}//bucket")
        self.folder = _hidden("objects") / "bucket"

    def files(self):
        """Returns `{path within the bucket: content}` of all files."""
        return {
            place.relative_to(self.folder).as_posix(): place.read_bytes()
            for place in sorted(self.folder.rglob("*"))
            if place.is_file()
        }


@contextlib.contextmanager
def bucket_in(folder):
    """Yields a `Bucket` whose files lie in `folder`.

    Until the end, every local call on a remote path fails in words.
    """
    global _guarding
    before = _guarding
    with contextlib.ExitStack() as stack:
        stack.enter_context(
            mock.patch.dict(os.environ, {FOLDER_VARIABLE: str(folder)})
        )
        if not before:
            # What Python reports to no audit hook.
            for name in _LOCAL_STATUS:
                refusing = _refusing(name, getattr(os, name))
                stack.enter_context(mock.patch.object(os, name, refusing))
        _guarding = True
        try:
            yield Bucket()
        finally:
            _guarding = before


def _hidden(part):
    return pathlib.Path(os.environ[FOLDER_VARIABLE]) / part


def _refuse(name, argument):
    if isinstance(argument, RemotePath):
        text = str(argument)
    elif isinstance(argument, os.PathLike):
        text = os.fspath(argument)
    else:
        text = argument
    if isinstance(text, bytes):
        text = os.fsdecode(text)
    if isinstance(text, str) and f"{SCHEME}/" in text:
        raise LocalUseError(f"{text} was used as a local path, by `{name}`")


def _refusing(name, function):
    def guarded(path, *arguments, **keywords):
        _refuse(f"os.{name}", path)
        return function(path, *arguments, **keywords)

    return guarded


def _audit(event, arguments):
    if _guarding and event.startswith(("open", "os.", "shutil.", "glob.")):
        for argument in arguments:
            if isinstance(argument, str | bytes | os.PathLike):
                _refuse(event, argument)


sys.addaudithook(_audit)
