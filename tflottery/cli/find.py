"""`tflottery find`: its flags, its help text, and what it runs."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags as absl_flags

from tflottery.cli import flags, help, running
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


_BRANCHES = (
    (
        "branch",
        "NAMES",
        None,
        "ticket, and controls to compare it with, separated by commas; "
        "`tflottery controls --help` names them. [ticket]",
    ),
    ("draws", "N", "1", "How often each random control is drawn anew."),
    (
        "control_rounds",
        "NUMBERS",
        None,
        "Rounds of which controls are run, such as 3,7. [all]",
    ),
)


def define() -> absl_flags.FlagValues:
    """Returns the flags of `find`."""
    values = flags.define_config_flags(SearchConfig)
    running.define(values, (*_PLACES, *_BRANCHES))
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
                    running.checkpoint_entry(values),
                ],
            ),
            running.machines_block(values),
            help.block(
                "What is run of each replicate",
                [
                    help.flag_entry(values[name], d)
                    for name, _, d, _ in _BRANCHES
                ],
            ),
            help.paragraph(
                "Flags below override the recipe. In brackets: the values of "
                f"recipe {recipe.name}."
            ),
            help.grouped_settings(values, recipe.config.to_dict()),
            help.block(
                f"Recipe {recipe.name}",
                [
                    help.entry(name, text, 14)
                    for name, text in (
                        ("from", recipe.source),
                        ("expected", recipe.expected),
                        ("differences", recipe.differences),
                    )
                    if text
                ],
            ),
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
    running.check_given_once(values, "replicate", "branch", "control_rounds")
    rounds = running.numbers("control_rounds", values["control_rounds"].value)
    draws = running.number("draws", values["draws"].value)
    run_dir = values["run_dir"].value or f"runs/{config.digest()}"

    def train(**arguments):
        from tflottery.lottery import search

        return search.find_ticket(
            config=config,
            data_dir=values["data_dir"].value,
            branches=running.words(values["branch"].value),
            control_rounds=rounds,
            draws=draws,
            **arguments,
        )

    return running.run(values, train, run_dir)
