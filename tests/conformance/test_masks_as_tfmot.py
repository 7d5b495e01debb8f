"""Masks: the same arrays give TF-MOT's masks, but for ties and rounding."""

import importlib

import numpy as np
import pytest
import side_by_side as sides

import tflottery

RNG = np.random.default_rng(0)
ALIGNED = [((8, 8), (2, 2)), ((7, 9), (2, 2)), ((6, 8), (3, 4))]
ALIGNED += [((8, 6), (1, 2)), ((11, 8), (4, 2)), ((9, 12), (1, 4))]


def test_the_two_smallest_of_ten_go(any_keras, tfmot):
    array = np.arange(1, 11, dtype="float32").reshape(2, 5)
    ours = sides.our_mask(any_keras, array, sparsity=0.2)
    assert sorted(array[~ours]) == [1, 2]
    np.testing.assert_array_equal(ours, sides.tfmot_masks(array, sparsity=0.2))


def test_half_of_a_hundred_stay(any_keras, tfmot):
    array = sides.separated(100).reshape(10, 10)
    ours = sides.our_mask(any_keras, array, sparsity=0.5)
    assert ours.sum() == 50
    assert np.abs(array[ours]).min() == 51
    np.testing.assert_array_equal(ours, sides.tfmot_masks(array, sparsity=0.5))


@pytest.mark.parametrize("size", [1, 4, 40])
def test_extreme_sparsity_keeps_the_largest(any_keras, tfmot, size):
    array = sides.separated(size).reshape(1, size)
    ours = sides.our_mask(any_keras, array, sparsity=0.999)
    assert list(np.abs(array[ours])) == [size]
    np.testing.assert_array_equal(
        ours, sides.tfmot_masks(array, sparsity=0.999)
    )


@pytest.mark.parametrize(
    "shape",
    [(10, 10), (7, 9), (1, 7), (5, 3, 4), (3, 3, 2, 5), (2, 2, 2, 3, 2)],
)
def test_masks_without_ties_are_equal(any_keras, tfmot, shape):
    array = sides.separated(int(np.prod(shape))).reshape(shape)
    kept = set()
    for sparsity in np.linspace(0.0, 0.98, 9):
        # These sizes and sparsities give no product that ends in .5.
        ours = sides.our_mask(any_keras, array, sparsity=float(sparsity))
        theirs = sides.tfmot_masks(array, sparsity=float(sparsity))
        np.testing.assert_array_equal(ours, theirs, err_msg=str(sparsity))
        kept.add(int(ours.sum()))
    assert max(kept) == array.size and len(kept) >= min(array.size, 6)


def test_equal_magnitudes_are_counted_here_and_kept_by_tfmot(any_keras, tfmot):
    array = np.array([[1, -1, 1, 1], [2, 2, 2, 2]], "float32")
    theirs = sides.tfmot_masks(array, sparsity=0.25)
    ours = sides.our_mask(any_keras, array, sparsity=0.25)
    # The threshold is 1: TF-MOT keeps all that reach it, so nothing goes.
    assert theirs.all()
    # Six of eight stay here; of equal ones those of the lowest index.
    assert ours.tolist() == [[True, True, False, False], [True] * 4]


def test_a_share_that_ends_in_a_half_is_rounded_to_even_by_both(
    any_keras, tfmot
):
    for size, sparsity, kept in ((3, 0.5, 2), (5, 0.5, 2), (6, 0.75, 2)):
        array = sides.separated(size).reshape(1, size)
        ours = sides.our_mask(any_keras, array, sparsity=sparsity)
        theirs = sides.tfmot_masks(array, sparsity=sparsity)
        assert (ours.sum(), theirs.sum()) == (kept, kept)


def test_counts_differ_by_one_where_float32_rounds_the_share(any_keras, tfmot):
    differing = []
    for size in range(2, 120):
        for percent in range(100):
            share = np.float32(1) - np.float32(percent / 100)
            theirs = max(int(np.round(np.float32(size) * share)), 1)
            ours = max(round(size * (1.0 - percent / 100)), 1)
            if theirs != ours:
                differing.append((size, percent / 100, theirs, ours))
    assert differing
    # It happens only where the product is half-way between two counts.
    for size, sparsity, theirs, ours in differing:
        half = (size * round(100 - 100 * sparsity)) % 100
        assert half == 50 and abs(theirs - ours) == 1
    for size, sparsity, theirs, ours in differing[:4]:
        array = sides.separated(size).reshape(1, size)
        mask = sides.our_mask(any_keras, array, sparsity=sparsity)
        assert mask.sum() == ours
        oracle = sides.tfmot_masks(array, sparsity=sparsity)
        assert oracle.sum() == theirs


def test_average_and_maximum_choose_different_blocks(any_keras, tfmot):
    # Left blocks: largest 9, mean 2.25; right blocks: largest 4, mean 4.
    array = np.array([[9, 0, 4, 4], [0, 0, 4, 4]], "float32")
    left = np.array([[1, 1, 0, 0]] * 2, bool)
    for pooling, expected in (("AVG", ~left), ("MAX", left)):
        options = {"block_size": (2, 2), "block_pooling_type": pooling}
        ours = sides.our_mask(any_keras, array, **options)
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("pooling", ["AVG", "MAX"])
@pytest.mark.parametrize("shape, block", ALIGNED)
def test_block_masks_are_equal(any_keras, tfmot, shape, block, pooling):
    array = RNG.normal(size=shape).astype("float32")
    options = {"block_size": block, "block_pooling_type": pooling}
    for sparsity in (0.3, 0.5, 0.8):
        ours = sides.our_mask(any_keras, array, sparsity=sparsity, **options)
        theirs = sides.tfmot_masks(array, sparsity=sparsity, **options)
        np.testing.assert_array_equal(ours, theirs)
        assert 0 < ours.sum() < array.size


def test_wide_ragged_edges_are_ranked_by_their_own_entries(any_keras, tfmot):
    # Blocks of 4 over 9 columns: two whole ones and one of a single column.
    # TF-MOT pads on both sides to pool, so that what it ranks are columns
    # 0..2, 3..6 and 7..8, and what it then drops are 0..3, 4..7 and 8.
    array = np.ones((2, 9), "float32")
    array[:, 3] = 50.0
    array[:, 8] = 0.5
    array[1] += 1.0
    options = {"block_size": (1, 4), "block_pooling_type": "MAX"}
    ours = sides.our_mask(any_keras, array, sparsity=0.66, **options)
    theirs = sides.tfmot_masks(array, sparsity=0.66, **options)
    # Kept here: the two blocks that hold the 50s, columns 0 to 3.
    assert ours.tolist() == [[True] * 4 + [False] * 5] * 2
    # TF-MOT lets the 50s go and keeps the block after theirs.
    assert theirs.tolist() == [[False] * 4 + [True] * 4 + [False]] * 2


def test_blocks_on_higher_ranks_are_pruned_here_and_refused_by_tfmot(
    any_keras, tfmot
):
    array = RNG.normal(size=(2, 2, 4, 4)).astype("float32")
    with pytest.raises(ValueError, match="2-dimensional weights"):
        sides.tfmot_masks(array, block_size=(2, 2))
    mask = sides.our_mask(any_keras, array, block_size=(2, 2))
    blocks = mask.reshape(2, 2, 2, 2, 2, 2).sum(axis=(3, 5))
    assert set(blocks.flat) == {0, 4} and mask.mean() == 0.5


@pytest.mark.parametrize("zeros, group", [(2, 4), (1, 4), (3, 4), (1, 2)])
@pytest.mark.parametrize(
    "shape", [(8, 8), (7, 9), (5, 3), (3, 2), (3, 3, 4, 5), (2, 2, 7, 3)]
)
def test_patterns_are_equal(any_keras, tfmot, zeros, group, shape):
    array = RNG.normal(size=shape).astype("float32")
    ours = sides.our_mask(any_keras, array, sparsity_m_by_n=(zeros, group))
    theirs = sides.tfmot_masks(array, sparsity_m_by_n=(zeros, group))
    np.testing.assert_array_equal(ours, theirs)
    whole = shape[-2] // group * group
    groups = np.moveaxis(ours, -2, 0)[:whole]
    groups = groups.reshape(-1, group, *groups.shape[1:])
    if whole:
        assert set(groups.sum(axis=1).flat) == {group - zeros}
    else:
        # A row shorter than the group keeps as many as a whole group would.
        assert ours.sum(axis=-2).max() == min(group - zeros, shape[-2])


@pytest.mark.parametrize("shape", [(2, 8, 3), (2, 2, 2, 4, 3)])
def test_patterns_on_other_ranks_run_along_the_input_axis_here_only(
    any_keras, tfmot, shape
):
    array = RNG.normal(size=shape).astype("float32")
    with pytest.raises(ValueError, match="is not supported"):
        sides.tfmot_masks(array, sparsity_m_by_n=(2, 4))
    mask = sides.our_mask(any_keras, array, sparsity_m_by_n=(2, 4))
    groups = np.moveaxis(mask, -2, -1).reshape(-1, 4)
    assert groups.size and set(groups.sum(axis=1)) == {2}


def test_tfmots_own_check_accepts_our_patterns(any_keras, tfmot):
    utils = importlib.import_module(
        "tensorflow_model_optimization.python.core.sparsity.keras.pruning_utils"
    )
    import tensorflow as tf

    array = RNG.normal(size=(3, 3, 8, 5)).astype("float32")
    mask = sides.our_mask(any_keras, array, sparsity_m_by_n=(2, 4))
    pruned = tf.constant(np.where(mask, array, 0))
    assert utils.is_pruned_m_by_n(pruned, (2, 4))
    assert not utils.is_pruned_m_by_n(tf.constant(array), (2, 4))


def test_the_schedule_has_no_say_in_a_pattern(any_keras, tfmot):
    array = RNG.normal(size=(8, 3)).astype("float32")
    late = tflottery.ConstantSparsity(0.9, begin_step=500)
    theirs = tfmot.ConstantSparsity(0.9, begin_step=500)
    ours = sides.our_mask(
        any_keras, array, pruning_schedule=late, sparsity_m_by_n=(2, 4)
    )
    oracle = sides.tfmot_masks(
        array, pruning_schedule=theirs, sparsity_m_by_n=(2, 4)
    )
    np.testing.assert_array_equal(ours, oracle)
    assert ours.mean() == 0.5


def test_scheduled_counts_fall_only_at_updates(any_keras, tfmot):
    # TF-MOT's own sequence: 10 % at step 2, 30 % at 4, 50 % at 6, of 100.
    table = {2: 0.1, 4: 0.3, 6: 0.5}

    class Table(tflottery.PruningSchedule):
        def __call__(self, step):
            return int(step) in table, table.get(int(step), 0.0)

        def get_config(self):
            return {}

    array = sides.separated(100).reshape(10, 10)
    layer = tflottery.prune_low_magnitude(
        sides.layer_holding(any_keras, array), Table()
    )
    counts = []
    for _ in range(7):
        tflottery.update_pruning_step(layer)
        ((_, mask),) = layer.masked_weights.values()
        counts.append(int(mask.numpy().sum()))
    assert counts == [100, 90, 90, 70, 70, 50, 50]
