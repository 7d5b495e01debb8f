"""The process that runs TFLite files: the LiteRT interpreter, alone.

A damaged file can end the process that loads it, so that is not the caller's.
Requests come in on stdin and answers go out on stdout, each a length, a line of
JSON of that many bytes, and as many arrays as it says.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np


def write(stream: BinaryIO, message: dict, arrays: dict | None = None) -> None:
    """Writes a message with named arrays."""
    arrays = arrays or {}
    head = json.dumps({**message, "arrays": list(arrays)}).encode()
    for part in (head, *map(_as_bytes, arrays.values())):
        stream.write(struct.pack("<Q", len(part)))
        stream.write(part)
    stream.flush()


def _as_bytes(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def read(stream: BinaryIO) -> tuple[dict, dict[str, np.ndarray]] | None:
    """Reads a message with its arrays; `None` at the end."""
    head = _part(stream)
    if head is None:
        return None
    message = json.loads(head)
    arrays = {}
    for name in message.pop("arrays"):
        part = _part(stream)
        if part is None:
            return None
        arrays[name] = np.load(io.BytesIO(part), allow_pickle=False)
    return message, arrays


def _part(stream: BinaryIO) -> bytes | None:
    size = stream.read(8)
    if len(size) < 8:
        return None
    (length,) = struct.unpack("<Q", size)
    content = stream.read(length)
    return content if len(content) == length else None


class Runner:
    """A loaded file, ready to be run on batches of any size it takes."""

    def __init__(self, path: str, threads: int):
        self.path, self.threads = path, threads
        self.interpreter = self._load()
        signatures = self.interpreter.get_signature_list()
        if "serving_default" not in signatures:
            raise ValueError(f"no signature, only {list(signatures)}")
        self.run = self.interpreter.get_signature_runner("serving_default")
        self.inputs = self.run.get_input_details()
        self.any_batch = all(
            len(given["shape_signature"]) and given["shape_signature"][0] == -1
            for given in self.inputs.values()
        )

    def _load(self):
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(self.path, num_threads=self.threads)
        interpreter.allocate_tensors()
        return interpreter

    def _as_taken(self, inputs):
        return {
            name: inputs[name].astype(given["dtype"])
            for name, given in self.inputs.items()
        }

    def outputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Runs a batch, example by example if the file takes only those."""
        inputs = self._as_taken(inputs)
        if self.any_batch:
            return self.run(**inputs)
        parts = [
            self.run(
                **{name: array[i : i + 1] for name, array in inputs.items()}
            )
            for i in range(min(map(len, inputs.values())))
        ]
        return {
            name: np.concatenate([part[name] for part in parts])
            for name in parts[0]
        }

    def timer(self, inputs: dict[str, Any]) -> Callable[[], float]:
        """Returns a function that runs one example and says how long it took.

        Only the run itself is timed, not the way of the arrays in and out.
        """
        interpreter = self._load()  # one with a signature runs through it only
        taken = self._as_taken(inputs)
        for name, given in self.inputs.items():
            shape = taken[name][:1].shape
            interpreter.resize_tensor_input(given["index"], shape)
        interpreter.allocate_tensors()
        for name, given in self.inputs.items():
            interpreter.set_tensor(given["index"], taken[name][:1])

        def seconds():
            start = time.perf_counter()
            interpreter.invoke()
            return time.perf_counter() - start

        return seconds


def _time(runners, inputs, seconds, least):
    """Runs files in turn, again and again; returns seconds for each run."""
    once = [runner.timer(inputs) for runner in runners]
    for _ in range(5):  # warm-up
        for run in once:
            run()
    found = [[] for _ in once]
    end = time.perf_counter() + seconds
    while len(found[0]) < least or time.perf_counter() < end:
        for times, run in zip(found, once, strict=True):
            times.append(run())
        if len(found[0]) >= 10_000:
            break
    return np.array(found)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers requests until there are no more."""
    runners: dict[str, Runner] = {}
    while (request := read(requests)) is not None:
        message, arrays = request
        result: dict[str, Any] = {}
        found: dict[str, Any] = {}
        try:
            if message["do"] == "load":
                name = message["path"]
                runners[name] = Runner(name, message["threads"])
                result["any_batch"] = runners[name].any_batch
                result["outputs"] = list(runners[name].run.get_output_details())
            elif message["do"] == "run":
                found = runners[message["path"]].outputs(arrays)
            else:
                chosen = [runners[path] for path in message["paths"]]
                found["seconds"] = _time(
                    chosen, arrays, message["seconds"], message["least"]
                )
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
            found = {}
        write(answers, result, found)


if __name__ == "__main__":
    # What the interpreter prints must not come between the answers.
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, own)
