"""Tests of the mask: it cannot be wrong, and it cannot be changed."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from tflottery.core import files, records
from tflottery.core.mask import Mask

KERNELS = {
    "conv/kernel": np.array([[1, 0, 1], [0, 0, 1]], np.bool_),
    "fc/kernel": np.array([1, 1, 1, 0], np.bool_),
}


@pytest.fixture
def mask():
    # 3 of 6 and 3 of 4 entries are kept: 6 of 10.
    return Mask(KERNELS)


def reversed_order(mask):
    return Mask({path: mask[path] for path in reversed(list(mask))})


@pytest.mark.parametrize(
    "dtype", [np.bool_, np.int8, np.uint8, np.int64, np.float16, np.float32]
)
def test_zeros_and_ones_of_any_dtype_become_booleans(dtype):
    mask = Mask({"a": np.array([[1, 0], [0, 1]], dtype)})
    assert mask["a"].dtype == np.bool_
    np.testing.assert_array_equal(mask["a"], [[True, False], [False, True]])


def test_bfloat16_zeros_and_ones_are_taken():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([1, 0, 1], ml_dtypes.bfloat16)
    assert Mask({"a": array})["a"].tolist() == [True, False, True]
    with pytest.raises(ValueError, match="`a` must hold zeros and ones.*: 0.5"):
        Mask({"a": np.array([1, 0.5], ml_dtypes.bfloat16)})


@pytest.mark.parametrize(
    ("wrong", "shown"), [(0.5, "0.5"), (-1, "-1"), (2, "2"), (np.nan, "nan")]
)
def test_other_numbers_are_refused_with_path_and_value(wrong, shown):
    with pytest.raises(ValueError) as error:
        Mask({"good": [1, 0], "fc/kernel": [[1, 0], [wrong, 1]]})
    message = str(error.value)
    assert "mask of `fc/kernel` must hold zeros and ones only" in message
    assert f"Received: {shown}" in message


@pytest.mark.parametrize("value", [["1", "0"], [None, 1], object()])
def test_what_is_not_numbers_is_refused(value):
    with pytest.raises(TypeError, match="mask of `a` must hold booleans"):
        Mask({"a": value})


def test_arguments_that_are_no_mapping_are_refused():
    with pytest.raises(TypeError, match="`arrays` must be of type Mapping"):
        Mask([[1, 0]])
    with pytest.raises(TypeError, match="`path` must be of type str.*path=0"):
        Mask({0: [1, 0]})


def test_the_mask_copies_what_it_is_given():
    array = np.array([True, True])
    mask = Mask({"a": array})
    array[0] = False
    assert mask["a"].tolist() == [True, True]


def test_the_arrays_are_read_only_even_after_pickling(mask):
    for same in (mask, pickle.loads(pickle.dumps(mask)), copy.deepcopy(mask)):
        assert same == mask
        with pytest.raises(ValueError, match="read-only"):
            same["fc/kernel"][0] = False
    with pytest.raises(TypeError, match="does not support item assignment"):
        mask["fc/kernel"] = np.ones(4)


def test_arrays_that_are_given_away_are_taken_as_they_are_and_locked():
    array = np.array([[True, False]])
    mask = Mask.owning({"a": array})
    assert mask["a"] is array and mask == Mask({"a": [[1, 0]]})
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = False


@pytest.mark.parametrize(
    "array",
    [
        np.ones((2, 3), np.int8),
        np.ones((2, 3), np.bool_).T,
        np.asfortranarray(np.ones((2, 3), np.bool_)),
        np.ones(6, np.bool_)[:],
        np.broadcast_to(np.True_, (2, 3)),
    ],
    ids=["dtype", "transposed", "column order", "view", "broadcast"],
)
def test_arrays_that_someone_else_may_hold_are_not_taken(array):
    with pytest.raises(ValueError, match="mask of `a` must be.*data of its"):
        Mask.owning({"a": array})


def test_the_whole_is_counted(mask):
    assert (mask.size, mask.kept) == (10, 6)
    assert mask.density == 0.6
    assert mask.sparsity == 0.4
    assert mask.densities() == {"conv/kernel": 0.5, "fc/kernel": 0.75}
    assert type(mask.kept) is int


@pytest.mark.parametrize("mask", [Mask({}), Mask({"a": np.zeros((0, 3))})])
def test_a_mask_without_entries_prunes_nothing(mask):
    assert (mask.size, mask.kept) == (0, 0)
    assert (mask.density, mask.sparsity) == (1.0, 0.0)
    assert "total" in mask.report()


def test_it_is_a_mapping_in_the_order_given(mask):
    assert list(mask) == ["conv/kernel", "fc/kernel"]
    assert list(reversed_order(mask)) == ["fc/kernel", "conv/kernel"]
    assert len(mask) == 2
    assert "fc/kernel" in mask
    assert "fc/bias" not in mask
    with pytest.raises(KeyError, match="fc/bias"):
        mask["fc/bias"]


def test_ones_like_takes_arrays_and_shapes():
    mask = Mask.ones_like({"a": np.zeros((2, 3)), "b": (4,), "c": [], "d": ()})
    assert {path: array.shape for path, array in mask.items()} == {
        "a": (2, 3),
        "b": (4,),
        "c": (),
        "d": (),
    }
    assert mask.density == 1.0
    assert mask.kept == 12


def test_equality_hash_and_digest_ignore_the_order(mask):
    other = reversed_order(mask)
    assert other == mask
    assert hash(other) == hash(mask)
    assert other.digest() == mask.digest()
    assert len({mask, other}) == 1


@pytest.mark.parametrize(
    "other",
    [
        {**KERNELS, "fc/kernel": [1, 1, 0, 1]},
        {**KERNELS, "fc/kernel": [[1, 1], [1, 0]]},
        {**KERNELS, "more": [1]},
        {"conv/kernel": KERNELS["conv/kernel"]},
        {"conv/kernel": KERNELS["conv/kernel"], "fc": KERNELS["fc/kernel"]},
    ],
)
def test_other_entries_shapes_or_paths_are_another_mask(mask, other):
    assert Mask(other) != mask
    assert Mask(other).digest() != mask.digest()


def test_a_mask_is_not_equal_to_a_dict(mask):
    assert mask != dict(KERNELS)


def test_the_digest_never_changes(mask):
    assert mask.digest() == (
        "07e77ad482735f18b7a59706ebed9a9e3c7e67324bb2ea5e124d12248797573b"
    )


def test_and_or_and_overlap_count_survivors():
    a = Mask({"p": [1, 1, 0, 0], "q": [1]})
    b = Mask({"q": [1], "p": [1, 0, 1, 0]})
    assert a & b == Mask({"p": [1, 0, 0, 0], "q": [1]})
    assert a | b == Mask({"p": [1, 1, 1, 0], "q": [1]})
    # Two survivors are shared (p[0], q[0]) of the four that either keeps.
    assert a.overlap(b) == 0.5
    assert b.overlap(a) == 0.5


def test_overlap_at_the_extremes():
    left, right = Mask({"a": [1, 0]}), Mask({"a": [0, 1]})
    nothing = Mask({"a": [0, 0]})
    assert left.overlap(left) == 1.0
    assert left.overlap(right) == 0.0
    assert left.overlap(nothing) == 0.0
    assert nothing.overlap(nothing) == 1.0


def test_less_or_equal_means_that_survivors_are_a_subset():
    large, small = Mask({"a": [1, 1, 0]}), Mask({"a": [1, 0, 0]})
    aside = Mask({"a": [0, 0, 1]})
    assert small <= large
    assert large >= small
    assert not large <= small
    assert not aside <= large
    assert large <= large
    assert small & aside <= aside


@pytest.mark.parametrize(
    "combine",
    [
        lambda a, b: a & b,
        lambda a, b: a | b,
        lambda a, b: a <= b,
        lambda a, b: a.overlap(b),
    ],
)
def test_masks_of_different_tensors_do_not_combine(mask, combine):
    reshaped = Mask({**KERNELS, "fc/kernel": [[1, 1], [1, 0]]})
    with pytest.raises(ValueError) as error:
        combine(mask, reshaped)
    assert str(error.value) == (
        "mask of `fc/kernel` has shape (4,); the other mask has (2, 2). Was "
        "the mask made for another model?"
    )
    fewer = Mask({"conv/kernel": KERNELS["conv/kernel"]})
    with pytest.raises(ValueError, match="the other mask lacks `fc/kernel`"):
        combine(mask, fewer)
    with pytest.raises(ValueError, match="the mask lacks `fc/kernel`"):
        combine(fewer, mask)


def test_masks_do_not_combine_with_other_types(mask):
    with pytest.raises(TypeError, match="unsupported operand"):
        mask & dict(KERNELS)
    with pytest.raises(TypeError, match="not supported between"):
        mask <= 3  # noqa: B015
    with pytest.raises(TypeError, match="`other` must be of type Mask"):
        mask.overlap(dict(KERNELS))


def test_apply_writes_exact_zeros_and_leaves_survivors_alone():
    mask = Mask({"a": [1, 0, 0, 0, 1]})
    array = np.array([1.5, np.nan, -np.inf, -0.0, -0.0], np.float32)
    masked = mask.apply({"a": array})["a"]
    assert masked.dtype == np.float32
    # Compared as bits: -0.0 equals 0.0 as a number, and is not an exact zero.
    expected = np.array([1.5, 0.0, 0.0, 0.0, -0.0], np.float32)
    assert masked.tobytes() == expected.tobytes()
    assert np.isnan(array[1]), "the argument was changed"


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float64", "int8"])
def test_apply_keeps_the_dtype(name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    masked = Mask({"a": [0, 1]}).apply({"a": np.array([3, 5], dtype)})["a"]
    assert masked.dtype == dtype
    assert masked.tolist() == [0, 5]


def test_apply_passes_on_what_the_mask_does_not_name():
    bias = np.ones(2)
    arrays = {"fc/bias": bias, "fc/kernel": np.ones(2)}
    masked = Mask({"fc/kernel": [1, 0]}).apply(arrays)
    assert list(masked) == ["fc/bias", "fc/kernel"]
    assert masked["fc/bias"] is bias
    assert masked["fc/kernel"].tolist() == [1.0, 0.0]


def test_apply_refuses_missing_and_misshapen_arrays(mask):
    with pytest.raises(ValueError, match="set of arrays lacks `fc/kernel`"):
        mask.apply({"conv/kernel": np.ones((2, 3)), "fc/bias": np.ones(4)})
    with pytest.raises(ValueError, match=r"`fc/kernel` has shape \(4,\); the"):
        # A shape that NumPy would broadcast without a word.
        mask.apply({"conv/kernel": np.ones((2, 3)), "fc/kernel": np.ones(1)})


def test_check_fits_names_the_tensor_and_both_shapes(mask):
    mask.check_fits({"fc/kernel": (4,), "conv/kernel": np.zeros((2, 3))})
    with pytest.raises(ValueError) as error:
        mask.check_fits({"conv/kernel": (2, 4), "fc/kernel": (4,)})
    assert str(error.value) == (
        "mask of `conv/kernel` has shape (2, 3); the model has (2, 4). Was the "
        "mask made for another model?"
    )


def test_check_fits_names_missing_and_excess_paths(mask):
    with pytest.raises(ValueError) as error:
        mask.check_fits({"conv/kernel": (2, 3), "new": (1,)}, what="ticket")
    assert str(error.value) == (
        "The mask does not fit the ticket: the ticket lacks `fc/kernel`; the "
        "mask lacks `new`. Was the mask made for another model?"
    )


def test_a_saved_mask_loads_as_an_equal_one(mask, tmp_path):
    reversed_order(mask).save(tmp_path / "mask")
    loaded = Mask.load(str(tmp_path / "mask"))
    assert loaded == mask
    assert list(loaded) == ["fc/kernel", "conv/kernel"]
    with pytest.raises(ValueError, match="read-only"):
        loaded["fc/kernel"][0] = False


@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (3, 3, 2, 5)])
def test_masks_of_any_shape_survive_the_disk(shape, tmp_path):
    kept = np.random.default_rng(1).integers(0, 2, shape)
    mask = Mask({"a": kept})
    mask.save(tmp_path / "mask")
    assert Mask.load(tmp_path / "mask") == mask


def test_a_saved_mask_takes_a_bit_an_entry(tmp_path):
    mask = Mask.ones_like({"a": (1000, 800)})
    mask.save(tmp_path / "mask")
    # 100,000 bytes of bits; names, shapes and the archive's index are small.
    assert (tmp_path / "mask").stat().st_size < 101_000


def test_saving_twice_gives_the_same_bytes(mask, tmp_path):
    mask.save(tmp_path / "one")
    mask.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_damaged_or_foreign_file_is_not_loaded(mask, tmp_path):
    path = tmp_path / "mask"
    mask.save(path)
    content = bytearray(path.read_bytes())
    content[-30] ^= 4
    path.write_bytes(content)
    with pytest.raises(files.DamagedFileError, match="damaged"):
        Mask.load(path)
    records.write_record(path, "snapshot", {}, {})
    with pytest.raises(files.ForeignFileError, match="'snapshot'.*'mask'"):
        Mask.load(path)


def test_the_report_has_a_line_per_tensor_and_the_whole(mask):
    assert mask.report().split("\n") == [
        "path         shape  kept  size  density",
        "conv/kernel  2x3       3     6   0.5000",
        "fc/kernel    4         3     4   0.7500",
        "total                  6    10   0.6000",
    ]


def test_the_text_of_a_mask_is_short(mask):
    assert repr(mask) == "Mask(2 tensors, 6 of 10 kept, density 0.6000)"
