import io
import os
import pathlib

import pytest
import stand_in

from tflottery.cli import commands, find, flags, main, progress
from tflottery.lottery import recipes


@pytest.fixture
def run_dir(tmp_path):
    return stand_in.write_run(tmp_path / "run")


@pytest.fixture
def find_ticket(monkeypatch):
    return stand_in.replace_search(monkeypatch)


def _config(*arguments):
    values = commands.COMMANDS["find"].flags()
    flags.parse(values, arguments)
    return find.search_config(values)


def test_the_default_is_the_first_recipe():
    assert _config() == recipes.get("mnist1d_mlp").config


def test_a_recipe_gives_every_field():
    paper = recipes.get("lenet_300_100_mnist").config
    assert _config("--recipe=lenet_300_100_mnist") == paper


def test_a_flag_overrides_the_recipe_wherever_it_stands():
    paper = recipes.get("lenet_300_100_mnist").config
    found = _config("--steps=2000", "--recipe=lenet_300_100_mnist")
    assert found == paper.replace(steps=2000)


def test_a_flag_overrides_the_recipe_with_a_default_of_the_config_too():
    # The paper prunes the output layer less; the config's default is unset.
    paper = recipes.get("lenet_300_100_mnist").config
    assert paper.output_prune_fraction is not None
    found = _config(
        "--recipe=lenet_300_100_mnist", "--output_prune_fraction=none"
    )
    assert found.output_prune_fraction is None


def test_json_fields_reach_the_config():
    found = _config('--model_options={"hidden": [20]}', "--nojit_compile")
    assert found.model_options == {"hidden": [20]}
    assert found.jit_compile is False


def test_find_passes_everything_on(find_ticket, run_dir):
    code = main.run(
        [
            "find",
            "--recipe=lenet_300_100_mnist",
            "--rounds=1",
            f"--run_dir={run_dir}",
            "--data_dir=sets",
        ]
    )
    assert code == 0
    (call,) = find_ticket
    assert call["config"] == recipes.get("lenet_300_100_mnist").config.replace(
        rounds=1
    )
    assert call["run_dir"] == str(run_dir)
    assert call["data_dir"] == "sets"
    assert isinstance(call["progress"], progress.LogProgress)


def test_find_ends_with_table_verdict_and_paths(find_ticket, run_dir, capsys):
    (run_dir / "tensorboard").mkdir()
    assert main.run(["find", f"--run_dir={run_dir}"]) == 0
    text = capsys.readouterr().out
    assert "    1    80.00         400" in text
    assert "Winning ticket: round 1 keeps 80.0%" in text
    for path in (
        "results.csv",
        "figures/density.png",
        "report.html",
        "tensorboard",
        "replicate_0/round_01/ticket",
    ):
        assert f"  {run_dir}/{path}\n" in text + "\n"
        assert (run_dir / path).exists()


def test_without_a_run_dir_the_digest_names_it(
    find_ticket, run_dir, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    digest = _config("--steps=500").digest()
    (tmp_path / "runs").mkdir()
    run_dir.rename(tmp_path / "runs" / digest)
    assert main.run(["find", "--steps=500"]) == 0
    assert find_ticket[0]["run_dir"] == f"runs/{digest}"
    assert f"Run directory: runs/{digest}\n" in capsys.readouterr().err


def test_find_refuses_other_words(capsys):
    assert main.run(["find", "runs/first"]) == 2
    assert "such as --run_dir=runs/first" in capsys.readouterr().err


@pytest.mark.parametrize(
    "write",
    [
        lambda a, b: [a, b],
        lambda a, b: [f"--run_dir={a},{b}"],
        lambda a, b: [f"--run_dir={a}", f"--run_dir={b}"],
        lambda a, b: [b, f"--run_dir={a}", a],
    ],
    ids=["words", "commas", "repeated", "mixed"],
)
def test_report_takes_several_runs(write, run_dir, capsys):
    other = run_dir.parent / "other"
    other.mkdir()
    (other / "results.csv").write_text((run_dir / "results.csv").read_text())
    assert main.run(["report", *write(str(run_dir), str(other))]) == 0
    text = capsys.readouterr().out
    for folder in (run_dir, other):
        assert text.count(f"{folder}\n=====") == 1
        assert (folder / "report.html").exists()
        assert (folder / "figures" / "density.svg").exists()
    assert "/comparison/report.html" in text


def test_a_report_goes_where_it_is_told(run_dir, tmp_path, capsys):
    there = tmp_path / "there"
    assert main.run(["report", str(run_dir), f"--output={there}"]) == 0
    assert f" {there}/report.html\n" in capsys.readouterr().out + "\n"
    assert (there / "report.html").exists()
    assert not (run_dir / "report.html").exists()


def test_report_needs_a_run(capsys):
    assert main.run(["report"]) == 2
    assert "`run_dir` must name at least one" in capsys.readouterr().err


def test_report_says_which_folder_is_no_run(tmp_path, capsys):
    assert main.run(["report", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert str(tmp_path) in error
    assert "Traceback" not in error


def test_a_real_search_runs_from_the_command_line(tmp_path, capsys):
    pytest.importorskip("sklearn")
    run_dir = tmp_path / "run"
    line = [
        "find",
        "--dataset=digits",
        "--steps=20",
        "--validate_every=10",
        "--rounds=1",
        '--model_options={"hidden": [8]}',
        f"--run_dir={run_dir}",
    ]
    assert main.run(line) == 0
    first = capsys.readouterr()
    assert "round 1 of 1: training to step 20" in first.err
    found = {p.relative_to(run_dir).as_posix() for p in run_dir.rglob("*")}
    assert {
        "results.csv",
        "figures/density.png",
        "figures/training_curves.svg",
        "report.html",
        "replicate_0/round_01/ticket",
    } <= found
    # The same line again finds everything done and says the same.
    assert main.run(line) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert "training to step" not in again.err


def test_find_quiets_tensorflow_unless_told_otherwise(
    find_ticket, run_dir, monkeypatch
):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    main.run(["find", f"--run_dir={run_dir}"])
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_progress_is_lines_for_a_file():
    assert isinstance(
        progress.make_progress(io.StringIO()), progress.LogProgress
    )


def test_paths_of_a_report_are_printed_whole(run_dir, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    deep = run_dir.parent / ("long-name-" * 8)
    pathlib.Path(run_dir).rename(deep)
    assert main.run(["report", str(deep)]) == 0
    assert f"{deep}/results.csv" in capsys.readouterr().out
