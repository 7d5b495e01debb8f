"""Structures: units by hand and by slow loops, ragged ends included."""

import itertools
import json

import numpy as np
import pytest

from tflottery.pruning import structures
from tflottery.pruning.structures import Block, Channel, NOfM, Unstructured

MEMBERS = [
    Unstructured(),
    Block(2, 3),
    Block(1, 4, pooling="max"),
    NOfM(2, 4),
    NOfM(1, 3, axis=-1),
    Channel(),
    Channel(axis=0),
]


def random_tensor(seed, least_rank=2):
    random = np.random.default_rng(seed)
    rank = int(random.integers(least_rank, 5))
    shape = tuple(int(n) for n in random.integers(1, 8, rank))
    scores = random.integers(-3, 4, shape).astype(np.float32)
    alive = random.random(shape) < random.choice([0.2, 0.8, 1.0])
    return scores, alive


def units_of(structure, shape):
    """Lists the entries of each unit, in the order of the units."""
    if isinstance(structure, Block):
        *leading, rows, columns = shape
        for place in itertools.product(*map(range, leading)):
            for top in range(0, rows, structure.height):
                for left in range(0, columns, structure.width):
                    down = range(top, min(top + structure.height, rows))
                    across = range(left, min(left + structure.width, columns))
                    yield [
                        (*place, i, j)
                        for i, j in itertools.product(down, across)
                    ]
    elif isinstance(structure, Channel):
        entries = list(np.ndindex(*shape))
        for index in range(shape[structure.axis]):
            yield [e for e in entries if e[structure.axis] == index]
    else:
        for entry in np.ndindex(*shape):
            yield [entry]


def test_every_name_is_tested():
    assert {member.name for member in MEMBERS} == set(structures.names())


@pytest.mark.parametrize("structure", MEMBERS, ids=repr)
def test_units_equal_those_of_a_slow_loop(structure):
    for seed in range(40):
        check_pool(structure, seed)


def check_pool(structure, seed):
    scores, alive = random_tensor(seed)
    structure.check_shape("a", scores.shape)
    found, living = structure.pool(scores, alive)
    units = list(units_of(structure, scores.shape))
    assert found.shape == living.shape == (len(units),)
    for i, entries in enumerate(units):
        values = [float(scores[e]) for e in entries if alive[e]]
        assert living[i] == bool(values)
        if values:
            largest = getattr(structure, "pooling", "average") == "max"
            expected = max(values) if largest else sum(values) / len(values)
            assert found[i] == expected


@pytest.mark.parametrize("structure", MEMBERS, ids=repr)
def test_units_expand_to_their_entries(structure):
    for seed in range(40):
        check_expand(structure, seed)


def check_expand(structure, seed):
    scores, alive = random_tensor(seed)
    units = list(units_of(structure, scores.shape))
    kept = np.random.default_rng(seed).random(len(units)) < 0.5
    expected = np.zeros(scores.shape, bool)
    for keep, entries in zip(kept, units, strict=True):
        for entry in entries:
            expected[entry] = keep
    np.testing.assert_array_equal(
        structure.expand(kept, scores.shape), expected
    )


def test_the_protected_are_the_best_of_each_group():
    for seed in range(150):
        check_protected(seed)


def check_protected(seed):
    scores, alive = random_tensor(seed)
    random = np.random.default_rng(seed)
    group = int(random.integers(1, 6))
    keep = int(random.integers(1, group + 1))
    axis = int(random.integers(-scores.ndim, scores.ndim))
    expected = np.zeros(scores.shape, bool)
    others = [range(n) for n in scores.shape]
    others[axis] = range(0, scores.shape[axis], group)
    for first in itertools.product(*others):
        line = []
        for step in range(min(group, scores.shape[axis] - first[axis])):
            entry = list(first)
            entry[axis] += step
            line.append(tuple(entry))
        ranked = sorted((e for e in line if alive[e]), key=lambda e: -scores[e])
        for entry in ranked[:keep]:
            expected[entry] = True
    found = NOfM(keep, group, axis).protected(
        scores.ravel(), alive.ravel(), scores.shape
    )
    np.testing.assert_array_equal(found.reshape(scores.shape), expected)


def test_groups_run_along_the_input_axis():
    # A dense kernel of 4 inputs and 2 outputs: two of each column.
    scores = np.array([[1, 8], [2, 7], [3, 6], [4, 5]], float)
    found = NOfM(2, 4).protected(scores.ravel(), scores.ravel() > 0, (4, 2))
    expected = [[0, 1], [0, 1], [1, 0], [1, 0]]
    np.testing.assert_array_equal(found.reshape(4, 2), expected)


def test_of_equal_scores_the_lower_index_stays_also_when_infinite():
    for value in (1.0, np.inf, -np.inf):
        scores = np.full(4, value)
        alive = np.array([False, True, True, True])
        found = NOfM(2, 4, axis=0).protected(scores, alive, (4,))
        assert found.tolist() == [False, True, True, False]


def test_a_short_last_group_keeps_as_many():
    # Five in groups of three: [1 2 3] keeps two, [4 5] keeps both.
    scores = np.arange(1.0, 6.0)
    found = NOfM(2, 3, axis=0).protected(scores, scores > 0, (5,))
    assert found.tolist() == [False, True, True, True, True]


def test_average_and_max_pick_different_blocks():
    scores = np.array([[3.0, 3.0, 5.0, 0.0]])
    average, _ = Block(1, 2).pool(scores, scores >= 0)
    largest, _ = Block(1, 2, "max").pool(scores, scores >= 0)
    assert average.tolist() == [3.0, 2.5]
    assert largest.tolist() == [3.0, 5.0]


def test_a_channel_keeps_the_sign_of_its_scores():
    # A criterion of negative scores: the channel of -1 is the better one.
    scores = np.array([[-1.0, -5.0]])
    assert Channel().pool(scores, scores < 0)[0].tolist() == [-1.0, -5.0]


@pytest.mark.parametrize("structure", MEMBERS, ids=repr)
def test_a_nan_of_a_living_entry_shows_and_of_a_dead_one_does_not(structure):
    scores = np.ones((4, 6))
    scores[1, 2] = np.nan
    alive = np.ones((4, 6), bool)
    found, living = structure.pool(scores, alive)
    assert np.isnan(found[living]).sum() == 1
    alive[1, 2] = False
    found, living = structure.pool(scores, alive)
    assert not np.isnan(found[living]).any()


@pytest.mark.parametrize("structure", MEMBERS, ids=repr)
def test_empty_tensors_have_no_living_units(structure):
    for shape in ((0, 3), (3, 0), (2, 0, 3)):
        found, living = structure.pool(np.zeros(shape), np.zeros(shape, bool))
        assert not living.any()
        assert structure.expand(living, shape).shape == shape
        kept = structure.protected(found, living, shape)
        assert kept is None or not kept.any()


@pytest.mark.parametrize("structure", MEMBERS, ids=repr)
def test_a_structure_survives_the_round_trip(structure):
    stored = json.loads(json.dumps(structures.serialize(structure)))
    assert structures.get(stored) == structure
    assert type(structure).from_config(structure.get_config()) == structure


@pytest.mark.parametrize(
    ("structure", "shape"),
    [
        (Block(1, 4), (8,)),
        (NOfM(2, 4), (8,)),
        (NOfM(2, 4, axis=2), (8, 8)),
        (Channel(axis=-3), (8, 8)),
        (Channel(), ()),
    ],
)
def test_a_tensor_without_the_axes_is_named(structure, shape):
    with pytest.raises(ValueError, match="`fc/bias` must have at least"):
        structure.check_shape("fc/bias", shape)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Block(0, 4), ValueError, "`height` must be a positive .*=0"),
        (lambda: Block(1, 2.0), TypeError, "`width` must be a positive .*=2.0"),
        (lambda: Block(1, 4, "AVG"), ValueError, "`pooling` is not .*'AVG'"),
        (
            lambda: NOfM(3, 2),
            ValueError,
            "`keep` must not exceed.*not of zeros",
        ),
        (lambda: NOfM(0, 2), ValueError, "`keep` must be a positive .*=0"),
        (lambda: NOfM(1, 2, None), TypeError, "`axis` must be an integer"),
        (lambda: Channel(True), TypeError, "`axis` must be an integer.*=True"),
    ],
)
def test_a_wrong_argument_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
