"""`tflottery controls`: what it passes on, what it refuses, what it shows."""

import pytest
import stand_in

import tflottery
from tflottery.cli import main, progress
from tflottery.core import documents
from tflottery.lottery.branches import registry


@pytest.fixture
def run_dir(tmp_path):
    run_dir = stand_in.write_run(tmp_path / "run")
    config = tflottery.SearchConfig(rounds=4)
    documents.write_json(run_dir / "config.json", {"config": config.to_dict()})
    return run_dir


@pytest.fixture
def run_controls(monkeypatch):
    from tflottery.lottery import controls

    calls = stand_in.Calls()
    monkeypatch.setattr(controls, "run_controls", calls.take)
    return calls


def test_controls_passes_everything_on(run_controls, run_dir):
    line = [
        "controls",
        f"--run_dir={run_dir}",
        "--branch=random_reinit, one_shot",
        "--round=1,3",
        "--draws=3",
        "--replicate=0",
        "--data_dir=sets",
    ]
    assert main.run(line) == 0
    (call,) = run_controls
    assert call["run_dir"] == str(run_dir)
    assert call["branches"] == ["random_reinit", "one_shot"]
    assert (call["rounds"], call["draws"]) == ([1, 3], 3)
    assert (call["replicates"], call["data_dir"]) == ([0], "sets")
    assert isinstance(call["progress"], progress.LogProgress)


def test_the_controls_of_the_paper_are_the_default(run_controls, run_dir):
    assert main.run(["controls", str(run_dir)]) == 0
    (call,) = run_controls
    assert call["branches"] == ["random_reinit", "random_ticket"]
    assert (call["rounds"], call["draws"]) == (None, 1)


def test_controls_ends_with_a_report(run_controls, run_dir, capsys):
    assert main.run(["controls", str(run_dir)]) == 0
    assert f"{run_dir}/report.html" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "takes the folder of one search"),
        (["a", "b"], "takes the folder of one search"),
        (["--run_dir=a", "b"], "takes the folder of one search"),
        (["--run_dir=nowhere"], "has no config.json"),
        (["--run_dir=RUN", "--branch=random"], "Did you mean"),
        (["--run_dir=RUN", "--round=9"], "`control_rounds` must be rounds"),
        (["--run_dir=RUN", "--round=x"], "`--round` must be numbers"),
        (["--run_dir=RUN", "--draws=1,2"], "`--draws` must be one number"),
        (["--run_dir=RUN", "--draws=0"], "`draws` must be"),
        (["--run_dir=RUN", "--round=1", "--round=2"], "must be given once"),
    ],
)
def test_a_wrong_command_line_is_one_message(
    arguments, words, run_dir, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    line = [text.replace("RUN", str(run_dir)) for text in arguments]
    assert main.run(["controls", *line]) == 2
    assert words in capsys.readouterr().err


def test_help_names_every_control(capsys):
    assert main.run(["controls", "--help"]) == 0
    text = capsys.readouterr().out
    for name in registry.names():
        assert f"\n  {name}" in text
        assert registry.get(name).description.split()[0] in text


def test_find_runs_controls_too(monkeypatch, run_dir):
    calls = stand_in.replace_search(monkeypatch)
    line = ["--branch=ticket,snip", "--draws=2", "--control_rounds=1,2"]
    assert main.run(["find", f"--run_dir={run_dir}", *line]) == 0
    (call,) = calls
    assert call["branches"] == ["ticket", "snip"]
    assert (call["draws"], call["control_rounds"]) == (2, [1, 2])
