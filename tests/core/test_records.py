"""Tests of the record file: exact, deterministic, and safe from damage."""

from __future__ import annotations

import hashlib
import io
import zipfile

import numpy as np
import pytest

from tflottery.core import files, records

ARRAYS = {
    "dense/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "dense/bias:0": np.array([1.5, -0.0]),
    "iterations": np.array(500),
    "flag": np.array(True),
    "masks": np.array([[True, False]]),
    "empty": np.zeros((0, 3), np.int8),
    "../odd name": np.array([1 + 2j]),
    "names": np.array(["a", "bc"]),
    "big_endian": np.array([1, 2], ">i4"),
}
META = {"step": 500, "shapes": {"a/b": [2, 3]}, "note": "ä"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record"


def check_same(arrays, expected):
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        assert arrays[name].dtype == array.dtype, name
        assert arrays[name].shape == array.shape, name
        assert arrays[name].tobytes() == array.tobytes(), name


def test_arrays_and_settings_come_back_as_they_were(path):
    records.write_record(path, "snapshot", ARRAYS, META)
    arrays, meta = records.read_record(path, "snapshot")
    check_same(arrays, ARRAYS)
    assert meta == META


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "int4"])
@pytest.mark.parametrize("shape", [(), (0,), (4,), (2, 2)])
def test_small_floats_of_ml_dtypes_survive(name, shape, path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(getattr(ml_dtypes, name))
    array = np.arange(4)[: int(np.prod(shape))].reshape(shape).astype(dtype)
    records.write_record(path, "snapshot", {"a": array}, {})
    check_same(records.read_record(path, "snapshot")[0], {"a": array})


def test_nan_and_signed_zeros_keep_their_bits(path):
    payload = np.array([0x7FC00001, 0xFF800000, 0x80000000], np.uint32)
    array = payload.view(np.float32)
    records.write_record(path, "snapshot", {"a": array}, {})
    arrays, _ = records.read_record(path, "snapshot")
    assert arrays["a"].tobytes() == payload.tobytes()


def test_nothing_is_a_record_too(path):
    records.write_record(path, "snapshot", {}, {})
    assert records.read_record(path, "snapshot") == ({}, {})


def test_the_arrays_read_are_writable(path):
    records.write_record(path, "snapshot", {"a": np.zeros(2)}, {})
    arrays, _ = records.read_record(path, "snapshot")
    arrays["a"][0] = 1.0


def test_the_first_line_has_the_kind_and_the_checksum_of_the_rest(path):
    records.write_record(path, "mask", ARRAYS, META)
    line, rest = path.read_bytes().split(b"\n", 1)
    digest = hashlib.sha256(rest).hexdigest()
    assert line.decode() == f"tflottery mask 1 sha256={digest}"


def test_the_rest_is_an_archive_for_any_tool(path):
    records.write_record(path, "mask", {"a/b": np.arange(3)}, META)
    rest = path.read_bytes().split(b"\n", 1)[1]
    with np.load(io.BytesIO(rest), allow_pickle=False) as archive:
        assert archive["a/b"].tolist() == [0, 1, 2]
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["record.json", "a/b.npy"]


def test_the_same_content_gives_the_same_bytes(path, monkeypatch):
    records.write_record(path, "mask", ARRAYS, META)
    first = path.read_bytes()
    # Another day, another layout in memory, another order of the settings.
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    monkeypatch.setattr("time.localtime", lambda *a: (2033, 5, 18, 3, 33, 20))
    turned = {name: np.asfortranarray(a) for name, a in ARRAYS.items()}
    turned["iterations"], turned["flag"] = ARRAYS["iterations"], ARRAYS["flag"]
    records.write_record(path, "mask", turned, dict(reversed(META.items())))
    assert path.read_bytes() == first


def test_any_flipped_byte_is_damage(path):
    arrays = {"a": np.array([True, False]), "b/c": np.arange(2)}
    records.write_record(path, "mask", arrays, {"step": 5})
    content = path.read_bytes()
    header = content.index(b"\n") + 1
    for place in range(len(content)):
        # Every bit of the first line, which no checksum covers; one of eight
        # in each byte of the rest, where the checksum treats all alike.
        flips = range(8) if place < header else (place % 8,)
        for bit in flips:
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(files.DamagedFileError, match="is damaged"):
                records.read_record(path, "mask")


def test_any_missing_byte_is_damage(path):
    records.write_record(path, "mask", {"a": np.arange(2)}, {})
    content = path.read_bytes()
    for place in range(len(content)):
        for damaged in (
            content[:place],
            content[:place] + content[place + 1 :],
        ):
            if damaged == content:
                continue
            path.write_bytes(damaged)
            with pytest.raises(files.DamagedFileError, match="is damaged"):
                records.read_record(path, "mask")


def test_added_bytes_are_damage(path):
    records.write_record(path, "mask", {"a": np.arange(2)}, {})
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(files.DamagedFileError, match="is damaged"):
        records.read_record(path, "mask")


def test_the_error_names_the_path_and_both_checksums(path):
    records.write_record(path, "mask", {"a": np.arange(2)}, {})
    content = path.read_bytes()
    line, rest = content.split(b"\n", 1)
    path.write_bytes(line + b"\n" + rest[:-1])
    with pytest.raises(files.DamagedFileError) as error:
        records.read_record(path, "mask")
    message = str(error.value)
    assert str(path) in message
    assert hashlib.sha256(rest).hexdigest() in message
    assert hashlib.sha256(rest[:-1]).hexdigest() in message


@pytest.mark.parametrize(
    "content", [b"hello\n", b"PK\x03\x04", b"\x93NUMPY", b"tfx\n" * 99]
)
def test_a_file_of_others_is_foreign(content, path):
    path.write_bytes(content)
    with pytest.raises(files.ForeignFileError, match="not a tflottery file"):
        records.read_record(path, "mask")


def test_another_kind_is_refused_with_both_named(path):
    records.write_record(path, "snapshot", {}, {})
    with pytest.raises(files.ForeignFileError) as error:
        records.read_record(path, "mask")
    assert "holds a tflottery 'snapshot' record; 'mask' was asked" in str(
        error.value
    )


def test_a_newer_format_asks_for_a_newer_package(path, monkeypatch):
    monkeypatch.setattr(records, "_VERSION", 2)
    records.write_record(path, "mask", {}, {})
    monkeypatch.undo()
    with pytest.raises(files.ForeignFileError, match="has format 2;.*newer"):
        records.read_record(path, "mask")


def test_a_missing_file_is_missing(path):
    with pytest.raises(FileNotFoundError):
        records.read_record(path, "mask")


@pytest.mark.parametrize("kind", ["", "Mask", "a b", "ü", None, "1st", "a\n"])
def test_a_malformed_kind_is_refused(kind, path):
    with pytest.raises(ValueError, match="`kind` must be a lower-case word"):
        records.write_record(path, kind, {}, {})


@pytest.mark.parametrize("name", ["", "a\0b", 3])
def test_a_malformed_name_is_refused(name, path):
    with pytest.raises(ValueError, match="names of arrays must be strings"):
        records.write_record(path, "mask", {name: np.zeros(1)}, {})


@pytest.mark.parametrize(
    "array",
    [
        np.array([None, 1]),
        np.zeros(2, [("a", "i4"), ("b", "f4")]),
        np.array(["2020-01-01"], "datetime64[D]"),
    ],
)
def test_arrays_that_would_need_a_pickle_are_refused(array, path):
    with pytest.raises(TypeError, match="array `a/b` must hold numbers"):
        records.write_record(path, "mask", {"a/b": array}, {})
    assert not path.exists()


def test_settings_that_json_cannot_hold_are_refused(path):
    with pytest.raises(TypeError, match=r"`data\.meta\.rate` must be made of"):
        records.write_record(path, "mask", {}, {"rate": np.zeros(2)})
    with pytest.raises(TypeError, match="`meta` must be of type Mapping"):
        records.write_record(path, "mask", {}, [1])
