"""`analyse`: everything that can be said of one run directory, in tables.

The run directory is only read, but for its folder `analysis`, so the search
may still be at work. What it lacks is skipped and named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tflottery.analysis import (
    connectivity,
    errors,
    interpolation,
    movement,
    overlap,
    stability,
    summary,
    surviving_weights,
)
from tflottery.analysis.findings import Findings
from tflottery.analysis.run_files import RunFiles
from tflottery.core import checks, files
from tflottery.core.seeds import child_seed
from tflottery.lottery import finished

FOLDER = "analysis"
INTERPOLATION = "interpolation"
_EXAMINERS: dict[str, Callable[[RunFiles], Findings]] = {
    "stability": stability.examine,
    "overlap": overlap.examine,
    "surviving_weights": surviving_weights.examine,
    "movement": movement.examine,
    "connectivity": connectivity.examine,
}
PARTS = (*_EXAMINERS, INTERPOLATION)  # what takes longest comes last


@dataclasses.dataclass(frozen=True)
class Analysis:
    """What an analysis has found.

    Args:
        paths: `{table: file}` of the tables that were written.
        tables: `{table: rows}`, rows as dicts; a table may be empty.
        lacks: what could not be looked at, one sentence each.
        text: the main numbers, for a terminal.

    Example:
        >>> Analysis({}, {"signs": []}, ["No round is finished."], "").lacks
        ['No round is finished.']
    """

    paths: dict[str, str]
    tables: dict[str, list[dict[str, Any]]]
    lacks: list[str]
    text: str


def analyse(
    run_dir: Any,
    *,
    parts: Sequence[str] | None = None,
    rounds: Iterable[int] | None = None,
    alphas: int = interpolation.ALPHAS,
    train_examples: int = errors.TRAIN_EXAMPLES,
    build: Callable[..., Any] | None = None,
    data: Any = None,
    data_dir: str | None = None,
    note: Callable[[str], None] | None = None,
) -> Analysis:
    """Examines the tickets of a run directory and writes what it finds.

    Each table is a CSV file in the folder `analysis` of the run directory,
    written whole or not at all; a table without rows has no file.

    Args:
        run_dir: folder of the search, local or remote; it may still be
            running.
        parts: what to look at: `"stability"`, `"overlap"`,
            `"surviving_weights"`, `"movement"`, `"connectivity"`,
            `"interpolation"`. Default: all.
        rounds: numbers of the rounds to look at; round 0, the dense network,
            is always among them. Default: all that are finished.
        alphas: places on each line of `"interpolation"`, at least 2; default
            30, as in the paper.
        train_examples: how many training examples give the training error
            there, drawn once for all networks. Default 10,000; all of them
            if there are fewer.
        build: the function the search was given to build its model, if it
            was given one.
        data: the data the search was given, if it was given any.
        data_dir: folder of TFDS data.
        note: is told, in words, what is looked at.

    Returns:
        An `Analysis`.

    Raises:
        ValueError: `run_dir` holds no search or no finished round; a part is
            unknown; `build` or `data` is missing for a part asked for.
        DamagedFileError: the settings are damaged.

    Example:
        >>> import tempfile, tflottery
        >>> config = tflottery.SearchConfig(
        ...     dataset="digits", steps=20, validate_every=20, rounds=1,
        ...     model_options={"hidden": [8]}, jit_compile=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = tflottery.find_ticket(
        ...         config=config, run_dir=folder, summaries=False)
        ...     found = analyse(folder, parts=["overlap"])
        >>> row = found.tables["overlap"][0]
        >>> row["first"], row["second"], round(row["overlap"], 1)
        (0, 1, 0.8)

    Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019,
    appendix F; Frankle et al., Stabilizing the Lottery Ticket Hypothesis,
    2019, section 2; Frankle et al., Linear Mode Connectivity and the Lottery
    Ticket Hypothesis, 2020, section 2.
    """
    chosen = _chosen(parts)
    interpolation.alphas(alphas)  # refuses before any work
    note = note or (lambda text: None)
    run = RunFiles(run_dir, rounds)
    found: dict[str, Findings] = {}
    paths: dict[str, str] = {}
    for part in PARTS:
        if part not in chosen:
            continue
        note(part.replace("_", " "))
        if part == INTERPOLATION:
            missing = _missing(run, build, data)
            if missing and parts is not None:
                raise ValueError(missing)
            found[part] = (
                Findings({}, [missing])
                if missing
                else _interpolation(
                    run, alphas, train_examples, build, data, data_dir, note
                )
            )
        else:
            found[part] = _EXAMINERS[part](run)
        paths.update(_write(run, found[part]))
    tables = {k: v for part in found.values() for k, v in part.tables.items()}
    lacks = [text for part in found.values() for text in part.lacks]
    return Analysis(paths, tables, lacks, summary.text(tables))


def _chosen(parts: Sequence[str] | None) -> Sequence[str]:
    if parts is None:
        return PARTS
    if isinstance(parts, str):
        raise TypeError(
            f"`parts` must be a list. Received: parts={parts!r}. Use "
            f"parts=[{parts!r}]."
        )
    for part in parts:
        checks.check_choice("parts", part, PARTS)
    return parts


def _missing(run: RunFiles, build: Any, data: Any) -> str:
    """Says what a search on a user's own model or data needs for errors."""
    for name, given in (("build", build), ("data", data)):
        if run.identity.get(name) is not None and given is None:
            return (
                f"`{name}` must be given for interpolation: the search was "
                f"given its own. Received: {name}=None; the search had "
                f"{run.identity[name]}. Call `tflottery.analysis.analyse` from "
                f"Python with that `{name}`."
            )
    return ""


def _interpolation(
    run: RunFiles,
    alphas: int,
    train_examples: int,
    build: Any,
    data: Any,
    data_dir: str | None,
    note: Callable[[str], None],
) -> Findings:
    if not any(True for _ in interpolation.pairs(run)):
        return interpolation.examine(run, lambda values: (0.0, 0.0), alphas)
    replicate = run.replicates[0]
    model = finished.load_network(
        run.path, replicate=replicate, round=0, build=build, data_dir=data_dir
    )
    if data is None:
        data = finished.FinishedRound.of(run.path, replicate, 0).data(data_dir)
    meter = errors.ErrorMeter(
        model,
        data,
        seed=child_seed(run.config.seed, "training error"),
        train_examples=train_examples,
    )
    return interpolation.examine(run, meter, alphas, note)


def _write(run: RunFiles, found: Findings) -> dict[str, str]:
    """Writes the tables that have rows, removes those that have none."""
    paths = {}
    for table, rows in found.tables.items():
        place = run.path / FOLDER / f"{table}.csv"
        if rows:
            files.write_text(place, found.csv(table))
            paths[table] = str(place)
        else:
            files.remove(place)
    return paths
