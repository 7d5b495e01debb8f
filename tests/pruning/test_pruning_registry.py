"""The registry: what it takes, what it refuses, for all three families."""

import pytest

from tflottery.pruning import criteria, schedules, structures

FAMILIES = pytest.mark.parametrize(
    ("family", "argument", "name", "near"),
    [
        (criteria, "criterion", "magnitud", "magnitude"),
        (structures, "structure", "blocks", "block"),
        (schedules, "schedule", "one-shot", "one_shot"),
    ],
)


@FAMILIES
def test_an_unknown_name_shows_the_nearest_and_all(
    family, argument, name, near
):
    with pytest.raises(ValueError) as caught:
        family.get(name)
    text = str(caught.value)
    assert f"Received: {argument}='{name}'" in text
    assert f"Did you mean '{near}'" in text
    assert all(repr(known) in text for known in family.names())
    assert "`register`" in text


@FAMILIES
def test_what_is_neither_name_nor_config_is_refused(
    family, argument, name, near
):
    with pytest.raises(TypeError, match=f"`{argument}` must be a name.*=3 of"):
        family.get(3)
    with pytest.raises(TypeError, match=f"`{argument}` must be of type"):
        family.serialize("x")


@FAMILIES
def test_a_config_of_another_form_is_refused(family, argument, name, near):
    with pytest.raises(ValueError, match="keys 'name' and 'config'"):
        family.get({"class_name": near})


@FAMILIES
def test_a_taken_name_is_refused(family, argument, name, near):
    taken = type(family.get(_instance(family)))
    with pytest.raises(ValueError, match="`name` is taken"):
        family.register(taken)
    with pytest.raises(TypeError, match="`cls` must be a subclass"):
        family.register(int)


def _instance(family):
    return {
        criteria: criteria.Magnitude(),
        structures: structures.Channel(),
        schedules: schedules.OneShot(0.5),
    }[family]


def test_a_name_that_needs_arguments_says_which():
    with pytest.raises(ValueError, match=r"Block\(height=\.\.\., width=\.\.\."):
        structures.get("block")
    with pytest.raises(ValueError, match=r"Geometric\(prune_fraction=\.\.\."):
        schedules.get("geometric")


def test_a_config_with_wrong_arguments_names_them():
    config = {"height": 2, "heigth": 2}
    with pytest.raises(ValueError, match="width is missing and heigth is unkn"):
        structures.get({"name": "block", "config": config})
