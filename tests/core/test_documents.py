"""Tests of the JSON files: readable, canonical, and checked."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from tflottery.core import documents, files

DATA = {
    "name": "mnist-äö",
    "rounds": 10,
    "fraction": 0.2,
    "hidden": [300, 100],
    "strict": False,
    "structure": None,
    "nested": {"z": 1e-05, "a": ""},
}


def test_what_is_written_is_read(tmp_path):
    documents.write_json(tmp_path / "config.json", DATA)
    assert documents.read_json(str(tmp_path / "config.json")) == DATA


def test_the_file_is_readable_sorted_and_carries_its_checksum(tmp_path):
    documents.write_json(tmp_path / "a.json", {"b": 1, "a": [True]})
    digest = hashlib.sha256(b'{"a":[true],"b":1}').hexdigest()
    assert (tmp_path / "a.json").read_text() == (
        f'{{\n  "a": [\n    true\n  ],\n  "b": 1,\n  "sha256": "{digest}"\n}}\n'
    )


def test_the_order_of_keys_does_not_change_the_file(tmp_path):
    backwards = dict(reversed(DATA.items()))
    documents.write_json(tmp_path / "a.json", DATA)
    documents.write_json(tmp_path / "b.json", backwards)
    first = (tmp_path / "a.json").read_bytes()
    assert first == (tmp_path / "b.json").read_bytes()


def test_reformatting_is_no_damage(tmp_path):
    path = tmp_path / "a.json"
    documents.write_json(path, DATA)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=8))
    assert documents.read_json(path) == DATA


def test_a_changed_value_is_damage_and_both_digests_are_named(tmp_path):
    path = tmp_path / "a.json"
    documents.write_json(path, {"rounds": 10})
    path.write_text(path.read_text().replace("10", "11", 1))
    with pytest.raises(files.DamagedFileError) as error:
        documents.read_json(path)
    message = str(error.value)
    assert str(path) in message
    for content in (b'{"rounds":10}', b'{"rounds":11}'):
        assert hashlib.sha256(content).hexdigest() in message


def test_a_file_cut_at_any_byte_is_damage(tmp_path):
    path = tmp_path / "a.json"
    documents.write_json(path, {"rounds": 10, "name": "ä"})
    content = path.read_bytes()
    # Without the last line end the file still means the same.
    for length in range(len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(files.DamagedFileError, match="not sound JSON"):
            documents.read_json(path)


def test_a_number_that_we_never_write_is_damage(tmp_path):
    path = tmp_path / "a.json"
    documents.write_json(path, {"loss": 1.5})
    path.write_text(path.read_text().replace("1.5", "NaN"))
    with pytest.raises(files.DamagedFileError, match="found none"):
        documents.read_json(path)


@pytest.mark.parametrize("text", ['{"rounds": 10}', "[1, 2]", "3"])
def test_json_of_others_is_foreign(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(files.ForeignFileError, match="not a tflottery file"):
        documents.read_json(tmp_path / "a.json")


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        documents.read_json(tmp_path / "a.json")


def test_tuples_and_numpy_scalars_are_written_plainly(tmp_path):
    data = {"a": (np.int64(1), np.float32(0.5)), "b": np.bool_(True)}
    documents.write_json(tmp_path / "a.json", data)
    read = documents.read_json(tmp_path / "a.json")
    assert read == {"a": [1, 0.5], "b": True}


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([1], TypeError, "`data` must be a dict.*list"),
        ({"a": {1: 2}}, TypeError, "keys of `data.a` must be strings.*: 1 of"),
        ({"a": [0, {"b": object()}]}, TypeError, r"`data.a\[1\].b` must be"),
        ({"a": np.zeros(2)}, TypeError, "`data.a` must be made of.*ndarray"),
        ({"loss": float("nan")}, ValueError, "`data.loss` must be finite.*nan"),
        ({"sha256": "x"}, ValueError, "must not have the key 'sha256'"),
    ],
)
def test_what_would_not_come_back_is_refused(data, error, message, tmp_path):
    with pytest.raises(error, match=message):
        documents.write_json(tmp_path / "a.json", data)
    assert list(tmp_path.iterdir()) == []


def test_canonical_json_is_one_text_for_equal_settings():
    text = documents.canonical_json({"b": (1, 2.5), "a": "ä", "c": None})
    assert text == '{"a":"\\u00e4","b":[1,2.5],"c":null}'
