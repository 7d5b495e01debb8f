"""Tests of `Step`: reading, counting, ordering, printing."""

from __future__ import annotations

import dataclasses
import operator

import numpy as np
import pytest

from tflottery.core.step import Step


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("500it", 500, "it"),
        ("0it", 0, "it"),
        (500, 500, "it"),
        (np.int64(500), 500, "it"),
        ("500", 500, "it"),
        ("2ep", 2, "ep"),
        ("0.5ep", 0.5, "ep"),
        ("2%", 2, "%"),
        ("0.5%", 0.5, "%"),
        (".5%", 0.5, "%"),
        ("2.0%", 2, "%"),
        (" 2 % ", 2, "%"),
        ("100%", 100, "%"),
    ],
)
def test_texts_and_integers_are_read(text, amount, unit):
    assert Step.parse(text) == Step(amount, unit)


def test_a_step_is_read_as_itself():
    step = Step(2, "ep")
    assert Step.parse(step) is step


@pytest.mark.parametrize(
    "text", ["", "it", "-1it", "2 epochs", "1e3it", "2%%", "1_000", "nan%", "٣"]
)
def test_other_texts_are_refused_with_examples(text):
    with pytest.raises(ValueError) as error:
        Step.parse(text)
    assert f"Received: {text!r}" in str(error.value)
    assert "'500it'" in str(error.value)


@pytest.mark.parametrize("value", [0.02, None, True, b"2%"])
def test_other_types_are_refused(value):
    with pytest.raises(TypeError, match="integer, a text or a `Step`"):
        Step.parse(value)


@pytest.mark.parametrize(
    ("amount", "unit", "message"),
    [
        (-1, "it", "at least 0.*amount=-1"),
        (1.5, "it", "must be an integer when it counts optimizer steps"),
        (101, "%", r"in \[0, 100\] when it is a percentage.*amount=101"),
        (float("nan"), "ep", "must be finite"),
        (float("inf"), "it", "must be finite"),
        (2, "epochs", "`unit` is not a known name.*Did you mean|'it'"),
    ],
)
def test_amounts_and_units_out_of_range_are_refused(amount, unit, message):
    with pytest.raises(ValueError, match=message):
        Step(amount, unit)


def test_an_amount_of_another_type_is_refused():
    with pytest.raises(TypeError, match="`amount` must be a number.*'2'"):
        Step("2", "it")


@pytest.mark.parametrize(
    ("text", "lengths", "steps"),
    [
        ("500it", {}, 500),
        ("0%", {"total_steps": 27_500}, 0),
        ("2%", {"total_steps": 27_500}, 550),
        ("100%", {"total_steps": 27_500}, 27_500),
        ("2ep", {"steps_per_epoch": 430}, 860),
        # Halves go to the even number: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2.
        ("0.5ep", {"steps_per_epoch": 1}, 0),
        ("0.5ep", {"steps_per_epoch": 3}, 2),
        ("0.5ep", {"steps_per_epoch": 5}, 2),
        # Exactly 3.5, which binary floats miss: 0.35 / 100 * 1000 < 3.5.
        ("0.35%", {"total_steps": 1000}, 4),
        # Exactly 4.5, which binary floats overshoot: 0.45 / 100 * 1000 > 4.5.
        ("0.45%", {"total_steps": 1000}, 4),
        ("0.00001%", {"total_steps": 10_000_000}, 1),
    ],
)
def test_steps_are_counted_and_rounded_half_to_even(text, lengths, steps):
    result = Step.parse(text).to_steps(**lengths)
    assert result == steps
    assert type(result) is int


@pytest.mark.parametrize(
    ("text", "given", "missing"),
    [
        ("2ep", {"total_steps": 100}, "steps_per_epoch"),
        ("2%", {"steps_per_epoch": 100}, "total_steps"),
    ],
)
def test_the_missing_length_is_named(text, given, missing):
    with pytest.raises(ValueError) as error:
        Step.parse(text).to_steps(**given)
    message = str(error.value)
    assert f"`{missing}` is needed to turn '{text}' into" in message
    assert f"Received: {missing}=None" in message


def test_an_empty_epoch_is_refused():
    with pytest.raises(
        ValueError, match="`steps_per_epoch` must be a positive"
    ):
        Step.parse("1ep").to_steps(steps_per_epoch=0)


@pytest.mark.parametrize("unit", ["it", "ep", "%"])
def test_steps_of_one_unit_are_ordered(unit):
    low, high = Step(1, unit), Step(2, unit)
    assert low < high
    assert low <= high
    assert high > low
    assert high >= low
    assert low <= Step(1, unit)
    assert not low < Step(1, unit)
    assert low != high
    # Ten is more than two, though its text sorts before.
    assert Step(2, unit) < Step(10, unit)


@pytest.mark.parametrize("compare", ["__lt__", "__le__", "__gt__", "__ge__"])
def test_different_units_are_not_ordered(compare):
    with pytest.raises(ValueError) as error:
        getattr(operator, compare)(Step(1, "it"), Step(1, "ep"))
    assert "different units cannot be ordered" in str(error.value)
    assert "'1it'" in str(error.value)
    assert "'1ep'" in str(error.value)
    assert "to_steps" in str(error.value)


def test_different_units_are_merely_unequal():
    # Otherwise a set or a list that holds both could not be searched.
    assert Step(1, "it") != Step(1, "ep")
    assert Step(1, "%") not in [Step(1, "it"), Step(1, "ep")]


def test_a_step_is_not_ordered_with_a_number():
    with pytest.raises(TypeError, match="not supported"):
        Step(1, "it") < 2  # noqa: B015


@pytest.mark.parametrize(
    "text", ["500it", "2ep", "0.5ep", "2%", "0.5%", "0.00001%", "0it"]
)
def test_the_text_round_trips(text):
    assert str(Step.parse(text)) == text
    assert Step.parse(str(Step.parse(text))) == Step.parse(text)


def test_equal_steps_have_one_hash_and_one_text():
    assert {Step.parse("2.0ep"), Step(2, "ep"), Step(2.0, "ep")} == {
        Step(2, "ep")
    }
    assert str(Step(2.0, "ep")) == "2ep"


def test_a_step_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Step(2, "ep").amount = 3
