"""The report of one run directory: tables, figures and page.

A search may have been stopped half-way, or its curves be missing; the report
draws what is there.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tflottery.core import documents, files
from tflottery.lottery import verdict as verdicts
from tflottery.reports import drawing, figures, page, results, tables

_DENSITY_CAPTION = (
    "Test accuracy at the early-stopping step, and that step itself (least "
    "validation loss, found afterwards), against the share of weights that "
    "are left."
)
_TRAINING_CAPTION = (
    "Validation loss and accuracy during training, for some of the rounds."
)


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
    """

    run_dir: Any
    table: str
    verdict: str
    results: Any
    figures: tuple[Any, ...]
    page: Any
    tensorboard: Any = None
    ticket: Any = None


def _if_there(path: Any) -> Any:
    return path if files.exists(path) else None


def _settings(run_dir: Any) -> dict[str, Any]:
    """Returns the settings of the search, none if they cannot be read."""
    try:
        stored = documents.read_json(run_dir / "config.json")
    except (FileNotFoundError, files.DamagedFileError, files.ForeignFileError):
        return {}
    settings = stored.get("config", {})
    return settings if isinstance(settings, dict) else {}


def _title(run_dir: Any, settings: dict[str, Any]) -> str:
    if "model" in settings and "dataset" in settings:
        return f"{settings['model']} on {settings['dataset']}"
    return run_dir.name


def write_report(run_dir: Any) -> Report:
    """Draws the figures and the page of a run directory, into it.

    `figures/density.png`, `figures/training_curves.png` (if there are
    histories), both also as SVG, and `report.html` are written; older ones
    are replaced.

    Args:
        run_dir: The directory of a search, local or remote; it need not have
            come to its end.

    Returns:
        A `Report`.

    Raises:
        ValueError: If no round has finished, or `results.csv` is not sound.
    """
    run_dir = files.as_path(run_dir)
    rows = results.read_results(run_dir)
    histories = results.read_histories(run_dir)
    settings = _settings(run_dir)
    title = _title(run_dir, settings)
    drawn = {"density": (_DENSITY_CAPTION, figures.density_figure(rows, title))}
    if any(h["step"].size for per in histories.values() for h in per.values()):
        densities = {
            row["round"]: row["density"]
            for row in rows
            if row["branch"] == "ticket"
        }
        drawn["training_curves"] = (
            _TRAINING_CAPTION,
            figures.training_figure(histories, densities, title=title),
        )
    paths: list[Any] = []
    embedded = {}
    for name, (caption, figure) in drawn.items():
        saved = drawing.save(figure, run_dir / "figures", name)
        paths.extend(saved.values())
        embedded[caption] = files.read_bytes(saved["svg"])
    words = verdicts.verdict(rows)
    place = run_dir / "report.html"
    files.write_text(
        place,
        page.html_page(
            rows,
            title=f"Lottery tickets: {title}",
            verdict=words,
            figures=embedded,
            settings=settings,
        ),
    )
    kept = f"round_{verdicts.ticket_round(rows):02d}"
    return Report(
        run_dir=run_dir,
        table=tables.text_tables(rows),
        verdict=words,
        results=run_dir / results.RESULTS_FILE,
        figures=tuple(paths),
        page=place,
        tensorboard=_if_there(run_dir / "tensorboard"),
        ticket=_if_there(run_dir / "replicate_0" / kept / "ticket"),
    )
