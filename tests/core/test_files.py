"""Tests of the file layer: whole or not at all, here and elsewhere."""

from __future__ import annotations

import errno
import io
import os
import pathlib
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest
from etils import epath
from etils.epath import testing as epath_testing

from tflottery.core import documents, files, records
from tflottery.core.mask import Mask


@pytest.fixture
def remote(bucket, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a local call for a remote path")

    monkeypatch.setattr(os, "fsync", refuse)
    return bucket


@pytest.fixture(params=[str, pathlib.Path, epath.Path])
def path(request, tmp_path):
    return request.param(tmp_path / "folder" / "file")


def names(folder):
    return sorted(os.listdir(folder))


def half_and_fail(error):
    yield b"the new con"
    raise error


def test_bytes_and_texts_come_back_from_any_sort_of_path(path):
    assert not files.exists(path)
    files.write_bytes(path, b"\x00\xff\r\n")
    assert files.read_bytes(path) == b"\x00\xff\r\n"
    files.write_text(path, "one\r\ntwö\n")
    assert files.read_text(path) == "one\r\ntwö\n"
    assert files.read_bytes(path) == "one\r\ntwö\n".encode()
    assert files.exists(path)
    files.remove(path)
    assert not files.exists(path)
    files.remove(path)


@pytest.mark.parametrize(
    "data",
    [
        [b"ab", b"", b"cd"],
        iter([b"abcd"]),
        bytearray(b"abcd"),
        memoryview(b"abcd"),
        [memoryview(b"ab"), bytearray(b"cd")],
    ],
)
def test_data_may_come_in_pieces_and_buffers(data, tmp_path):
    files.write_bytes(tmp_path / "file", data)
    assert (tmp_path / "file").read_bytes() == b"abcd"


def test_a_write_leaves_nothing_but_the_file(tmp_path):
    for content in (b"old", b"new"):
        files.write_bytes(tmp_path / "file", content)
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"new"


def test_long_names_leave_room_for_the_temporary_one(tmp_path):
    # 255 bytes is the longest name that common file systems allow.
    for name in ("n" * 255, "ä" * 127):
        files.write_bytes(tmp_path / name, b"new")
        assert (tmp_path / name).read_bytes() == b"new"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("old", [b"the old content", None])
def test_a_write_that_fails_half_way_loses_nothing(error, old, tmp_path):
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(type(error)):
        files.write_bytes(path, half_and_fail(error))
    assert names(tmp_path) == ([] if old is None else ["file"])
    assert old is None or path.read_bytes() == old


def test_a_full_disk_loses_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"the old content")

    class FullDisk(io.FileIO):
        def write(self, data):
            super().write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

    with epath_testing.mock_epath(open=lambda _, p, mode: FullDisk(p, mode)):
        with pytest.raises(OSError, match="No space left"):
            files.write_bytes(tmp_path / "file", b"the new content")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"the old content"


def test_a_failed_sync_or_rename_loses_nothing(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"the old content")

    def fail(*unused):
        raise OSError(errno.EIO, "Input/output error")

    with epath_testing.mock_epath(replace=fail):
        with pytest.raises(OSError, match="Input/output"):
            files.write_bytes(path, b"new")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        files.write_bytes(path, b"new")
    assert names(tmp_path) == ["file"]
    assert path.read_bytes() == b"the old content"


def test_the_first_error_is_raised_when_cleaning_up_fails_too(tmp_path):
    def fail(*unused):
        raise OSError(errno.EACCES, "Permission denied")

    full = OSError(errno.ENOSPC, "No space left")
    with epath_testing.mock_epath(remove=fail):
        with pytest.raises(OSError, match="No space left"):
            files.write_bytes(tmp_path / "file", half_and_fail(full))


def test_the_file_is_synced_before_it_is_renamed(tmp_path, monkeypatch):
    events = []
    sync = os.fsync

    def note_sync(descriptor):
        status = os.fstat(descriptor)
        # What waits in a buffer is not in the file, and would not be synced.
        is_folder = stat.S_ISDIR(status.st_mode)
        events.append("folder" if is_folder else ("file", status.st_size))
        sync(descriptor)

    def note_replace(original, source, target):
        events.append("rename")
        original(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    with epath_testing.mock_epath(replace=note_replace):
        files.write_bytes(tmp_path / "file", b"12345")
    assert events == [("file", 5), "rename", "folder"]


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_writer_leaves_the_old_file_and_a_marked_rest(tmp_path):
    files.write_bytes(tmp_path / "file", b"the old content")
    program = (
        "import os, signal, sys\n"
        "from tflottery.core import files\n"
        "def pieces():\n"
        "    yield b'the new con'\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_bytes(sys.argv[1], pieces())\n"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "file")],
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    rest, kept = names(tmp_path)
    assert kept == "file"
    assert (tmp_path / "file").read_bytes() == b"the old content"
    assert rest.startswith(".file.")
    assert rest.endswith(files.TEMPORARY_SUFFIX)


def test_a_folder_is_not_overwritten(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        files.write_bytes(tmp_path / "folder", b"new")
    assert names(tmp_path) == ["folder"]


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.read_bytes(tmp_path / "file")


@pytest.mark.parametrize("path", [None, 3, b"file"])
def test_other_types_are_no_paths(path):
    with pytest.raises(TypeError, match="`path` must be a text or a path"):
        files.exists(path)


def test_a_path_of_pathlib_that_lost_a_slash_is_no_local_folder(bucket):
    # It would be a local folder named "gs:".
    for text in ("gs://bucket/run", "tflotterytest://bucket"):
        with pytest.raises(ValueError, match=f"lost a slash.*{text}"):
            files.exists(pathlib.PurePosixPath(text))
    assert not files.exists(pathlib.Path("nowhere:/bucket"))
    assert not files.exists(pathlib.Path("c:/bucket"))


def test_a_tilde_at_the_beginning_is_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for path in ("~/runs/a", pathlib.Path("~/runs/a")):
        assert files.as_path(path) == files.as_path(tmp_path / "runs/a")
    assert str(files.as_path("~")) == str(tmp_path)
    for elsewhere in ("runs/~", "./~/runs"):
        assert "~" in str(files.as_path(elsewhere))


def test_an_unknown_scheme_is_named():
    with pytest.raises(ValueError, match="unknown scheme 'nowhere://'.*gs://"):
        files.exists("nowhere://bucket/file")


def test_a_scheme_that_tensorflow_lacks_is_explained(remote, monkeypatch):
    # With TensorFlow installed, etils leaves all schemes to it.
    class UnimplementedError(Exception):
        pass

    def refuse(path, *unused, **named):
        raise UnimplementedError(f"File system scheme not implemented: {path}")

    for name in ("exists", "open", "mkdir", "unlink"):
        monkeypatch.setattr(type(remote.path), name, refuse)
    for use in (
        files.exists,
        files.remove,
        files.read_bytes,
        lambda path: files.write_bytes(path, b""),
    ):
        with pytest.raises(ValueError, match="tflotterytest.*EPATH_USE_TF=0"):
            use(remote.path / "file")


def test_every_kind_of_file_works_on_a_remote_path(remote):
    base = "tflotterytest://bucket/run"
    files.write_bytes(f"{base}/bytes", [b"one ", memoryview(b"two")])
    files.write_text(f"{base}/text", "three")
    documents.write_json(f"{base}/json", {"rounds": 10})
    records.write_record(f"{base}/record", "snapshot", {"a": np.ones(2)}, {})
    mask = Mask({"a": [1, 0]})
    mask.save(files.as_path(base) / "mask")

    assert files.read_bytes(f"{base}/bytes") == b"one two"
    assert files.read_text(f"{base}/text") == "three"
    assert documents.read_json(f"{base}/json") == {"rounds": 10}
    arrays, _ = records.read_record(f"{base}/record", "snapshot")
    assert arrays["a"].tolist() == [1.0, 1.0]
    assert Mask.load(f"{base}/mask") == mask

    # The five files, and no temporary one, under their own names.
    assert list(remote.files()) == [
        "run/bytes",
        "run/json",
        "run/mask",
        "run/record",
        "run/text",
    ]
    assert files.exists(f"{base}/text")
    files.remove(f"{base}/text")
    assert not files.exists(f"{base}/text")


def test_errors_on_a_remote_path_name_it(remote):
    records.write_record("tflotterytest://bucket/a", "mask", {}, {})
    (remote.folder / "a").write_bytes(remote.files()["a"][:-1])
    with pytest.raises(files.DamagedFileError, match="^tflotterytest://bucket"):
        records.read_record("tflotterytest://bucket/a", "mask")
    with pytest.raises(FileNotFoundError):
        files.read_bytes("tflotterytest://bucket/none")


def test_a_failed_remote_write_keeps_the_old_file(remote):
    files.write_bytes("tflotterytest://bucket/file", b"the old content")
    with pytest.raises(OSError, match="connection"):
        files.write_bytes(
            "tflotterytest://bucket/file", half_and_fail(OSError("connection"))
        )
    assert remote.files() == {"file": b"the old content"}
