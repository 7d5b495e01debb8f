import shlex
import subprocess
import sys

import pytest
import stand_in

from tflottery.cli import main


@pytest.fixture
def run_dir(tmp_path):
    return stand_in.write_run(tmp_path / "run")


@pytest.fixture
def find_ticket(monkeypatch):
    return stand_in.replace_search(monkeypatch)


def test_an_unknown_command_is_refused_with_the_nearest(capsys):
    assert main.run(["reprot"]) == 2
    error = capsys.readouterr().err
    assert "Did you mean 'report'" in error
    assert "Valid names: 'find', 'controls', 'analyse', 'report'" in error


def test_no_command_is_an_error_that_shows_the_overview(capsys):
    assert main.run([]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "Commands:" in streams.err


def test_the_version_is_told(capsys, monkeypatch):
    monkeypatch.setattr(main.metadata, "version", {"tflottery": "1.2"}.get)
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out == "tflottery 1.2\n"


def test_a_source_tree_without_a_version_says_so(capsys, monkeypatch):
    def version(name):
        raise main.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(main.metadata, "version", version)
    assert main.run(["--version"]) == 0
    assert "not installed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--stepz=3", "Did you mean '--steps'"),
        ("--steps=abc", "`--steps` must be an integer"),
        ("--steps=0", "`steps` must be a positive integer. Received: steps=0"),
        ("--recipe=mnist1d", "Did you mean 'mnist1d_mlp'"),
        ("--prune_fraction=1.2", "must be in [0, 1). Received:"),
        ("--rewind_to=5days", "5days"),
        ("--flagfile=no/such/file", "no/such/file"),
    ],
)
def test_a_wrong_setting_is_one_message_and_code_2(flag, message, capsys):
    assert main.run(["find", flag]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("tflottery find: ")
    assert message in streams.err
    assert streams.err.count("\n") == 1


class _Diverged(ArithmeticError):
    __module__ = "tflottery.lottery.training"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("`run_dir` is in use."), 2),
        (TypeError("`hiden` is no option. Received: hiden=3."), 2),
        (OSError(28, "No space left on device"), 1),
        (_Diverged("The loss is no number."), 1),
        (ImportError("TFDS is missing. Run `pip install it`."), 1),
    ],
)
def test_errors_of_the_search_are_one_message(
    error, code, find_ticket, run_dir, capsys
):
    find_ticket.error = error
    assert main.run(["find", f"--run_dir={run_dir}"]) == code
    streams = capsys.readouterr()
    assert streams.err.splitlines()[-1] == f"tflottery find: {error}"
    assert "Traceback" not in streams.err


def test_a_bug_is_not_hidden(find_ticket, run_dir):
    find_ticket.error = KeyError("a bug")
    with pytest.raises(KeyError, match="a bug"):
        main.run(["find", f"--run_dir={run_dir}"])


def test_a_traceback_is_shown_on_request(find_ticket, run_dir):
    find_ticket.error = ValueError("a bad value")
    with pytest.raises(ValueError, match="a bad value"):
        main.run(["find", f"--run_dir={run_dir}", "--traceback"])


def test_ctrl_c_says_how_to_go_on(find_ticket, run_dir, capsys):
    find_ticket.error = KeyboardInterrupt()
    line = ["find", f"--run_dir={run_dir}", '--model_options={"hidden": [8]}']
    assert main.run(line) == 130
    last = capsys.readouterr().err.splitlines()[-1]
    # What is printed can be pasted into a shell as it is.
    assert shlex.split(last) == ["tflottery", *line]


@pytest.mark.parametrize("module", ["tflottery", "tflottery.cli.main"])
def test_the_module_runs_and_its_exit_code_is_the_programs(module):
    done = subprocess.run(
        [sys.executable, "-m", module, "fnid"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "Did you mean 'find'" in done.stderr
