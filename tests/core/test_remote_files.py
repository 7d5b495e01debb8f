"""Tests of the bucket that other tests stand on: nothing local gets in."""

import builtins
import glob
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import remote_files
from etils import epath

BASE = "tflotterytest://bucket/run"

LOCAL_CALLS = {
    "open": lambda path: builtins.open(path, "w"),
    "open text": lambda path: builtins.open(str(path), "w"),
    "open bytes": lambda path: builtins.open(str(path).encode(), "rb"),
    "pathlib": lambda path: pathlib.Path(str(path)).write_text("x"),
    "pathlib exists": lambda path: pathlib.Path(str(path)).exists(),
    "os.open": lambda path: os.open(str(path), os.O_CREAT),
    "os.fspath": os.fspath,
    "exists": lambda path: os.path.exists(str(path)),
    "isdir": lambda path: os.path.isdir(str(path)),
    "access": lambda path: os.access(str(path), os.R_OK),
    "makedirs": lambda path: os.makedirs(str(path)),
    "listdir": lambda path: os.listdir(str(path)),
    "remove": lambda path: os.remove(str(path)),
    "rename": lambda path: os.rename("here", str(path)),
    "rmtree": lambda path: shutil.rmtree(str(path)),
    "copy": lambda path: shutil.copy(__file__, str(path)),
    "glob": lambda path: glob.glob(f"{path}/*"),
    "epath, slash lost": lambda path: epath.Path(
        pathlib.Path(str(path))
    ).exists(),
}


@pytest.mark.parametrize("name", LOCAL_CALLS)
def test_local_calls_on_a_remote_path_are_refused_in_words(bucket, name):
    with pytest.raises(remote_files.LocalUseError, match="as a local path"):
        LOCAL_CALLS[name](bucket.path / "file")
    assert not bucket.files()


def test_local_calls_on_local_paths_are_left_alone(bucket, tmp_path):
    (tmp_path / "file").write_text("x")
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert os.listdir(tmp_path / "copy") == ["file"]
    shutil.rmtree(tmp_path / "copy")


def test_a_path_is_its_text_and_parts(bucket):
    path = epath.Path(BASE) / "a" / "b.txt"
    assert str(path) == f"{BASE}/a/b.txt"
    assert epath.Path(str(path)) == path
    assert (path.name, path.stem, path.parent.parent) == (
        "b.txt",
        "b",
        epath.Path(BASE),
    )
    assert str(path.relative_to(BASE)) == "a/b.txt"


def test_it_behaves_like_an_object_store(bucket):
    root = epath.Path(BASE)
    root.mkdir(parents=True)
    assert not root.exists()  # a folder is what its files make it
    (root / "a" / "one").write_bytes(b"1")
    (root / "a" / "two").write_text("zwö\r\n")
    (root / "b" / "one").touch()
    assert root.is_dir() and not root.is_file()
    assert [str(path) for path in root.glob("*/one")] == [
        f"{BASE}/a/one",
        f"{BASE}/b/one",
    ]
    assert [path.name for path in root.iterdir()] == ["a", "b"]
    assert (root / "a" / "two").read_text() == "zwö\r\n"
    status = (root / "a" / "one").stat()
    assert (status.length, status.is_directory) == (1, False)
    assert type(status.mtime) is int
    (root / "b" / "one").unlink()
    assert not (root / "b").exists()
    (root / "a" / "one").replace(root / "a" / "two")
    assert bucket.files() == {"run/a/two": b"1"}
    assert list(root.walk()) == [
        (root, ["a"], []),
        (root / "a", [], ["two"]),
    ]
    root.rmtree()
    assert not root.exists()
    root.rmtree(missing_ok=True)
    for missing in (root.iterdir(), root.glob("*")):
        with pytest.raises(FileNotFoundError):
            if not list(missing):
                raise FileNotFoundError  # glob of nothing is nothing


def test_a_file_appears_when_it_is_closed_and_only_then(bucket):
    path = epath.Path(BASE)
    with path.open("wb") as file:
        file.write(b"new")
        assert not path.exists()
        with pytest.raises(TypeError, match="bytes only"):
            file.write(bytearray(b"x"))
        with pytest.raises(OSError):
            file.fileno()
    assert path.read_bytes() == b"new"
    with pytest.raises(RuntimeError):
        with path.open("wb") as file:
            file.write(b"newer")
            raise RuntimeError
    assert path.read_bytes() == b"new"
    for mode in ("x", "a", "r+b"):
        with pytest.raises(ValueError, match="open"):
            path.open(mode)


def test_another_process_sees_the_same_files(bucket):
    program = (
        "import remote_files\n"
        "from etils import epath\n"
        "path = epath.Path('tflotterytest://bucket/here')\n"
        "path.replace('tflotterytest://bucket/there')\n"
    )
    (bucket.path / "here").write_bytes(b"content")
    folder = os.path.dirname(remote_files.__file__)
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": folder},
        check=True,
    )
    assert bucket.files() == {"there": b"content"}
