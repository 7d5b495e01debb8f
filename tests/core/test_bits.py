"""Tests of packing and naming bool arrays."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from tflottery.core import bits


@pytest.mark.parametrize(
    "shape", [(), (0,), (1,), (8,), (9,), (3, 5), (2, 0, 3), (3, 3, 1, 7)]
)
def test_packed_arrays_unpack_to_the_same(shape):
    array = np.random.default_rng(0).random(shape) < 0.5
    array = np.asarray(array)
    packed = bits.pack({"a": array})
    # One bit an entry, filled up to whole bytes.
    assert packed["a"].shape == (-(-array.size // 8),)
    unpacked = bits.unpack(packed, {"a": shape})
    np.testing.assert_array_equal(unpacked["a"], array)
    assert unpacked["a"].dtype == np.bool_
    assert unpacked["a"].shape == shape


def test_the_first_entry_is_the_highest_bit():
    packed = bits.pack({"a": np.array([1, 0, 0, 0, 0, 0, 0, 0, 1], np.bool_)})
    assert packed["a"].tolist() == [128, 128]


def test_the_digest_is_the_hash_it_says_it_is():
    arrays = {
        "b/kernel": np.array([[True, False]]),
        "a": np.array([True, True, True]),
    }
    content = b'["a", [3]]\n' + bytes([0b1110_0000])
    content += b'["b/kernel", [1, 2]]\n' + bytes([0b1000_0000])
    assert bits.digest(arrays) == hashlib.sha256(content).hexdigest()


def test_the_digest_does_not_depend_on_the_layout_in_memory():
    array = np.arange(12).reshape(3, 4) % 5 == 0
    turned = np.asfortranarray(array)
    assert bits.digest({"a": turned}) == bits.digest({"a": array})
