"""Reports of run directories: tables, figures and pages.

A search may have been stopped half-way, or its curves be missing; the report
draws what is there, and says what is not and how it comes about.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import Any

from tflottery.core import files
from tflottery.lottery import verdict as verdicts
from tflottery.reports import (
    claims_table,
    comparison,
    drawing,
    gallery,
    page,
    results,
    tables,
)
from tflottery.reports.claims import published
from tflottery.reports.claims.claim import Judged
from tflottery.reports.drawn import Drawn
from tflottery.reports.lacks import Lack
from tflottery.reports.run import Run

PAGE, FIGURES = "report.html", "figures"
COMPARISON = "comparison"


@dataclasses.dataclass(frozen=True)
class Report:
    """What was drawn of a run directory, and where it is.

    Args:
        run_dir: The run directory.
        table: The rounds as text.
        verdict: What was found, in words.
        results: Path of `results.csv`.
        figures: Paths of the figures, PNG before SVG.
        page: Path of the HTML page.
        tensorboard: Folder of the TensorBoard logs, `None` if there is none.
        ticket: File of the ticket that the verdict speaks of, in replicate 0;
            `None` if it is not there.
        numbers: Paths of the CSV files with what the figures show.
        claims: The papers' claims with our numbers; none for a network of
            which no paper speaks.
    """

    run_dir: Any
    table: str
    verdict: str
    results: Any
    figures: tuple[Any, ...]
    page: Any
    tensorboard: Any = None
    ticket: Any = None
    numbers: tuple[Any, ...] = ()
    claims: tuple[Judged, ...] = ()


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What was drawn of several run directories.

    Args:
        reports: The report of each.
        figures: Paths of the figures that compare them, PNG before SVG.
        page: Path of the HTML page that compares them.
        numbers: Paths of the CSV files with what the figures show.
    """

    reports: tuple[Report, ...]
    figures: tuple[Any, ...]
    page: Any
    numbers: tuple[Any, ...] = ()


def write_report(run_dirs: Any, output: Any = None) -> Report | Comparison:
    """Draws the figures and the page of run directories.

    For one run directory: `report.html`, and in `figures/` each figure as PNG,
    as SVG and as CSV file with the numbers it shows. For several, that for
    each of them, and a page with figures that compare them. Older files are
    replaced. What a run directory has no data for is left out and named on
    the page, with the command that would supply it.

    Args:
        run_dirs: The directory of a search, local or remote, or several in a
            list; the searches need not have come to their end.
        output: Folder to write to. Defaults to the run directory itself, and
            for the comparison of several to the folder `comparison` of the
            first. Given one, the comparison is in it, and each report in a
            folder of it that is named after the run directory.

    Returns:
        A `Report`; of several directories a `Comparison`.

    Raises:
        ValueError: If no round has finished, `results.csv` is not sound, or
            no directory is given.
    """
    if isinstance(run_dirs, str | os.PathLike):
        return _write_one(Run(run_dirs), output)
    places = list(dict.fromkeys(run_dirs))
    if not places:
        raise ValueError(
            "`run_dirs` must name at least one run directory. Received: "
            f"run_dirs={run_dirs!r}. Use write_report('runs/first')."
        )
    runs = [Run(place) for place in places]
    if len(runs) == 1:
        return _write_one(runs[0], output)
    folders = _folders(runs, output)
    reports = tuple(
        _write_one(run, folder)
        for run, folder in zip(runs, folders, strict=True)
    )
    place = runs[0].path / COMPARISON if output is None else output
    return _compare(runs, reports, files.as_path(place))


def _folders(runs: Sequence[Run], output: Any) -> list[Any]:
    """Returns where each of several reports goes; no two to one place."""
    if output is None:
        return [None] * len(runs)
    names: list[str] = []
    for run in runs:
        name, number = run.path.name, 2
        while name in names:
            name, number = f"{run.path.name}_{number}", number + 1
        names.append(name)
    return [files.as_path(output) / name for name in names]


@dataclasses.dataclass
class _Saved:
    """Figures that are on disk."""

    pictures: list[page.Picture] = dataclasses.field(default_factory=list)
    figures: list[Any] = dataclasses.field(default_factory=list)
    numbers: list[Any] = dataclasses.field(default_factory=list)
    lacks: list[Lack] = dataclasses.field(default_factory=list)


def _save(found: Iterable[Drawn | Lack], folder: Any) -> _Saved:
    saved = _Saved()
    for one in found:
        if isinstance(one, Lack):
            saved.lacks.append(one)
            continue
        paths = drawing.save(one.figure, folder, one.name)
        table = folder / f"{one.name}.csv"
        results.write_table(table, one.numbers)
        svg = files.read_bytes(paths["svg"])
        saved.pictures.append(page.Picture(one.caption, svg, one.section))
        saved.figures.extend(paths.values())
        saved.numbers.append(table)
    return saved


def _if_there(path: Any) -> Any:
    return path if files.exists(path) else None


def _note(run: Run, has_claims: bool) -> str:
    """Says in what a run differs from published settings, and what that bars.

    Args:
        run: The run.
        has_claims: Whether claims of papers are beside it.

    Returns:
        Sentences; nothing if no paper speaks of its network.
    """
    left_out = published.choose(run).left_out
    texts = [_differences(run)] if has_claims else []
    return " ".join([*texts, *([left_out] if left_out else [])])


def _differences(run: Run) -> str:
    recipe, differences = published.differences(run)
    replicates = len({row["replicate"] for row in run.rows})
    runs = f"{replicates} replicate{'s' if replicates > 1 else ''} here."
    if not recipe:
        return runs
    if not differences:
        return f"Settings as published (recipe {recipe}); {runs}"
    texts = "; ".join(differences)
    return f"Settings as published (recipe {recipe}), but {texts}. {runs}"


def _write_one(run: Run, output: Any) -> Report:
    folder = run.path if output is None else files.as_path(output)
    saved = _save(gallery.draw(run), folder / FIGURES)
    claims = tuple(published.judged(run))
    if claims:
        table = folder / FIGURES / "claims.csv"
        results.write_table(table, claims_table.claims_rows(claims))
        saved.numbers.append(table)
    words = verdicts.verdict(run.rows)
    place = folder / PAGE
    text = page.html_page(
        run.rows,
        title=f"Lottery tickets: {run.title}",
        verdict=words,
        figures=saved.pictures,
        settings=run.facts,
        claims=claims,
        note=_note(run, bool(claims)),
        lacks=[*saved.lacks, *(c.lack for c in claims if c.lack)],
        run_dir=run.path,
        own=run.own,
    )
    files.write_text(place, text)
    kept = f"round_{verdicts.ticket_round(run.rows):02d}"
    return Report(
        run_dir=run.path,
        table=tables.text_tables(run.rows),
        verdict=words,
        results=run.path / results.RESULTS_FILE,
        figures=tuple(saved.figures),
        page=place,
        tensorboard=_if_there(run.path / "tensorboard"),
        ticket=_if_there(run.path / "replicate_0" / kept / "ticket"),
        numbers=tuple(saved.numbers),
        claims=claims,
    )


def _compare(
    runs: Sequence[Run], reports: tuple[Report, ...], folder: Any
) -> Comparison:
    saved = _save(comparison.draw(runs), folder / FIGURES)
    note = comparison.why_not_over_steps(runs)
    names = comparison.different_settings(runs)
    rows = [
        {
            "search": label,
            "folder": run.path,
            **{name: run.facts.get(name, "") for name in names},
            "found": report.verdict,
        }
        for label, run, report in zip(
            comparison.labels(runs), runs, reports, strict=True
        )
    ]
    place = folder / PAGE
    title = f"{len(runs)} searches compared"
    text = page.comparison_page(title, rows, saved.pictures, note)
    files.write_text(place, text)
    return Comparison(
        reports=reports,
        figures=tuple(saved.figures),
        page=place,
        numbers=tuple(saved.numbers),
    )
