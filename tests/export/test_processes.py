"""Programs in processes of their own: what they see, and when they end."""

import subprocess
import sys

import numpy as np
import pytest

from tflottery.export import interpreter_process, processes
from tflottery.export.errors import ExportError
from tflottery.export.interpreter import Interpreter


def test_a_file_in_the_current_folder_stands_for_no_module(
    tmp_path, monkeypatch
):
    for name in ("numpy", "json", "runpy", "os"):
        text = "raise RuntimeError('mine')"
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    with Interpreter() as interpreter:
        with pytest.raises(ExportError, match="absent.tflite") as caught:
            interpreter.load("absent.tflite")
    assert "mine" not in str(caught.value)


def test_a_process_that_crashes_is_said_so():
    with Interpreter() as interpreter:
        interpreter._process.kill()
        interpreter._process.wait()
        with pytest.raises(ExportError, match="was ended by signal 9"):
            interpreter.load("any.tflite")


def test_a_bound_program_ends_when_its_caller_is_gone(tmp_path):
    program = tmp_path / "waits.py"
    program.write_text("import time\ntime.sleep(60)")
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            processes._START.format(bound=True),
            str(program),
        ],
        stdin=subprocess.PIPE,
    )
    with process:
        assert process.poll() is None
        process.stdin.close()  # as the system does for a killed caller
        assert process.wait(20) == 1


class Runner:
    def __init__(self, name, log):
        self.name, self.log = name, log

    def timer(self, inputs):
        def seconds():
            self.log.append(self.name)
            return {"a": 1.0, "b": 2.0}[self.name]

        return seconds


def test_files_are_timed_in_turn_after_a_warm_up():
    log = []
    runners = [Runner(name, log) for name in "ab"]
    found = interpreter_process._time(runners, {}, seconds=0.0, least=30)
    assert log == ["a", "b"] * 35  # 5 to warm up, 30 that count
    np.testing.assert_array_equal(found, [[1.0] * 30, [2.0] * 30])
