"""What `find` and `controls` share: where it runs, what one sees, the end.

Both train rounds in a run directory, one after another, and may be one of
several processes that do.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from absl import flags as absl_flags

from tflottery.cli import flags, help, report

MACHINES = (
    (
        "strategy",
        "NAME",
        "none",
        "none, one_device, mirrored (the devices of one machine), "
        "multi_worker (a process per machine, as TF_CONFIG or Slurm say), tpu.",
    ),
    (
        "devices",
        "NAMES",
        None,
        "Devices of one_device or mirrored: a number, or names such as "
        "GPU:0,GPU:1. [all GPUs, else one CPU]",
    ),
    ("tpu", "NAME", None, "Name or address of the TPU. [local, or TPU_NAME]"),
    (
        "replicate",
        "N",
        None,
        "Numbers of the replicates to run here, such as 0 or 0,2; other "
        "processes may run others in the same folder. [all that are free]",
    ),
    (
        "vectorize",
        "N",
        "1",
        "How many networks (replicates, draws of controls) are trained at "
        "once. Pays for small networks; takes the memory of N.",
    ),
)


_CHECKPOINT_SECONDS = 30.0


def define(values: absl_flags.FlagValues, texts: Iterable[tuple]) -> None:
    """Defines flags for text, and those that say where it runs.

    Args:
        values: where to define them.
        texts: `(name, placeholder, default, help)` of each flag for text.
    """
    for name, placeholder, default, text in (*texts, *MACHINES):
        values[name] = flags.SettingFlag(
            name,
            str,
            default,
            text,
            optional=default is None,
            placeholder=placeholder,
        )
    values["checkpoint_seconds"] = flags.SettingFlag(
        "checkpoint_seconds",
        float,
        _CHECKPOINT_SECONDS,
        "Least time between two checkpoints inside a round.",
    )


def checkpoint_entry(values: absl_flags.FlagValues) -> str:
    """Returns the help of `--checkpoint_seconds`."""
    return help.flag_entry(values["checkpoint_seconds"], _CHECKPOINT_SECONDS)


def machines_block(values: absl_flags.FlagValues) -> str:
    """Returns the help of the flags that say where it runs."""
    return help.block(
        "Where it runs; any results are the same but for rounding",
        [
            help.flag_entry(values[name], default)
            for name, _, default, _ in MACHINES
        ],
    )


def check_given_once(values: absl_flags.FlagValues, *names: str) -> None:
    """Refuses flags for a list that were given several times.

    Raises:
        ValueError: one was.
    """
    for name in names:
        if values[name].present > 1:
            raise ValueError(
                f"`--{name}` must be given once. Received: {name} given "
                f"{values[name].present} times. Write several in one, such as "
                f"--{name}=0,2."
            )


def run(
    values: absl_flags.FlagValues, train: Callable[..., Any], run_dir: str
) -> int:
    """Trains, shows how far it is, and reports; returns the exit code.

    Args:
        values: parsed flags, those of `define` among them.
        train: `find_ticket`, or the like, with all arguments but those that
            the flags of `define` stand for.
        run_dir: where the results are.
    """
    check_given_once(values, "vectorize")
    replicates = numbers("replicate", values["replicate"].value)
    vectorize = number("vectorize", values["vectorize"].value)
    print(f"Run directory: {run_dir}", file=sys.stderr, flush=True)
    # TensorFlow's own greetings would stand between the lines of progress.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _logged():
        return _run(
            values, train, run_dir, replicates=replicates, vectorize=vectorize
        )


def _run(values, train, run_dir, **chosen):
    from tflottery.cli import progress as views
    from tflottery.distribution import strategies
    from tflottery.distribution.workers import Workers
    from tflottery.reports import report as reports

    # Made before anything else: devices are fixed at TensorFlow's first step.
    strategy = strategies.get(
        values["strategy"].value,
        tpu=values["tpu"].value,
        devices=values["devices"].value,
    )
    workers = Workers(strategy)
    progress = views.make_progress(sys.stderr)
    try:
        result = train(
            run_dir=run_dir,
            progress=progress,
            checkpoint_seconds=values["checkpoint_seconds"].value,
            strategy=strategy,
            **chosen,
        )
    finally:
        progress.finish()
    if not workers.is_chief:
        print(f"Worker {workers.number} of {workers.count}: {result.verdict}")
        return 0
    print(report.report_text(reports.write_report(run_dir)))
    return 0


class _Lines(logging.Handler):
    """Writes to whatever stderr is now: bars put lines above themselves."""

    def emit(self, record):
        print(self.format(record), file=sys.stderr, flush=True)


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Shows what the library logs, such as what it has chosen by itself."""
    logger, lines = logging.getLogger("tflottery"), _Lines()
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)


def words(text: str | None) -> list[str] | None:
    """Returns the words of a list that commas separate."""
    if text is None:
        return None
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(name: str, text: str | None) -> list[int] | None:
    """Returns the numbers of a list that commas separate."""
    found = words(text)
    if found is None:
        return None
    if not found or not all(word.isdecimal() for word in found):
        raise ValueError(
            f"`--{name}` must be numbers separated by commas. Received: "
            f"--{name}={text}. Write --{name}=0, or --{name}=0,2; they are "
            "counted from 0."
        )
    return [int(word) for word in found]


def number(name: str, text: str) -> int:
    """Returns one number.

    Raises:
        ValueError: the text is not one.
    """
    if not text.strip().isdecimal():
        raise ValueError(
            f"`--{name}` must be one number. Received: --{name}={text}. Write "
            f"--{name}=3."
        )
    return int(text)
