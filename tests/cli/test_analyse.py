"""`tflottery analyse`: what it passes on, and what it prints."""

import pytest

from tflottery import analysis
from tflottery.cli import commands, main


@pytest.fixture
def calls(monkeypatch):
    """The calls of `analyse`, which is replaced."""
    noted = []

    def analyse(run_dir, **arguments):
        noted.append((run_dir, arguments))
        arguments["note"]("movement")
        return analysis.Analysis(
            paths={"movement": f"{run_dir}/analysis/movement.csv"},
            tables={"movement": []},
            lacks=["There is no line. Run `tflottery controls`."],
            text="the main numbers",
        )

    monkeypatch.setattr(analysis, "analyse", analyse)
    return noted


def test_a_folder_is_all_it_needs(calls, capsys):
    assert main.run(["analyse", "--run_dir=runs/first"]) == 0
    ((run_dir, arguments),) = calls
    assert run_dir == "runs/first"
    arguments.pop("note")
    assert arguments == {
        "parts": None,
        "rounds": None,
        "alphas": 30,
        "train_examples": 10_000,
        "data_dir": None,
    }
    streams = capsys.readouterr()
    assert streams.err == "Looking at movement.\n"
    parts = ("the main numbers", "no line", "runs/first/analysis/movement.csv")
    places = [streams.out.index(part) for part in parts]
    assert places == sorted(places)


def test_flags_and_a_word_are_passed_on(calls):
    line = ["analyse", "runs/first", "--part=overlap,movement", "--round=7,12"]
    line += ["--alphas=5", "--train_examples=100", "--data_dir=sets"]
    assert main.run(line) == 0
    ((run_dir, arguments),) = calls
    assert run_dir == "runs/first"
    assert arguments["parts"] == ["overlap", "movement"]
    assert arguments["rounds"] == [7, 12]
    assert (arguments["alphas"], arguments["train_examples"]) == (5, 100)
    assert arguments["data_dir"] == "sets"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "takes the folder of one search"),
        (["a", "b"], "takes the folder of one search"),
        (["a", "--run_dir=b"], "takes the folder of one search"),
        (["--run_dir=a", "--run_dir=b"], "`--run_dir` must be given once"),
        (["a", "--round=x"], "`--round` must be numbers"),
        (["a", "--alphas=many"], "`--alphas` must be an integer"),
        (["no/such/folder"], "must be the folder of a search"),
        (["a", "--part=stabilty"], "Did you mean 'stability'"),
    ],
)
def test_a_wrong_line_is_one_message_and_code_2(line, message, capsys):
    assert main.run(["analyse", *line]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tflottery analyse: ")
    assert message in error


def test_the_help_names_every_part_and_flag(capsys):
    assert main.run(["analyse", "--help"]) == 0
    text = capsys.readouterr().out
    from tflottery.analysis import run_analysis

    for part in run_analysis.PARTS:
        assert f"\n  {part}" in text
    for name in commands.COMMANDS["analyse"].flags():
        assert f"--{name}" in text or f"--[no]{name}" in text
