import dataclasses
from typing import Any

import pytest

from tflottery.cli import flags
from tflottery.lottery.config import SearchConfig


@dataclasses.dataclass(frozen=True)
class Config:
    """One field of every kind."""

    name: str = dataclasses.field(default="a", metadata={"help": "A name."})
    count: int = 3
    share: float = 0.5
    switch: bool = True
    table: dict[str, Any] = dataclasses.field(default_factory=dict)
    limit: int | None = None
    rate: float | None = 0.25


def _given(*arguments):
    values = flags.define_config_flags(Config)
    flags.parse(values, arguments)
    return flags.given(values, Config)


def test_nothing_given_is_nothing_overridden():
    assert _given() == {}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--name=mlp", {"name": "mlp"}),
        ("--name=", {"name": ""}),
        ("--count=-2", {"count": -2}),
        ("--share=1e-3", {"share": 1e-3}),
        ("--share=1", {"share": 1.0}),
        ("--switch=false", {"switch": False}),
        ("--noswitch", {"switch": False}),
        ("--switch", {"switch": True}),
        ('--table={"hidden": [20, 10]}', {"table": {"hidden": [20, 10]}}),
        ("--limit=5", {"limit": 5}),
        ("--limit=none", {"limit": None}),
        ("--rate=unset", {"rate": None}),
        ("--rate=0.5", {"rate": 0.5}),
    ],
)
def test_a_flag_takes_the_type_of_its_field(argument, expected):
    found = _given(argument)
    assert found == expected
    (value,), (wanted,) = found.values(), expected.values()
    assert type(value) is type(wanted)


def test_a_value_may_follow_as_a_word_of_its_own():
    assert _given("--count", "7", "--name", "mlp") == {
        "name": "mlp",
        "count": 7,
    }


def test_a_default_written_out_counts_as_given():
    assert _given("--count=3") == {"count": 3}


def test_the_last_of_two_counts():
    assert _given("--count=1", "--count=2") == {"count": 2}


def test_flags_stand_before_and_after_other_words():
    values = flags.define_config_flags(Config)
    assert flags.parse(values, ["one", "--count=1", "two"]) == ["one", "two"]
    assert values["count"].value == 1


def test_defaults_and_help_come_from_the_fields():
    values = flags.define_config_flags(Config)
    assert values["count"].default == 3
    assert values["table"].value == {}
    assert values["name"].help == "A name."


def test_flags_may_be_read_from_a_file(tmp_path):
    path = tmp_path / "flags"
    path.write_text("# a remark\n--count=8\n--noswitch\n")
    assert _given(f"--flagfile={path}") == {"count": 8, "switch": False}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--count=many", "`--count` must be an integer.* --count=many"),
        ("--count=1.5", "`--count` must be an integer"),
        ("--count=none", "`--count` must be an integer"),
        ("--limit=few", "`--limit` must be an integer.*, or none"),
        ("--share=half", "`--share` must be a number"),
        ("--switch=maybe", "`--switch` must be true or false"),
        ("--table=[1]", "`--table` must be a JSON object"),
        ("--table={1}", "`--table` must be a JSON object"),
        ("--cuont=1", "flag='--cuont'. Did you mean '--count'"),
        ("--count", "Missing value for flag --count"),
    ],
)
def test_a_wrong_flag_is_refused_in_words(argument, message):
    with pytest.raises(ValueError, match=message):
        _given(argument)


def test_a_field_of_an_unknown_type_is_refused():
    @dataclasses.dataclass
    class Odd:
        when: set[int] = dataclasses.field(default_factory=set)

    # Annotations of a local class are found only if they are types already.
    Odd.__annotations__ = {"when": set[int]}
    with pytest.raises(TypeError, match="must be one of str, int, .*set"):
        flags.define_config_flags(Odd)


def test_every_field_of_the_search_is_a_flag():
    values = flags.define_config_flags(SearchConfig)
    fields = dataclasses.fields(SearchConfig)
    assert {field.name for field in fields} == set(values)
    for field in fields:
        assert values[field.name].help
    assert values["steps"].value == SearchConfig().steps
