"""Tests of the named random streams: fixed for ever, and independent."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from tflottery.core import seeds


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((0,), 2019721527),
        ((0, "replicate", 1), 462315847),
        ((7, "conv1/kernel"), 111259519),
        ((-3, "Gewicht", "ä"), 1097532383),
    ],
)
def test_child_seeds_never_change(words, expected):
    assert seeds.child_seed(*words) == expected


def test_the_child_seed_is_the_hash_it_says_it_is():
    text = '[7,"replicate",2]'
    eight = hashlib.sha256(text.encode()).digest()[:8]
    expected = int.from_bytes(eight, "big") % 2**31
    assert seeds.child_seed(7, "replicate", 2) == expected


def test_words_keep_their_borders_their_order_and_their_type():
    words = [
        (0, "a", "b"),
        (0, "ab"),
        (0, "b", "a"),
        (0, 'a","b'),
        (0, "a", "b", ""),
        (0, "1"),
        (0, 1),
        (0,),
        (1,),
        (0, 0),
        (10,),
        (1, 0),
    ]
    assert len({seeds.child_seed(*these) for these in words}) == len(words)


def test_child_seeds_fit_a_signed_32_bit_integer_and_spread():
    drawn = np.array([seeds.child_seed(0, i) for i in range(2000)])
    assert drawn.min() >= 0
    assert drawn.max() < 2**31
    # 2,000 draws of 2**31 collide with a chance of 2000**2 / 2**32 = 0.1 %;
    # these are fixed, and do not.
    assert len(set(drawn.tolist())) == 2000
    # The mean of a uniform draw is half the range; its standard error here is
    # range / sqrt(12 * 2000) = 0.0065 of the range, and four of them allowed.
    assert abs(drawn.mean() / 2**31 - 0.5) < 0.026


def test_numpy_integers_are_the_same_words():
    assert seeds.child_seed(np.int64(7), np.int32(2)) == seeds.child_seed(7, 2)


def test_generators_repeat_and_differ_by_name():
    first = seeds.rng(0, "a").standard_normal(100)
    again = seeds.rng(0, "a").standard_normal(100)
    other = seeds.rng(0, "b").standard_normal(100)
    np.testing.assert_array_equal(first, again)
    # Independent standard normals correlate by 0.1 for 100 draws.
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.4


def test_the_raw_stream_never_changes():
    raw = seeds.rng(0, "shuffle").bit_generator.random_raw(2)
    assert raw.tolist() == [224826195245051548, 11713982919318461570]


@pytest.mark.parametrize("seed", [None, "0", 1.0, True])
def test_a_seed_must_be_an_integer(seed):
    with pytest.raises(TypeError, match="`seed` must be an integer.*seed="):
        seeds.child_seed(seed)


@pytest.mark.parametrize("name", [None, 1.5, True, ("a",)])
def test_a_name_must_be_a_string_or_an_integer(name):
    with pytest.raises(TypeError, match="`names` must be strings or integers"):
        seeds.rng(0, name)
