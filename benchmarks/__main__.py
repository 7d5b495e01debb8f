"""The command `python -m benchmarks`: runs cases and prints their figures.

Cases are found by name, one module each, and loaded when they are run.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import comparison, machine

CASES = (
    "step_lenet",
    "step_conv",
    "step_resnet",
    "step_tf_keras",
    "step_search",
    "search_lenet",
    "search_peers",
    "search_memory",
    "vectorize",
    "growth",
    "mask_update",
    "turnaround",
    "import_time",
)


def run_case(name: str, *, tiny: bool = False) -> list[Any]:
    """Runs one case.

    Args:
        name: One of `CASES`.
        tiny: Whether to run it in the smallest setting, which shows that it
            works and says nothing about speed. Defaults to `False`.

    Returns:
        Its list of `benchmarks.figure.Figure`.
    """
    case = importlib.import_module(f"benchmarks.{name}")
    return case.run(**(case.TINY if tiny else {}))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = _options(arguments)
    # Before anything imports them.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    date = datetime.datetime.now().isoformat(timespec="minutes")
    described = machine.describe()
    figures = []
    for name in options.cases:
        print(f"{name} ...", file=sys.stderr, flush=True)
        figures += run_case(name, tiny=options.tiny)
    report = importlib.import_module("benchmarks.figure").as_table(figures)
    print(f"{date}{', TINY SETTING' * options.tiny}")
    for key, value in described.items():
        print(f"{key}: {value}")
    print(f"\n{report}")
    content = {
        "date": date,
        "tiny": options.tiny,
        "machine": described,
        "figures": [figure.to_json() for figure in figures],
    }
    if options.compare:
        print(f"\n{comparison.as_table(options.old, content)}")
    if options.output:
        pathlib.Path(options.output).write_text(
            json.dumps(content, indent=1) + "\n", encoding="utf-8"
        )
    if options.plot:
        drawing = importlib.import_module("benchmarks.growth_figure")
        drawing.plot(options.plot, figures)
    return 0


def _options(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "cases", nargs="*", metavar="case", help=f"of {', '.join(CASES)}"
    )
    parser.add_argument("--output", metavar="FILE.json", help="keep all runs")
    parser.add_argument(
        "--compare", metavar="OLD.json", help="show what has changed since"
    )
    parser.add_argument(
        "--plot", metavar="FILE.png", help="draw what `growth` has found"
    )
    parser.add_argument("--tiny", action="store_true", help="only try it out")
    options = parser.parse_args(arguments)
    for name in options.cases:
        if name not in CASES:
            parser.error(f"unknown case '{name}'; use {', '.join(CASES)}")
    options.cases = options.cases or list(CASES)
    if options.plot and "growth" not in options.cases:
        parser.error("--plot draws the case 'growth', which is not run")
    if options.compare:
        # Now, not after an hour of measuring.
        try:
            options.old = comparison.read(options.compare)
        except (OSError, ValueError) as error:
            parser.error(f"--compare: {error}")
    return options


if __name__ == "__main__":
    sys.exit(main())
