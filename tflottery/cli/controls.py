"""`tflottery controls`: networks to compare the tickets of a search with."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags as absl_flags

from tflottery.cli import help, running

_PLACES = (
    ("run_dir", "DIR", None, "Folder of the search."),
    (
        "data_dir",
        "DIR",
        None,
        "Folder of TensorFlow Datasets, for dataset tfds:NAME. [its own]",
    ),
)
_CONTROLS = (
    (
        "branch",
        "NAMES",
        "random_reinit,random_ticket",
        "Which controls, separated by commas, see below.",
    ),
    ("round", "NUMBERS", None, "Of which rounds, such as 3,7,9. [all]"),
    ("draws", "N", "1", "How often each random control is drawn anew."),
)


def define() -> absl_flags.FlagValues:
    """Returns the flags of `controls`."""
    values = absl_flags.FlagValues()
    running.define(values, (*_PLACES, *_CONTROLS))
    return values


def explain(values: absl_flags.FlagValues) -> str:
    """Returns the help text of `controls`."""
    from tflottery.lottery.branches import registry

    branches = [registry.describe(name) for name in registry.names()]
    return "\n\n".join(
        [
            "Usage: tflottery controls --run_dir=DIR [--branch=NAMES] [FLAGS]",
            help.paragraph(
                "Trains networks that differ from the tickets of a search in "
                "one thing: the weights, the mask, the order of the data, or "
                "how they are retrained. Their rows are added to results.csv. "
                "Stopped at any moment, the same command goes on where it was."
            ),
            help.block(
                "What to run",
                [
                    help.flag_entry(values[name], default)
                    for name, _, default, _ in (*_PLACES, *_CONTROLS)
                ]
                + [running.checkpoint_entry(values)],
            ),
            running.machines_block(values),
            help.block(
                "Controls",
                [help.entry(name, text, 24) for name, text in branches],
            ),
            help.shared(values),
        ]
    )


def execute(values: absl_flags.FlagValues, words: Sequence[str]) -> int:
    """Runs `controls`; returns the exit code."""
    running.check_given_once(values, "replicate", "branch", "round")
    run_dir = values["run_dir"].value or (words[0] if words else None)
    if run_dir is None or len(words) > (values["run_dir"].value is None):
        raise ValueError(
            "`tflottery controls` takes the folder of one search. Received: "
            f"{list(words)}. Write --run_dir=runs/first, with the --run_dir of "
            "the search."
        )
    rounds = running.numbers("round", values["round"].value)
    draws = running.number("draws", values["draws"].value)

    def train(**arguments):
        from tflottery.lottery import controls

        return controls.run_controls(
            branches=running.words(values["branch"].value),
            rounds=rounds,
            draws=draws,
            data_dir=values["data_dir"].value,
            **arguments,
        )

    return running.run(values, train, run_dir)
