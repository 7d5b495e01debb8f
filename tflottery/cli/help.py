"""Help texts: what can be asked for, on one screen.

absl lists flags by the module that defines them, those of every library
included. People look for a setting by what it is about.
"""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from absl import flags

_LEFT = 26

# Fields that are not named here are listed last, under "Other settings".
GROUPS: dict[str, tuple[str, ...]] = {
    "Data and model": (
        "dataset",
        "dataset_options",
        "validation_size",
        "augmentation",
        "model",
        "model_options",
        "keras",
    ),
    "Training": (
        "steps",
        "batch_size",
        "optimizer",
        "learning_rate",
        "schedule",
        "schedule_options",
        "optimizer_options",
        "validate_every",
        "jit_compile",
    ),
    "Pruning and rewinding": (
        "rounds",
        "prune_fraction",
        "output_prune_fraction",
        "layer_prune_fractions",
        "scope",
        "criterion",
        "structure",
        "structure_options",
        "rewind_to",
        "policy",
        "rewind_optimizer",
    ),
    "Repetition": ("replicates", "seed"),
}


SHARED = {
    "help": "Show this text.",
    "traceback": "On an error show where in the code it came from.",
}


def _width() -> int:
    return max(60, min(shutil.get_terminal_size((80, 24)).columns, 100))


def paragraph(text: str) -> str:
    """Wraps a text to the terminal's width."""
    return textwrap.fill(text, _width())


def entry(left: str, text: str, left_width: int = _LEFT) -> str:
    """Sets a name and what it means side by side, wrapped.

    Args:
        left: What can be typed.
        text: What it does.
        left_width: Columns of the left side. Defaults to 26.

    Returns:
        One or more lines, indented by two spaces.

    Example:
        >>> print(entry("find", "Searches.", 8))
          find    Searches.
    """
    indent = " " * (left_width + 2)
    start = "  " + left.ljust(left_width)
    prefix = ""
    if len(left) > left_width - 1:
        prefix, start = f"  {left}\n", indent
    body = textwrap.fill(
        text,
        _width(),
        initial_indent=start,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    return prefix + body


def write_value(value: Any) -> str:
    """Writes a value as one would type it after a flag."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return json.dumps(value)
    return str(value)


def flag_entry(flag: flags.Flag, shown: Any = None) -> str:
    """Sets one flag, what it does and its default.

    Args:
        flag: The flag.
        shown: The default to show; `None` shows none.
    """
    left = f"--{flag.name}={getattr(flag, 'placeholder', 'VALUE')}"
    if flag.boolean:
        left = f"--[no]{flag.name}"
    default = "" if shown is None else f" [{shown}]"
    return entry(left, f"{flag.help}{default}")


def grouped_settings(
    values: flags.FlagValues, defaults: Mapping[str, Any]
) -> str:
    """Sets the flags of a config, by what they are about.

    Args:
        values: Flags of `flags.define_config_flags`.
        defaults: The value of every field where its flag is not given.

    Returns:
        A block of lines per group, with an empty line between.
    """
    grouped = {name for names in GROUPS.values() for name in names}
    others = tuple(name for name in defaults if name not in grouped)
    blocks = []
    for title, names in {**GROUPS, "Other settings": others}.items():
        lines = [
            flag_entry(values[name], write_value(defaults[name]))
            for name in names
            if name in defaults
        ]
        if lines:
            blocks.append("\n".join([f"{title}:", *lines]))
    return "\n\n".join(blocks)


def overview(commands: Iterable[tuple[str, str]]) -> str:
    """Writes the text of `tflottery --help`.

    Args:
        commands: Pairs of a command's name and what it does.
    """
    return "\n".join(
        [
            paragraph(
                "tflottery finds lottery tickets in Keras models: sparse "
                "subnetworks that train as well as the dense network."
            ),
            "",
            "Usage: tflottery COMMAND [FLAGS]",
            "",
            "Commands:",
            *(entry(name, text, 10) for name, text in commands),
            "",
            entry("--help", "This text; after a command, its flags.", 10),
            entry("--version", "The version of tflottery.", 10),
            "",
            "To begin with:",
            "  tflottery find --run_dir=runs/first",
        ]
    )


def block(title: str, lines: Sequence[str]) -> str:
    """Sets lines under a title."""
    return "\n".join([f"{title}:", *lines])


def shared(values: flags.FlagValues) -> str:
    """Writes the part of a help text that all commands share."""
    lines = [entry(f"--{n}", values[n].help) for n in SHARED]
    lines.append(
        entry("--flagfile=FILE", "Read flags from a file, one a line.")
    )
    return block("General", lines)
