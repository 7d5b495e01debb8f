"""The sub-commands: what each takes, does and prints.

A new command is one entry in `COMMANDS`. TensorFlow, matplotlib and rich are
imported where they are used, so that help and errors come at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from absl import flags as absl_flags

from tflottery.cli import (
    analyse,
    controls,
    export,
    find,
    flags,
    help,
    report,
    supermask,
)


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
        for name, text in help.SHARED.items():
            values[name] = flags.SettingFlag(name, bool, False, text)
        return values


COMMANDS = {
    command.name: command
    for command in (
        Command(
            name="find",
            summary="Search for a ticket: train, prune, rewind, repeat.",
            define=find.define,
            execute=find.execute,
            explain=find.explain,
            on_interrupt="Interrupted. What is finished is kept. Go on with",
        ),
        Command(
            name="controls",
            summary="Train what tickets are compared with: reinit, random...",
            define=controls.define,
            execute=controls.execute,
            explain=controls.explain,
            on_interrupt="Interrupted. What is finished is kept. Go on with",
        ),
        Command(
            name="analyse",
            summary="Examine tickets: stability, barriers, masks, weights.",
            define=analyse.define,
            execute=analyse.execute,
            explain=analyse.explain,
        ),
        Command(
            name="report",
            summary="Draw figures, tables and a page of what a search found.",
            define=report.define,
            execute=report.execute,
            explain=report.explain,
        ),
        Command(
            name="export",
            summary="Write a network as TFLite, .keras, SavedModel or ONNX.",
            define=export.define,
            execute=export.execute,
            explain=export.explain,
        ),
        Command(
            name="supermask",
            summary="Find a subnetwork of a random network, without training.",
            define=supermask.define,
            execute=supermask.execute,
            explain=supermask.explain,
            on_interrupt="Interrupted. What is finished is kept. Go on with",
        ),
    )
}
