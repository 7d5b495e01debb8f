"""`tflottery supermask`: its flags, its help text, and which way it goes.

A strong ticket is constructed for a given network (`strong_ticket`), or a mask
is trained over random weights (`trained_supermask`). The method decides, and
flags of the other way are refused rather than ignored.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from absl import flags as absl_flags

from tflottery.cli import (
    flags,
    help,
    networks,
    strong_ticket,
    trained_supermask,
)
from tflottery.core import checks
from tflottery.lottery.supermask_config import METHODS, SupermaskConfig

_ALL = (*strong_ticket.METHODS, *METHODS)
_SHARED = ("method", "output", "seed", "run_dir", "dataset", "data_dir")


def define() -> absl_flags.FlagValues:
    """Returns the flags of `supermask`."""
    values = flags.define_config_flags(SupermaskConfig)
    values["method"].help = "Which way a mask is found, see below."
    for name, kind, placeholder, text in (
        *networks.FLAGS,
        *networks.DATA_FLAGS,
        *strong_ticket.FLAGS,
        *trained_supermask.FLAGS,
    ):
        if name not in values:
            values[name] = flags.SettingFlag(
                name,
                kind,
                None,
                text,
                optional=True,
                placeholder=placeholder,
            )
    values["run_dir"].help = (
        "Constructions: folder of a search, whose network is the target. "
        "Training: folder of all results; what is found there is continued."
    )
    return values


def explain(values: absl_flags.FlagValues) -> str:
    """Returns the help text of `supermask`."""

    def block(title, names):
        return help.block(title, [help.flag_entry(values[n]) for n in names])

    of_networks = [row[0] for row in networks.FLAGS if row[0] != "run_dir"]
    settings = {
        name: value
        for name, value in SupermaskConfig().to_dict().items()
        if name not in ("method", "seed")
    }
    return "\n\n".join(
        [
            "Usage: tflottery supermask --run_dir=DIR --output=FILE.keras "
            "[--method=logarithmic]\n"
            "       tflottery supermask --method=edge_popup --run_dir=DIR "
            "[FLAGS]",
            help.paragraph(
                "Finds a subnetwork of a random network whose weights are "
                "never trained. A construction finds one that computes what a "
                "given network does, and certifies how nearly; training finds "
                "one that does well on data."
            ),
            block("What and where", ("method", "run_dir", "output")),
            help.block(
                "Constructions",
                [help.entry(n, t) for n, t in strong_ticket.METHODS.items()],
            ),
            help.block(
                "Trained masks",
                [
                    help.entry(n, t)
                    for n, t in trained_supermask.METHODS.items()
                ],
            ),
            block("Constructions: the target", of_networks),
            block(
                "Constructions: how near",
                [row[0] for row in strong_ticket.FLAGS if row[0] != "output"],
            ),
            help.paragraph("Flags below are those of trained masks."),
            help.grouped_settings(values, settings),
            block(
                "For both",
                ("seed", "data_dir"),
            ),
            help.shared(values),
        ]
    )


def execute(values: absl_flags.FlagValues, words: Sequence[str]) -> int:
    """Runs `supermask`; returns the exit code."""
    if words:
        raise ValueError(
            f"`tflottery supermask` takes flags only. Received: {words[0]!r}. "
            f"Write --name=value, such as --run_dir={words[0]}."
        )
    method = values["method"].value
    if not values["method"].present:
        method = next(iter(strong_ticket.METHODS))
    checks.check_choice("method", method, _ALL)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    constructs = method in strong_ticket.METHODS
    known = _known_to(constructs)
    for name in values:
        if (
            values[name].present
            and name not in known
            and name
            not in (
                *_SHARED,
                *help.SHARED,
                "help",
                "flagfile",
            )
        ):
            others = METHODS if constructs else strong_ticket.METHODS
            raise ValueError(
                f"`--{name}` is for {', '.join(others)}. Received: --{name} "
                f"with --method={method}. Leave it out, or choose one of "
                "those methods."
            )
    if constructs:
        return strong_ticket.run(values, method)
    return trained_supermask.run(values, method)


def _known_to(constructs: bool) -> set[str]:
    """Returns the flags that belong to one of the two ways."""
    if constructs:
        rows = (*networks.FLAGS, *networks.DATA_FLAGS, *strong_ticket.FLAGS)
        return {row[0] for row in rows}
    fields = flags.define_config_flags(SupermaskConfig)
    return {*fields, *(row[0] for row in trained_supermask.FLAGS)}
