"""Criteria: scores by hand, evidence that is missing, round trips."""

import dataclasses
import json

import ml_dtypes
import numpy as np
import pytest

from tflottery.pruning import criteria
from tflottery.pruning.criteria import Criterion, Evidence

EVIDENCE = Evidence(
    weights={"a": np.float32([1, -3, 0.5]), "b": np.float32([[2], [-2]])},
    initial={"a": np.float32([-2, -1, 0.25]), "b": np.float32([[2], [1]])},
    gradients={"a": np.float32([3, 1, -4]), "b": np.float32([[0], [1]])},
    hessian_gradients={
        "a": np.float32([3, 1, -4]),
        "b": np.float32([[0], [1]]),
    },
    flow_gradients={"a": np.float32([3, 1, 4]), "b": np.float32([[0], [1]])},
)

# name: scores of "a" and "b" from the numbers above
SCORES = {
    "magnitude": ([1, 3, 0.5], [2, 2]),
    "large_final": ([1, 3, 0.5], [2, 2]),
    "small_final": ([-1, -3, -0.5], [-2, -2]),
    "large_init": ([2, 1, 0.25], [2, 1]),
    "small_init": ([-2, -1, -0.25], [-2, -1]),
    "large_init_large_final": ([1, 1, 0.25], [2, 1]),
    "small_init_small_final": ([-2, -3, -0.5], [-2, -2]),
    "magnitude_increase": ([-1, 2, 0.25], [0, 1]),
    "movement": ([3, 2, 0.25], [0, 3]),
    "snip": ([3, 3, 2], [0, 2]),
    "grasp": ([3, -3, -2], [0, -2]),
    "synflow": ([3, 3, 2], [0, 2]),
}


def make(name):
    if name == "random":
        return criteria.RandomCriterion(seed=3)
    return criteria.get(name)


def test_every_name_is_tested():
    assert set(criteria.names()) == {*SCORES, "random"}


@pytest.mark.parametrize("name", SCORES)
def test_scores_are_those_of_the_formula(name):
    scores = criteria.get(name).scores(EVIDENCE)
    assert list(scores) == ["a", "b"]
    np.testing.assert_array_equal(scores["a"], SCORES[name][0])
    np.testing.assert_array_equal(scores["b"].ravel(), SCORES[name][1])
    assert scores["b"].shape == (2, 1)


@pytest.mark.parametrize("name", criteria.names())
def test_a_criterion_needs_what_it_requires_and_nothing_else(name):
    criterion = make(name)
    every = {f.name for f in dataclasses.fields(Evidence)}
    assert criterion.requires <= every
    known = {n: getattr(EVIDENCE, n) for n in criterion.requires}
    criterion.scores(Evidence(**known))
    for missing in criterion.requires - {"weights"}:
        fewer = {**known, missing: None}
        text = f"`{missing}` for the criterion '{criterion.name}'"
        with pytest.raises(ValueError, match=text):
            criterion.scores(Evidence(**fewer))


@pytest.mark.parametrize("name", criteria.names())
def test_the_evidence_is_not_changed(name):
    before = {
        f.name: {p: a.copy() for p, a in getattr(EVIDENCE, f.name).items()}
        for f in dataclasses.fields(Evidence)
    }
    make(name).scores(EVIDENCE)
    for field, arrays in before.items():
        for path, array in arrays.items():
            np.testing.assert_array_equal(getattr(EVIDENCE, field)[path], array)


@pytest.mark.parametrize("name", criteria.names())
def test_a_criterion_survives_the_round_trip(name):
    criterion = make(name)
    stored = json.loads(json.dumps(criteria.serialize(criterion)))
    assert criteria.get(stored) == criterion
    again = type(criterion).from_config(criterion.get_config())
    assert again == criterion
    assert criteria.get(criterion) is criterion


def test_products_do_not_underflow():
    # 1e-30 squared is 1e-60: zero in float32, a number in float64.
    tiny = {"a": np.float32([1e-30, 2e-30])}
    scores = criteria.Snip().scores(Evidence(tiny, gradients=tiny))["a"]
    assert 0 < scores[0] < scores[1]


def test_magnitudes_stay_in_float32():
    assert criteria.Magnitude().scores(EVIDENCE)["a"].dtype == np.float32


@pytest.mark.parametrize(
    ("dtype", "scored"),
    [
        (np.float16, np.float32),
        (ml_dtypes.bfloat16, np.float32),
        (np.int32, np.float64),
        (np.uint8, np.float64),
        (">f4", np.float32),
    ],
)
def test_other_numbers_are_widened(dtype, scored):
    weights = {"a": np.array([1, 0, 3]).astype(dtype)}
    scores = criteria.SmallFinal().scores(Evidence(weights))["a"]
    assert scores.dtype == scored
    assert scores.tolist() == [-1.0, 0.0, -3.0]


@pytest.mark.parametrize("array", [np.array(["x"]), np.array([1j]), [None]])
def test_what_is_no_number_is_refused(array):
    with pytest.raises(TypeError, match="`weights` of `a` must hold real"):
        criteria.Magnitude().scores(Evidence({"a": array}))


def test_evidence_of_another_model_is_refused():
    short = Evidence({"a": np.ones(2)}, initial={"a": np.ones(3)})
    with pytest.raises(ValueError, match=r"`initial` of `a` has .*\(3,\).*\(2"):
        criteria.Movement().scores(short)
    other = Evidence({"a": np.ones(2)}, initial={"b": np.ones(2)})
    with pytest.raises(ValueError, match="`initial` lacks `a`. Received.*`b`"):
        criteria.Movement().scores(other)


def test_lots_depend_on_seed_and_path_alone():
    zeros = {"a": np.zeros(50), "b": np.zeros(50)}
    first = criteria.RandomCriterion(seed=1).scores(Evidence(zeros))
    mixed = {"c": np.zeros(3), "b": np.zeros(50), "a": np.zeros(50)}
    again = criteria.RandomCriterion(seed=1).scores(Evidence(mixed))
    other = criteria.RandomCriterion(seed=2).scores(Evidence(zeros))
    for path in zeros:
        np.testing.assert_array_equal(first[path], again[path])
        assert not np.any(first[path] == other[path])
    assert not np.any(first["a"] == first["b"])


def test_lots_never_change():
    # Frozen: another value would change every control that was ever run.
    found = criteria.RandomCriterion(seed=0).scores(
        Evidence({"fc1/kernel": np.zeros(3)})
    )
    np.testing.assert_array_equal(
        found["fc1/kernel"],
        [0.24908304166997508, 0.8102157186973662, 0.5861100624721438],
    )


def test_random_by_name_asks_for_a_seed():
    with pytest.raises(ValueError, match=r"RandomCriterion\(seed=\.\.\.\)"):
        criteria.get("random")
    with pytest.raises(TypeError, match="`seed` must be an integer"):
        criteria.RandomCriterion(seed=0.5)


def test_a_criterion_of_ones_own_can_be_used_and_registered():
    class Signed(Criterion):
        name = "signed_for_this_test"

        def scores(self, evidence):
            return dict(evidence.select(self.name, "weights"))

    assert isinstance(criteria.get(Signed()), Signed)
    with pytest.raises(ValueError, match="Decorate Signed with `register`"):
        criteria.serialize(Signed())
    try:
        assert criteria.register(Signed) is Signed
        assert criteria.serialize(Signed()) == "signed_for_this_test"
        assert isinstance(criteria.get("signed_for_this_test"), Signed)
    finally:
        criteria.criterion_registry._classes.pop("signed_for_this_test", None)
