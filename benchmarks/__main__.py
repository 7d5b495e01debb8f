"""The command `python -m benchmarks`: runs cases and prints their figures.

Cases are found by name, one module each, and loaded when they are run.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
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
    # Before anything imports them.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    options = _options(arguments)
    date = datetime.datetime.now().isoformat(timespec="minutes")
    described = machine.describe()
    figures = []
    for name in options.cases:
        print(f"{name} ...", file=sys.stderr, flush=True)
        figures += run_case(name, tiny=options.tiny)
    stored = importlib.import_module("benchmarks.stored")
    content = stored.content(
        options.cases,
        figures,
        date=date,
        machine=described,
        tiny=options.tiny,
    )
    print(f"{date}{', TINY SETTING' * options.tiny}")
    for key, value in described.items():
        print(f"{key}: {value}")
    if options.compare:
        print(f"\n{comparison.as_table(options.old, content)}")
    if options.update:
        content = stored.updated(options.others, content, CASES)
    path = options.output or options.update
    if path:
        stored.write(path, content)
    figure = importlib.import_module("benchmarks.figure")
    table = figure.as_table(map(figure.from_json, content["figures"]))
    print(f"\n{table}")
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
        "--update",
        metavar="FILE.json",
        help="the same, beside the other cases that the file holds",
    )
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
    if options.update and options.output:
        parser.error("--update and --output are two ways to name one file")
    # Now, not after an hour of measuring.
    if options.compare:
        options.old = _stored(parser, "--compare", options.compare)
    if options.update:
        options.others = _stored(parser, "--update", options.update, options)
    return options


def _stored(parser, flag, path, options=None):
    stored = importlib.import_module("benchmarks.stored")
    try:
        found = stored.read(path)
        if options is not None:
            stored.check_same_machine(
                found, machine.describe(), tiny=options.tiny
            )
    except (OSError, ValueError) as error:
        parser.error(f"{flag}: {error}")
    return found


if __name__ == "__main__":
    sys.exit(main())
