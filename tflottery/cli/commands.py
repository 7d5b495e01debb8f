"""The sub-commands: what each takes, does and prints.

A new command is one entry in `COMMANDS`. TensorFlow, matplotlib and rich are
imported where they are used, so that help and errors come at once.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags as absl_flags

from tflottery.cli import flags, help
from tflottery.lottery import recipes
from tflottery.lottery.config import SearchConfig


@dataclasses.dataclass(frozen=True)
class Command:
    """A sub-command.

    Args:
        name: What one types after `tflottery`.
        summary: What it does, as a phrase.
        define: Returns its flags, without those that all commands share.
        execute: Takes the parsed flags and the other words; returns the exit
            code.
        explain: Takes the parsed flags and returns the help text.
        on_interrupt: What to say about work that Ctrl-C cut short, before the
            command line that goes on with it; nothing if nothing is lost.
    """

    name: str
    summary: str
    define: Callable[[], absl_flags.FlagValues]
    execute: Callable[[absl_flags.FlagValues, Sequence[str]], int]
    explain: Callable[[absl_flags.FlagValues], str]
    on_interrupt: str = ""

    def flags(self) -> absl_flags.FlagValues:
        """Returns new flags, unparsed."""
        values = self.define()
        for name, text in _SHARED.items():
            values[name] = flags.SettingFlag(name, bool, False, text)
        return values


_SHARED = {
    "help": "Show this text.",
    "traceback": "On an error show where in the code it came from.",
}


def search_config(values: absl_flags.FlagValues) -> SearchConfig:
    """Returns the settings that the flags of `find` ask for.

    The recipe gives every field; flags that were given override it.

    Raises:
        ValueError: If the recipe is unknown or a value is out of range.
    """
    recipe = recipes.get(values["recipe"].value)
    return recipe.config.replace(**flags.given(values, SearchConfig))


def _define_find() -> absl_flags.FlagValues:
    values = flags.define_config_flags(SearchConfig)
    for name, default, text in (
        ("recipe", recipes.names()[0], "Settings to begin with, see below."),
        (
            "run_dir",
            None,
            "Folder of all results; a search found there is continued. "
            "[runs/ and a digest of the settings]",
        ),
        (
            "data_dir",
            None,
            "Folder of TensorFlow Datasets, for dataset tfds:NAME. [its own]",
        ),
    ):
        values[name] = flags.SettingFlag(
            name,
            str,
            default,
            text,
            optional=default is None,
            placeholder="DIR" if name.endswith("_dir") else "NAME",
        )
    return values


def _explain_find(values: absl_flags.FlagValues) -> str:
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
            _explain_shared(values),
        ]
    )


def _explain_shared(values: absl_flags.FlagValues) -> str:
    lines = [help.entry(f"--{n}", values[n].help) for n in _SHARED]
    lines.append(
        help.entry("--flagfile=FILE", "Read flags from a file, one a line.")
    )
    return help.block("General", lines)


def _find(values: absl_flags.FlagValues, words: Sequence[str]) -> int:
    if words:
        raise ValueError(
            f"`tflottery find` takes flags only. Received: {words[0]!r}. "
            f"Write --name=value, such as --run_dir={words[0]}."
        )
    config = search_config(values)
    run_dir = values["run_dir"].value or f"runs/{config.digest()}"
    print(f"Run directory: {run_dir}", file=sys.stderr, flush=True)
    # TensorFlow's own greetings would stand between the lines of progress.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from tflottery.cli import progress as views
    from tflottery.lottery import search
    from tflottery.reports import report

    progress = views.make_progress(sys.stderr)
    try:
        search.find_ticket(
            config=config,
            run_dir=run_dir,
            data_dir=values["data_dir"].value,
            progress=progress,
        )
    finally:
        progress.finish()
    print(report_text(report.write_report(run_dir)))
    return 0


def report_text(report: Any) -> str:
    """Writes a report for a terminal: table, verdict and paths.

    Args:
        report: A `tflottery.reports.report.Report`.

    Returns:
        Text without a newline at its end.
    """
    density = report.figures[0]
    paths = [
        ("results", report.results),
        ("figure", density),
        ("page", report.page),
        ("TensorBoard", report.tensorboard),
        ("ticket", report.ticket),
    ]
    # Never wrapped: a path is there to be copied.
    lines = [f"  {name:13} {p}" for name, p in paths if p is not None]
    return "\n".join(
        [report.table, "", help.paragraph(report.verdict), "", *lines]
    )


def _define_report() -> absl_flags.FlagValues:
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_multi_string(
        "run_dir", [], "Folder of a search.", flag_values=values
    )
    return values


def _explain_report(values: absl_flags.FlagValues) -> str:
    return "\n\n".join(
        [
            "Usage: tflottery report DIR [DIR ...]\n"
            "       tflottery report --run_dir=DIR[,DIR ...]",
            help.paragraph(
                "Prints the rounds of a search and draws, into its folder, "
                "figures/density (accuracy and early-stopping step against "
                "density), figures/training_curves, each as PNG and SVG, and "
                "report.html, one page with everything in it. The search may "
                "still be running."
            ),
            help.block(
                "Flags",
                [
                    help.entry(
                        "--run_dir=DIR",
                        "Folder of a search; several are separated by commas, "
                        "or the flag is repeated.",
                    )
                ],
            ),
            _explain_shared(values),
        ]
    )


def _report(values: absl_flags.FlagValues, words: Sequence[str]) -> int:
    named = [
        part.strip()
        for text in values["run_dir"].value
        for part in text.split(",")
    ]
    run_dirs = list(dict.fromkeys(d for d in [*named, *words] if d))
    if not run_dirs:
        raise ValueError(
            "`run_dir` must name at least one folder. Received: none. Use "
            "tflottery report runs/first, with the --run_dir of the search."
        )

    from tflottery.reports import report

    texts = []
    for run_dir in run_dirs:
        text = report_text(report.write_report(run_dir))
        if len(run_dirs) > 1:
            text = f"{run_dir}\n{'=' * len(run_dir)}\n{text}"
        texts.append(text)
    print("\n\n".join(texts))
    return 0


COMMANDS = {
    command.name: command
    for command in (
        Command(
            name="find",
            summary="Search for a ticket: train, prune, rewind, repeat.",
            define=_define_find,
            execute=_find,
            explain=_explain_find,
            on_interrupt="Interrupted. What is finished is kept. Go on with",
        ),
        Command(
            name="report",
            summary="Draw figures, tables and a page of what a search found.",
            define=_define_report,
            execute=_report,
            explain=_explain_report,
        ),
    )
}
