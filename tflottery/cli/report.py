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
    absl_flags.DEFINE_string(
        "output", None, "Folder to write to.", flag_values=values
    )
    return values


def explain(values: absl_flags.FlagValues) -> str:
    """Returns the help text of `report`."""
    return "\n\n".join(
        [
            "Usage: tflottery report DIR [DIR ...] [--output=DIR]\n"
            "       tflottery report --run_dir=DIR[,DIR ...]",
            help.paragraph(
                "Prints the rounds of a search and draws, into its folder, "
                "report.html, one page with everything in it, and figures/, "
                "each figure as PNG, as SVG and as CSV: accuracy and "
                "early-stopping step against density, training, masks, and "
                "what `tflottery analyse` has found. The papers' numbers "
                "stand beside ours where a paper has run the same. The search "
                "may still be running."
            ),
            help.paragraph(
                "Of several searches, each has its report, and one more page "
                "compares them: against density and, if they differ in their "
                "rewinding step, against that."
            ),
            help.block(
                "Flags",
                [
                    help.entry(
                        "--run_dir=DIR",
                        "Folder of a search; several are separated by commas, "
                        "or the flag is repeated.",
                    ),
                    help.entry(
                        "--output=DIR",
                        "Folder to write to. [the search's own; for a "
                        "comparison, comparison/ in the first]",
                    ),
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

    found = report.write_report(run_dirs, values["output"].value)
    if isinstance(found, report.Report):
        print(report_text(found))
        return 0
    texts = [
        f"{run_dir}\n{'=' * len(run_dir)}\n{report_text(one)}"
        for run_dir, one in zip(run_dirs, found.reports, strict=True)
    ]
    paths = [("figure", found.figures[0]), ("page", found.page)]
    lines = [f"  {name:13} {path}" for name, path in paths]
    print("\n\n".join([*texts, "\n".join(["Compared:", *lines])]))
    return 0


def report_text(report: Any) -> str:
    """Writes a report for a terminal: table, verdict, claims and paths.

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
    parts = [report.table, "", help.paragraph(report.verdict), ""]
    if report.claims:
        parts += [help.paragraph(_claims(report.claims)), ""]
    return "\n".join([*parts, *lines])


def _claims(claims: Sequence[Any]) -> str:
    """Says how many of the papers' claims hold."""
    from tflottery.reports import claims_table

    return f"{claims_table.counts(claims)} The page has the papers' numbers."
