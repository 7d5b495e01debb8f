"""`tflottery find`: its flags, its help text, and what it runs."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence

from absl import flags as absl_flags

from tflottery.cli import flags, help, report
from tflottery.lottery import recipes
from tflottery.lottery.config import SearchConfig


def search_config(values: absl_flags.FlagValues) -> SearchConfig:
    """Returns the settings that the flags of `find` ask for.

    The recipe gives every field; flags that were given override it.

    Raises:
        ValueError: If the recipe is unknown or a value is out of range.
    """
    recipe = recipes.get(values["recipe"].value)
    return recipe.config.replace(**flags.given(values, SearchConfig))


# Flags of `find` that are no settings: (name, placeholder, default, help).
_PLACES = (
    (
        "recipe",
        "NAME",
        recipes.names()[0],
        "Settings to begin with, see below.",
    ),
    (
        "run_dir",
        "DIR",
        None,
        "Folder of all results, also gs:// and the like; a search found there "
        "is continued. [runs/ and a digest of the settings]",
    ),
    (
        "data_dir",
        "DIR",
        None,
        "Folder of TensorFlow Datasets, for dataset tfds:NAME. [its own]",
    ),
)
_MACHINES = (
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
        "branch",
        "NAME",
        None,
        "What to run of each replicate: ticket. [ticket]",
    ),
)


def define() -> absl_flags.FlagValues:
    """Returns the flags of `find`."""
    values = flags.define_config_flags(SearchConfig)
    for name, placeholder, default, text in (*_PLACES, *_MACHINES):
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
        30.0,
        "Least time between two checkpoints inside a round.",
    )
    return values


def explain(values: absl_flags.FlagValues) -> str:
    """Returns the help text of `find`."""
    recipe = recipes.get(values["recipe"].value)
    known = [(name, recipes.get(name)) for name in recipes.names()]
    return "\n\n".join(
        [
            "Usage: tflottery find [--recipe=NAME] [--run_dir=DIR] [FLAGS]",
            help.paragraph(
                "Searches for a winning ticket: trains the dense network, "
                "removes its weakest weights, rewinds the others, and repeats. "
                "Stopped at any moment, the same command goes on where it was."
            ),
            help.block(
                "Where from and where to",
                [
                    help.flag_entry(values["recipe"], values["recipe"].value),
                    help.flag_entry(values["run_dir"]),
                    help.flag_entry(values["data_dir"]),
                    help.flag_entry(values["checkpoint_seconds"], 30.0),
                ],
            ),
            help.block(
                "Where it runs; any results are the same but for rounding",
                [
                    help.flag_entry(values[name], default)
                    for name, _, default, _ in _MACHINES
                ],
            ),
            help.paragraph(
                "Flags below override the recipe. In brackets: the values of "
                f"recipe {recipe.name}."
            ),
            help.grouped_settings(values, recipe.config.to_dict()),
            help.block(
                "Recipes",
                [help.entry(name, r.description, 22) for name, r in known],
            ),
            help.shared(values),
        ]
    )


def execute(values: absl_flags.FlagValues, words: Sequence[str]) -> int:
    """Runs `find`; returns the exit code."""
    if words:
        raise ValueError(
            f"`tflottery find` takes flags only. Received: {words[0]!r}. "
            f"Write --name=value, such as --run_dir={words[0]}."
        )
    config = search_config(values)
    for name in ("replicate", "branch"):
        if values[name].present > 1:
            raise ValueError(
                f"`--{name}` must be given once. Received: {name} given "
                f"{values[name].present} times. Write several in one, such as "
                "--replicate=0,2."
            )
    replicates = _numbers("replicate", values["replicate"].value)
    run_dir = values["run_dir"].value or f"runs/{config.digest()}"
    print(f"Run directory: {run_dir}", file=sys.stderr, flush=True)
    # TensorFlow's own greetings would stand between the lines of progress.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _logged():
        return _search(values, config, run_dir, replicates)


def _search(values, config, run_dir, replicates):
    from tflottery.cli import progress as views
    from tflottery.distribution import strategies
    from tflottery.distribution.workers import Workers
    from tflottery.lottery import search
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
        result = search.find_ticket(
            config=config,
            run_dir=run_dir,
            data_dir=values["data_dir"].value,
            progress=progress,
            checkpoint_seconds=values["checkpoint_seconds"].value,
            strategy=strategy,
            replicates=replicates,
            branches=_words(values["branch"].value),
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


def _words(text: str | None) -> list[str] | None:
    """Returns the words of a list that commas separate."""
    if text is None:
        return None
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(name: str, text: str | None) -> list[int] | None:
    """Returns the numbers of a list that commas separate."""
    words = _words(text)
    if words is None:
        return None
    if not words or not all(word.isdecimal() for word in words):
        raise ValueError(
            f"`--{name}` must be numbers separated by commas. Received: "
            f"--{name}={text}. Write --{name}=0, or --{name}=0,2; they are "
            "counted from 0."
        )
    return [int(word) for word in words]
