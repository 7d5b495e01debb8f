"""The machine and the versions a benchmark ran on.

A figure without them cannot be compared with another day's.
"""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
from typing import Any

_PACKAGES = (
    "tensorflow",
    "keras",
    "tf_keras",
    "tensorflow-model-optimization",
    "numpy",
    "torch",
)


def describe() -> dict[str, Any]:
    """Returns platform, processor, cores, memory in GB, load and versions.

    `load` is the mean number of processes that wanted to run in the minute
    before; above 1 on a machine for measuring, others were at work.
    """
    return {
        "platform": f"{platform.system()} {_kernel()} {platform.machine()}",
        "processor": _field("/proc/cpuinfo", "model name")
        or platform.processor()
        or platform.machine(),
        "cores": _cores(),
        "memory": _memory(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _kernel() -> str:
    """Returns the first two numbers of the kernel's version."""
    return ".".join(platform.release().split("-")[0].split(".")[:2])


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> str:
    size = _field("/proc/meminfo", "MemTotal").split()  # such as 1024 kB
    return f"{round(int(size[0]) / 2**20)} GB" if size else "unknown"


def _field(file: str, name: str) -> str:
    """Returns the first `name: value` of a file of /proc, if there is one."""
    try:
        lines = pathlib.Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
