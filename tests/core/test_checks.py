"""Tests of the argument checks: what passes, and what the refusals say."""

from __future__ import annotations

import numpy as np
import pytest

from tflottery.core import checks

WHAT = "It is a share; use 0.2 for a fifth."


@pytest.mark.parametrize("value", [0, 0.0, 0.5, np.float32(0.25)])
def test_a_fraction_comes_back_as_a_float(value):
    result = checks.check_fraction("share", value, what=WHAT)
    assert result == value
    assert type(result) is float


@pytest.mark.parametrize("value", [1.0, 1.2, -1e-9, float("nan"), np.inf])
def test_a_fraction_outside_the_interval_is_refused(value):
    with pytest.raises(ValueError) as error:
        checks.check_fraction("share", value, what=WHAT)
    assert str(error.value) == (
        f"`share` must be in [0, 1). Received: share={value!r}. {WHAT}"
    )


def test_one_is_a_fraction_only_on_request():
    closed = checks.check_fraction("share", 1, what=WHAT, closed_right=True)
    assert closed == 1.0
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]\. Received"):
        checks.check_fraction("share", 1.5, what=WHAT, closed_right=True)


@pytest.mark.parametrize("value", [True, "0.2", None, [0.2]])
def test_a_fraction_of_another_type_is_refused(value):
    with pytest.raises(TypeError, match=r"`share` must be a number .* fifth"):
        checks.check_fraction("share", value, what=WHAT)


def test_a_finite_number_passes_and_others_do_not():
    assert checks.check_finite("power", 3) == 3.0
    with pytest.raises(ValueError, match="`power` must be finite.*power=inf"):
        checks.check_finite("power", float("inf"))
    with pytest.raises(TypeError, match="`power` must be a number.*'3'"):
        checks.check_finite("power", "3")


@pytest.mark.parametrize("value", [1, 7, np.int64(3)])
def test_positive_integers_come_back_as_python_ints(value):
    result = checks.check_positive_int("rounds", value)
    assert result == value
    assert type(result) is int


@pytest.mark.parametrize(
    ("check", "value", "adjective"),
    [
        (checks.check_positive_int, 0, "positive"),
        (checks.check_positive_int, -2, "positive"),
        (checks.check_non_negative_int, -1, "non-negative"),
    ],
)
def test_integers_that_are_too_small_are_refused(check, value, adjective):
    with pytest.raises(ValueError) as error:
        check("rounds", value, what="Use 10 for ten.")
    assert str(error.value) == (
        f"`rounds` must be a {adjective} integer. Received: rounds={value}. "
        "Use 10 for ten."
    )


@pytest.mark.parametrize("value", [1.0, True, "1", None])
def test_what_is_no_integer_is_refused_by_type(value):
    with pytest.raises(TypeError, match="`rounds` must be a positive integer"):
        checks.check_positive_int("rounds", value)


def test_zero_is_not_negative():
    assert checks.check_non_negative_int("first_step", 0) == 0


def test_an_unknown_name_is_answered_with_the_nearest_and_all_names():
    names = ("global", "layerwise", "erk")
    with pytest.raises(ValueError) as error:
        checks.check_choice(
            "scope", "LAYERWISE", names, way_out="See the glossary."
        )
    assert str(error.value) == (
        "`scope` is not a known name. Received: scope='LAYERWISE'. Did you "
        "mean 'layerwise'? Valid names: 'global', 'layerwise', 'erk'. See the "
        "glossary."
    )


def test_a_name_like_none_of_the_valid_ones_gets_no_guess():
    with pytest.raises(ValueError) as error:
        checks.check_choice("scope", "xyz", ("global",))
    assert "Did you mean" not in str(error.value)
    assert "Valid names: 'global'." in str(error.value)


def test_a_valid_name_passes_and_another_type_does_not():
    assert checks.check_choice("scope", "erk", iter(["global", "erk"])) == "erk"
    with pytest.raises(TypeError, match="`scope` must be a name.*scope=3"):
        checks.check_choice("scope", 3, ("global",))


def test_an_instance_passes_and_another_type_is_named():
    assert checks.check_instance("path", "a", (str, bytes)) == "a"
    with pytest.raises(TypeError) as error:
        checks.check_instance("path", 3, (str, bytes), what="Pass a name.")
    assert str(error.value) == (
        "`path` must be of type str or bytes. Received: path=3 of type int. "
        "Pass a name."
    )
