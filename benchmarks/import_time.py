"""Case `import_time`: what `import tflottery` adds to `import keras`.

Each import happens in a new process, the programs in turn. Names are loaded
when they are first used, so the whole face is measured beside the bare import.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from benchmarks.figure import Figure
from benchmarks.measuring import alternate

TINY = {"names": ("tflottery",), "runs": 1, "warm_up": 0}
_PROGRAMS = {
    "keras": "import keras",
    "tflottery": "import tflottery",
    "every name": "from tflottery import *",
}
_AIMS = {"tflottery": 1.1}


def run(
    *,
    names: Sequence[str] = ("tflottery", "every name"),
    runs: int = 11,
    warm_up: int = 2,
) -> list[Figure]:
    """Returns the times of importing over that of `import keras`.

    Args:
        names: What to compare with it: the bare import, or every name.
        runs: Processes measured for each.
        warm_up: Processes before, unmeasured, so that all files are cached.
    """
    found = alternate(
        {name: _in_new_process(_PROGRAMS[name]) for name in ("keras", *names)},
        runs=runs,
        warm_up=warm_up,
    )
    return [
        Figure(
            name=f"import_time/{name}",
            what=f"`{_PROGRAMS[name]}` over `import keras`",
            values=found[name].over(found["keras"]),
            at_most=_AIMS.get(name),
            parts={part: found[part] for part in (name, "keras")},
        )
        for name in names
    ]


def _in_new_process(statement: str) -> Callable[[], float]:
    # The statement alone is timed: starting Python is common to all and would
    # only draw the ratio towards 1.
    program = (
        "import time; start = time.perf_counter(); "
        f"{statement}; print(time.perf_counter() - start)"
    )

    def measure():
        result = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "KERAS_BACKEND": "tensorflow"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return float(result.stdout.split()[-1])

    return measure
