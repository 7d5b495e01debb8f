"""Where event files go: TensorFlow's writer, on any file system.

TensorFlow writes to local disks and to the few remote file systems that it was
built with; run directories may lie on any that `etils.epath` knows. Event
files for a remote place are therefore written to a temporary folder of this
machine and copied from there, whole, by the same way as all other results.
"""

from __future__ import annotations

import contextlib
import math
import pathlib
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator
from typing import Any

from tflottery.core import files

SECONDS_BETWEEN_COPIES = 30.0


def open_writer(log_dir: Any) -> Any:
    """Opens a new event file.

    Args:
        log_dir: folder, local or remote; made if it is not there.

    Returns:
        A writer with `as_default(step)`, `flush()` and `close()`, like
        TensorFlow's. After `flush` and `close` all of it is in `log_dir`.
    """
    import tensorflow as tf

    if files.is_local(log_dir):
        return tf.summary.create_file_writer(str(files.as_path(log_dir)))
    return RemoteWriter(log_dir)


class RemoteWriter:
    """Writes an event file here and copies it to a remote folder.

    What is written by and by is copied once in a while: a remote file cannot
    grow, each copy is made of the whole file.

    Args:
        log_dir: the remote folder.
        seconds: least time between two copies that nobody asked for.
    """

    def __init__(self, log_dir: Any, seconds: float = SECONDS_BETWEEN_COPIES):
        import tensorflow as tf

        self._place = files.as_path(log_dir)
        self._seconds = seconds
        self._copied: dict[str, int] = {}
        self._copied_at = -math.inf  # the first summary is copied at once
        self._folder = tempfile.mkdtemp(prefix="tflottery-events-")
        self._remove_folder = weakref.finalize(
            self, shutil.rmtree, self._folder, ignore_errors=True
        )
        self._writer = tf.summary.create_file_writer(self._folder)

    @contextlib.contextmanager
    def as_default(self, step: Any = None) -> Iterator[None]:
        """Has summaries of a `with` block written to this file."""
        with self._writer.as_default(step=step):
            yield
        if time.monotonic() - self._copied_at >= self._seconds:
            self._copy()

    def flush(self) -> None:
        """Copies what has been written since the last copy."""
        self._writer.flush()
        self._copy()

    def close(self) -> None:
        """Copies the rest, and removes the temporary folder."""
        self._writer.close()
        if self._remove_folder.alive:
            try:
                self._copy()
            finally:
                self._remove_folder()

    def _copy(self) -> None:
        self._place.mkdir(parents=True, exist_ok=True)
        for source in sorted(pathlib.Path(self._folder).iterdir()):
            content = source.read_bytes()
            if self._copied.get(source.name) != len(content):
                # In place: TensorBoard would take a temporary file beside it
                # for a second one, and it bears a file that is cut off.
                (self._place / source.name).write_bytes(content)
                self._copied[source.name] = len(content)
        self._copied_at = time.monotonic()
