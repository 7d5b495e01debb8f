"""`OtherProcess`: a process of one's own for what cannot share one.

Importing a peer may change the Keras of the whole process, and two frameworks
in one keep two pools of threads. Such a process gets ready once, then works
each time it is told to, so that it can take turns with what it is compared
with.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_ROOT = pathlib.Path(__file__).resolve().parents[1]


class OtherProcess:
    """A process that waits until it is told to work.

    Args:
        module: Name of a module that calls `serve` when it is run.
        settings: What the module gets, as plain values.
        environment: Variables to set there, beside those set here.
    """

    def __init__(
        self,
        module: str,
        settings: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
    ):
        self._module = module
        self._process: Any = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(settings)],
            cwd=_ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> OtherProcess:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=60)

    def work(self, **asked: Any) -> float:
        """Has it work once; returns the number it answers with.

        Args:
            **asked: Plain values for the function that works.

        Raises:
            RuntimeError: The process has ended without an answer.
        """
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):
                return float(json.loads(line)["answer"])
        raise RuntimeError(
            f"The process of {self._module} ended without an answer. Received:"
            f" exit code {self._process.wait(timeout=60)}. Its error is "
            "printed above."
        )


def serve(make: Callable[..., Callable[..., float]]) -> None:
    """Works for the process that has started this one, until it is through.

    Args:
        make: Function of the settings that gets ready and returns the
            function that works and returns a number.
    """
    work = make(**json.loads(sys.argv[1]))
    for asked in _asked():
        print(json.dumps({"answer": work(**asked)}), flush=True)


def _asked() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)
