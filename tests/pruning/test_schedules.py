"""Schedules: densities by hand, and what no schedule may do."""

import json

import pytest

from tflottery.pruning import schedules
from tflottery.pruning.schedules import (
    Constant,
    Geometric,
    OneShot,
    Polynomial,
)

MEMBERS = [
    Geometric(0.2),
    Geometric(0.0),
    OneShot(0.9),
    Constant(0.5),
    Polynomial(0.1, 0.9, 10),
    Polynomial(0.0, 0.5, 3, power=1),
]


def test_every_name_is_tested():
    assert {member.name for member in MEMBERS} == set(schedules.names())


@pytest.mark.parametrize("schedule", MEMBERS, ids=repr)
def test_densities_never_rise_nor_leave_their_range(schedule):
    found = [schedule.density(r) for r in range(30)]
    assert all(0 < density <= 1 for density in found)
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("schedule", MEMBERS, ids=repr)
def test_a_schedule_survives_the_round_trip(schedule):
    stored = json.loads(json.dumps(schedules.serialize(schedule)))
    assert schedules.get(stored) == schedule
    assert type(schedule).from_config(schedule.get_config()) == schedule


@pytest.mark.parametrize("schedule", MEMBERS, ids=repr)
@pytest.mark.parametrize(
    ("round", "error"), [(-1, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_a_round_is_a_number_from_zero(schedule, round, error):
    with pytest.raises(error, match="`round` must be a non-negative integer"):
        schedule.density(round)


def test_geometric_takes_the_share_of_the_survivors():
    assert [Geometric(0.5).density(r) for r in range(4)] == [
        1,
        0.5,
        0.25,
        0.125,
    ]
    assert Geometric(0.2).density(10) == 0.8**10


def test_fraction_zero_is_dense_for_ever():
    assert {Geometric(0.0).density(r) for r in range(20)} == {1.0}


def test_one_shot_starts_dense_and_constant_does_not():
    assert [OneShot(0.75).density(r) for r in range(3)] == [1, 0.25, 0.25]
    assert [Constant(0.75).density(r) for r in range(3)] == [0.25] * 3


def test_polynomial_follows_the_cubic_law():
    # Sparsity 0.8 - 0.8 (1 - r/4)^3: 0, 0.4625, 0.7, 0.7875, 0.8, 0.8.
    schedule = Polynomial(0.0, 0.8, 4)
    found = [1 - schedule.density(r) for r in range(6)]
    assert found == pytest.approx([0, 0.4625, 0.7, 0.7875, 0.8, 0.8], abs=1e-12)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Geometric(1.0), "`prune_fraction` must be in .*=1.0.*a fifth"),
        (lambda: Geometric(-0.1), "`prune_fraction` must be in .*=-0.1"),
        (lambda: OneShot(1.0), "`sparsity` must be in .*=1.0.*80 percent"),
        (lambda: Constant(80), "`sparsity` must be in .*=80"),
        (lambda: Polynomial(0.5, 0.4, 3), "`final_sparsity` must not be below"),
        (lambda: Polynomial(0, 1, 3), "`final_sparsity` must be in .*=1"),
        (lambda: Polynomial(0, 0.5, 0), "`rounds` must be a positive .*=0"),
        (lambda: Polynomial(0, 0.5, 3, power=0), "`power` must be above 0"),
    ],
)
def test_a_wrong_argument_is_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_a_fraction_of_another_type_is_refused():
    with pytest.raises(TypeError, match="`prune_fraction` must be a number"):
        Geometric("0.2")
