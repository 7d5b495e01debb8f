"""`tflottery report`: its flags, its help text, and what it prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

from tflottery.cli import help


def define() -> absl_flags.FlagValues:
    """Returns the flags of `report`."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_multi_string(
        "run_dir", [], "Folder of a search.", flag_values=values
    )
    return values


def explain(values: absl_flags.FlagValues) -> str:
    """Returns the help text of `report`."""
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
            help.shared(values),
        ]
    )


def execute(values: absl_flags.FlagValues, words: Sequence[str]) -> int:
    """Runs `report`; returns the exit code."""
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
