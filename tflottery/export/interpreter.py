"""`Interpreter`: a LiteRT interpreter in a process of its own.

Only what has been loaded, run and compared is an export. Whatever a damaged
file does, it does it over there.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tflottery.export import interpreter_process, processes
from tflottery.export.errors import ExportError


class Interpreter:
    """Runs TFLite files, as a context manager.

    Args:
        threads: how many threads a run may use. Default 1, as on a small
            device, which also makes timings steadier.

    Raises:
        ImportError: the package `ai-edge-litert` is not there.
    """

    def __init__(self, threads: int = 1):
        self.threads = threads
        self._process: Any = None
        self._said: Any = None

    def __enter__(self) -> Interpreter:
        self._said = tempfile.TemporaryFile()
        self._process = processes.start(
            "interpreter_process",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )
        return self

    def __exit__(self, *error: Any) -> None:
        process = self._process
        with contextlib.suppress(OSError):
            process.stdin.close()
        if error[0] is not None:
            process.kill()
        process.stdout.close()
        process.wait()
        self._said.close()

    def load(self, path: Any) -> bool:
        """Loads a file and allocates its tensors.

        Args:
            path: a local file.

        Returns:
            Whether it takes batches of any size; if not, of one example.

        Raises:
            ExportError: it does not load.
        """
        message = {"do": "load", "path": str(path), "threads": self.threads}
        return self._ask(message)[0]["any_batch"]

    def run(
        self, path: Any, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Runs a loaded file.

        Args:
            path: as it was loaded.
            inputs: `{input name: array of shape (n, ...)}`.

        Returns:
            `{output name: array of shape (n, ...)}`.

        Raises:
            ExportError: it does not run.
        """
        return self._ask({"do": "run", "path": str(path)}, inputs)[1]

    def seconds(
        self,
        paths: Sequence[Any],
        inputs: Mapping[str, np.ndarray],
        seconds: float = 1.0,
        least: int = 30,
    ) -> np.ndarray:
        """Times runs of one example, the files in turn, after a warm-up.

        Args:
            paths: as they were loaded.
            inputs: the first example is used.
            seconds: how long to go on, for all files together.
            least: the least number of runs of each file.

        Returns:
            Seconds, of shape (files, runs).
        """
        message = {
            "do": "time",
            "paths": [str(path) for path in paths],
            "seconds": seconds,
            "least": least,
        }
        return self._ask(message, inputs)[1]["seconds"]

    def _ask(self, message, arrays=None):
        answer = None
        with contextlib.suppress(BrokenPipeError):
            interpreter_process.write(self._process.stdin, message, arrays)
            answer = interpreter_process.read(self._process.stdout)
        if answer is None:
            self._process.wait()
            self._said.seek(0)
            said = self._said.read().decode("utf-8", "replace").strip()
            if "No module named 'ai_edge_litert'" in said:
                raise ImportError(_MISSING)
            raise ExportError(
                "The process of the interpreter "
                f"{processes.how_it_ended(self._process)}. "
                f"{' '.join(said.splitlines()[-3:])}".strip()
            )
        result, found = answer
        if "error" in result:
            if "No module named 'ai_edge_litert'" in result["error"]:
                raise ImportError(_MISSING)
            raise ExportError(" ".join(result["error"].split()))
        return result, found


_MISSING = (
    "A TFLite file is checked with LiteRT's interpreter, which is not "
    "installed. Use pip install ai-edge-litert."
)
