"""Programs of this package, run in Python processes of their own.

They find the packages that this process finds, leave accelerators alone, and
do not import this library.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import Any

# Nothing in the current folder may stand for a module.
_START = """
import sys
sys.path.remove("")
import os, runpy, threading
def end_with_the_caller():
    os.read(0, 1)  # until the other end is closed
    os._exit(1)
if {bound}:
    threading.Thread(target=end_with_the_caller, daemon=True).start()
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def start(
    program: str, *arguments: str, bound: bool = False, **options: Any
) -> subprocess.Popen:
    """Starts a program.

    Args:
        program: name of its file beside this one, without `.py`.
        *arguments: its arguments.
        bound: whether it ends when its stdin, a pipe, is closed, as it is
            when this process is gone.
        **options: for `subprocess.Popen`.

    Returns:
        The running process.
    """
    file = pathlib.Path(__file__).with_name(f"{program}.py")
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            _START.format(bound=bound),
            str(file),
            *arguments,
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        **options,
    )


def run(program: str, *arguments: str) -> tuple[subprocess.Popen, list[str]]:
    """Runs a program to its end; it ends with this one if that is cut short.

    Args:
        program: name of its file beside this one, without `.py`.
        *arguments: its arguments.

    Returns:
        The process, which has ended, and the lines that it wrote to stderr.
    """
    process = start(
        program,
        *arguments,
        bound=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            # Not `communicate`, which closes stdin: that says we have gone.
            said = process.stderr.read()
            process.wait()
        except BaseException:
            process.kill()
            raise
    return process, said.decode("utf-8", "replace").strip().splitlines()


def how_it_ended(process: subprocess.Popen) -> str:
    """Says how a process ended, for an error message."""
    code = process.returncode
    if code is None:
        return "still runs"
    if code < 0:
        return f"was ended by signal {-code}"
    return f"ended with exit code {code}"
