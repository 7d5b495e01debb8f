import dataclasses
import subprocess
import sys

import pytest
import stand_in

from tflottery.cli import commands, help, main
from tflottery.lottery import recipes
from tflottery.lottery.config import SearchConfig


@pytest.fixture
def run_dir(tmp_path):
    return stand_in.write_run(tmp_path / "run")


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def _help(capsys, *arguments):
    assert main.run([*arguments, "--help"]) == 0
    return capsys.readouterr().out


def test_the_overview_lists_every_command_and_no_other(capsys):
    text = _help(capsys)
    listed = text.split("Commands:\n")[1].split("\n\n")[0].splitlines()
    names = ["find", "controls", "analyse", "report", "export", "supermask"]
    assert [line.split()[0] for line in listed] == names
    assert list(commands.COMMANDS) == names


def test_the_help_of_find_is_complete(capsys):
    text = _help(capsys, "find")
    for field in dataclasses.fields(SearchConfig):
        name = (
            f"[no]{field.name}" if field.type.startswith("bool") else field.name
        )
        assert f"--{name}" in text
    for name in ("recipe", "run_dir", "data_dir", "help", "traceback"):
        assert f"--{name}" in text
    for name in recipes.names():
        assert recipes.get(name).description in " ".join(text.split())


def test_every_setting_has_a_group():
    grouped = [name for names in help.GROUPS.values() for name in names]
    fields = [field.name for field in dataclasses.fields(SearchConfig)]
    assert sorted(grouped) == sorted(fields)


def test_a_setting_without_a_group_is_still_listed():
    values = commands.COMMANDS["find"].flags()
    text = help.grouped_settings(values, {"steps": 5, "recipe": "mine"})
    assert "Other settings:\n  --recipe=NAME" in text
    assert "[mine]" in text


def test_help_shows_the_values_of_the_recipe_asked_for(capsys):
    plain = _help(capsys, "find")
    paper = _help(capsys, "find", "--recipe=lenet_300_100_mnist")
    steps = recipes.get("lenet_300_100_mnist").config.steps
    assert f"[{steps}]" in paper
    assert f"[{steps}]" not in plain


def test_the_help_of_report_is_complete(capsys):
    text = _help(capsys, "report")
    for name in ("run_dir", "help", "traceback"):
        assert f"--{name}" in text


def test_the_help_of_export_is_complete(capsys):
    text = _help(capsys, "export")
    flags = commands.COMMANDS["export"].flags()
    for name in set(flags) - set(help.SHARED):
        flag = flags[name]
        shown = f"[no]{name}" if flag.boolean else name
        assert f"  --{shown}" in text
        assert flag.help in " ".join(text.split())


@pytest.mark.parametrize("command", [[], ["find"], ["report"], ["export"]])
def test_help_fits_the_terminal(capsys, command):
    lines = _help(capsys, *command).splitlines()
    assert max(map(len, lines)) <= 80
    assert not any(line != line.rstrip() for line in lines)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unset"),
        (True, "true"),
        (0.0012, "0.0012"),
        ({"hidden": [3]}, '{"hidden": [3]}'),
    ],
)
def test_values_are_written_as_one_would_type_them(value, text):
    assert help.write_value(value) == text


def test_a_long_name_has_a_line_of_its_own():
    assert help.entry("a" * 9, "Text.", 9) == "  aaaaaaaaa\n           Text."


# What the console script does, from the first import on.
_PROBE = """
import sys
sys.argv = ["tflottery", *{arguments!r}]
from tflottery.cli import main
code = main.run()
heavy = {{"tensorflow", "keras", "tf_keras", "matplotlib", "rich"}}
print(sorted(heavy & set(sys.modules)))
sys.exit(code)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["find", "--help"],
        ["export", "--help"],
        ["export", "--run_dir=no/such/run", "--output=x.tflite"],
        ["fnd"],
    ],
)
def test_help_and_errors_load_nothing_heavy(arguments):
    code = _PROBE.format(arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == (0 if "--help" in arguments else 2)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_report_loads_neither_tensorflow_nor_keras(run_dir):
    code = _PROBE.format(arguments=["report", str(run_dir)])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['matplotlib']"
