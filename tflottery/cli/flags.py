"""absl flags made from the fields of a config dataclass.

A setting is written down once, as a field with its help text; the flag, its
parser and its line in `--help` follow from that. Flags live in a `FlagValues`
of their own, so that those of other libraries neither clash nor show.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Sequence
from typing import Any

from absl import flags

from tflottery.core import checks
from tflottery.lottery import training_config

_UNSET = ("unset", "none", "null", "")
_BOOLEANS = {
    "true": True,
    "yes": True,
    "1": True,
    "false": False,
    "no": False,
    "0": False,
}


def _text(argument: str) -> str:
    return argument


def _boolean(argument: str) -> bool:
    return _BOOLEANS[argument.lower()]


def _json_object(argument: str) -> dict[str, Any]:
    value = json.loads(argument)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


# type -> (how a text is read, what `--help` calls it, what messages do)
_KINDS: dict[type, tuple[Any, str, str]] = {
    str: (_text, "NAME", "a text"),
    int: (int, "N", "an integer, such as 100"),
    float: (float, "X", "a number, such as 0.2 or 1e-3"),
    bool: (_boolean, "true|false", "true or false"),
    dict: (_json_object, "JSON", "a JSON object, such as '{\"name\": 1}'"),
}


class SettingFlag(flags.Flag):
    """A flag for one value of a known type.

    Args:
        name: The flag's name, without dashes.
        kind: str, int, float, bool or dict; a dict is written as JSON.
        default: Its value where it is not given.
        help: One sentence.
        optional: Whether `none` is a value too. Defaults to `False`.
        placeholder: What stands for the value in a help text. Defaults to
            `None`, a letter or word for the kind, such as `N`.
    """

    def __init__(
        self,
        name: str,
        kind: type,
        default: Any,
        help: str,
        optional: bool = False,
        placeholder: str | None = None,
    ):
        self.kind = kind
        self.placeholder = placeholder or _KINDS[kind][1]
        self.optional = optional
        super().__init__(
            flags.ArgumentParser(), flags.ArgumentSerializer(), name, None, help
        )
        self.boolean = kind is bool
        self.default = self.value = default

    def parse(self, argument: Any) -> None:
        """Takes a text from the command line."""
        read, _, expected = _KINDS[self.kind]
        text = str(argument)
        if self.optional and text.lower() in _UNSET:
            self.value = None
        else:
            try:
                self.value = read(text)
            except (KeyError, ValueError):
                unset = ", or none" if self.optional else ""
                raise flags.IllegalFlagValueError(
                    f"`--{self.name}` must be {expected}{unset}. Received: "
                    f"--{self.name}={text}."
                ) from None
        self.present += 1


def _kind_of(field_type: Any) -> tuple[type, bool]:
    """Returns the bare type of an annotation and whether None is one too."""
    parts = [field_type]
    if typing.get_origin(field_type) in (typing.Union, types.UnionType):
        parts = list(typing.get_args(field_type))
    bare = [part for part in parts if part is not type(None)]
    kind = typing.get_origin(bare[0]) or bare[0]
    if len(bare) != 1 or kind not in _KINDS:
        names = ", ".join(known.__name__ for known in _KINDS)
        raise TypeError(
            f"A field that is a flag must be one of {names}, optional or not. "
            f"Received: {field_type}. Teach tflottery.cli.flags this type."
        )
    return kind, len(bare) < len(parts)


def define_config_flags(
    config_class: type, values: flags.FlagValues | None = None
) -> flags.FlagValues:
    """Defines a flag for every field of a config dataclass.

    Args:
        config_class: A dataclass such as `SearchConfig`. Fields are of type
            str, int, float, bool or dict, or one of them or None; the help
            text is their `help` metadata.
        values: Where to define the flags. Defaults to `None`, a new one.

    Returns:
        The flags.

    Raises:
        TypeError: If a field is of another type.

    Example:
        >>> values = define_config_flags(training_config.TrainingConfig)
        >>> rest = values(["find", "--steps=200", "--nojit_compile"])
        >>> given(values, training_config.TrainingConfig)
        {'steps': 200, 'jit_compile': False}
    """
    values = flags.FlagValues() if values is None else values
    hints = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        kind, optional = _kind_of(hints[field.name])
        values[field.name] = SettingFlag(
            field.name,
            kind,
            training_config.default_of(field),
            field.metadata.get("help", ""),
            optional,
        )
    return values


def given(values: flags.FlagValues, config_class: type) -> dict[str, Any]:
    """Returns the fields that were written on the command line.

    Args:
        values: Flags of `define_config_flags`, parsed.
        config_class: The dataclass they were made from.

    Returns:
        A dict of the fields whose flag was given, also where the value given
        is the default; in the order of the fields.
    """
    return {
        field.name: values[field.name].value
        for field in dataclasses.fields(config_class)
        if values[field.name].present
    }


def parse(values: flags.FlagValues, arguments: Sequence[str]) -> list[str]:
    """Parses arguments; flags and other words may stand in any order.

    Args:
        values: The flags to fill.
        arguments: The words after the command's name.

    Returns:
        The words that are no flags.

    Raises:
        ValueError: If a flag is unknown (the message names the nearest), lacks
            its value or has one it cannot take.
    """
    values.set_gnu_getopt(True)
    try:
        return values(["tflottery", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        # Raises; absl's own message knows no way out.
        checks.check_choice(
            "flag",
            f"--{error.flagname}",
            [f"--{name}" for name in sorted(values)],
            way_out="`--help` says what they do.",
        )
        raise  # pragma: no cover
    except flags.Error as error:
        raise ValueError(str(error)) from None
