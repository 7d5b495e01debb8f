"""The examples run as they stand, in a folder of their own."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAMS = sorted(ROOT.glob("examples/*.py"))
# What a program needs to be told on a machine without its devices.
ARGUMENTS = {"tpu.py": ["--strategy=one_device"]}


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_an_example_runs_and_writes_only_where_it_is_told(program, tmp_path):
    result = subprocess.run(
        [
            sys.executable,
            str(program),
            str(tmp_path / "output"),
            *ARGUMENTS.get(program.name, []),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["output"]
    assert any((tmp_path / "output").iterdir())


def test_every_example_is_listed_in_the_readme_of_the_folder():
    listed = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    for program in PROGRAMS:
        assert f"]({program.name})" in listed
