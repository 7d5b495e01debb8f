"""`tflottery analyse`: its flags, its help text, and what it prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

from tflottery.cli import flags, help, running

_WHAT = (
    (
        "run_dir",
        str,
        "DIR",
        None,
        "Folder of the search; it may still be running.",
    ),
    (
        "part",
        str,
        "NAMES",
        None,
        "What to look at, separated by commas, see below. [all]",
    ),
    (
        "round",
        str,
        "NUMBERS",
        None,
        "Which rounds, such as 7,12; the dense network is always among them. "
        "[all]",
    ),
)
_INTERPOLATION = (
    ("alphas", int, "N", 30, "Networks on each line, its ends included."),
    (
        "train_examples",
        int,
        "N",
        10_000,
        "How many training examples give the training error.",
    ),
    (
        "data_dir",
        str,
        "DIR",
        None,
        "Folder of TensorFlow Datasets, for dataset tfds:NAME. [its own]",
    ),
)
_PARTS = (
    (
        "stability",
        "Distance and angle of copies: of two orders of the data; of dense "
        "and sparse training. Needs controls `reordered`, `random_ticket`, "
        "`reordered_random_ticket`.",
    ),
    ("overlap", "Masks of rounds, replicates and controls, against chance."),
    (
        "surviving_weights",
        "Initial weights of the survivors: histograms, signs, two modes.",
    ),
    ("movement", "How far survivors moved in dense training, and others."),
    ("connectivity", "Connections of each unit, against chance."),
    (
        "interpolation",
        "Error on the line between copies; takes longest. Needs controls "
        "`reordered`, or two replicates.",
    ),
)


def define() -> absl_flags.FlagValues:
    """Returns the flags of `analyse`."""
    values = absl_flags.FlagValues()
    for name, kind, placeholder, default, text in (*_WHAT, *_INTERPOLATION):
        values[name] = flags.SettingFlag(
            name,
            kind,
            default,
            text,
            optional=default is None,
            placeholder=placeholder,
        )
    return values


def explain(values: absl_flags.FlagValues) -> str:
    """Returns the help text of `analyse`."""

    def block(title, rows):
        return help.block(
            title, [help.flag_entry(values[row[0]], row[3]) for row in rows]
        )

    return "\n\n".join(
        [
            "Usage: tflottery analyse --run_dir=DIR [--part=NAMES] [FLAGS]",
            help.paragraph(
                "Examines the tickets of a search beyond their accuracy and "
                "writes tables into its folder analysis/. What a search "
                "lacks is skipped, and what would supply it is said."
            ),
            block("What to examine", _WHAT),
            block("Interpolation", _INTERPOLATION),
            help.block("Parts", [help.entry(*part) for part in _PARTS]),
            help.shared(values),
        ]
    )


def execute(values: absl_flags.FlagValues, words: Sequence[str]) -> int:
    """Runs `analyse`; returns the exit code."""
    running.check_given_once(values, "run_dir", "part", "round")
    run_dir = values["run_dir"].value or (words[0] if words else None)
    if run_dir is None or len(words) > (values["run_dir"].value is None):
        raise ValueError(
            "`tflottery analyse` takes the folder of one search. Received: "
            f"{list(words)}. Write --run_dir=runs/first, with the --run_dir of "
            "the search."
        )
    rounds = running.numbers("round", values["round"].value)
    # TensorFlow's own greetings would stand between the lines of progress.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from tflottery import analysis

    found = analysis.analyse(
        run_dir,
        parts=running.words(values["part"].value),
        rounds=rounds,
        alphas=values["alphas"].value,
        train_examples=values["train_examples"].value,
        data_dir=values["data_dir"].value,
        note=_note,
    )
    print(analysis_text(found))
    return 0


def _note(text: str) -> None:
    print(f"Looking at {text}.", file=sys.stderr, flush=True)


def analysis_text(found: Any) -> str:
    """Writes an analysis for a terminal: numbers, what lacks, and paths.

    Args:
        found: A `tflottery.analysis.Analysis`.

    Returns:
        Text without a newline at its end.
    """
    # Never wrapped: commands and paths are there to be copied.
    paths = [f"  {name:18} {path}" for name, path in found.paths.items()]
    parts = (found.text, "\n".join(found.lacks), "\n".join(paths))
    return "\n\n".join(part for part in parts if part)
