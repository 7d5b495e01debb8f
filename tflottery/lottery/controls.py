"""`run_controls`: controls beside the tickets of a search that has been run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tflottery.core import documents, files
from tflottery.lottery import search
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.progress import Progress


def run_controls(
    run_dir: Any,
    branches: Sequence[str] = ("random_reinit", "random_ticket"),
    *,
    rounds: Sequence[int] | None = None,
    draws: int = 1,
    build: Callable[..., Any] | None = None,
    data: Any = None,
    data_dir: str | None = None,
    progress: Progress | None = None,
    strategy: Any = None,
    replicates: Sequence[int] | None = None,
    checkpoint_seconds: float = 30.0,
    vectorize: int = 1,
) -> search.SearchResult:
    """Trains networks to compare the tickets of a search with.

    Each differs from the ticket of its round in one thing: the weights, the
    mask, the order of the data, or how it is retrained. They have rows of
    their own in `results.csv`, a branch each, and files in
    `replicate_<n>/branches`. Stopped at any moment and started again, this
    goes on where it was and ends with the same bits.

    Args:
        run_dir: folder of the search; rounds of the ticket that are needed
            and not there yet are run first.
        branches: names of `tflottery.lottery.branches.registry.names()`, some
            with an argument, as in `"fine_tuning@500it"`. Default: the two
            controls of the original paper.
        rounds: which rounds. Default: all.
        draws: how often each control that is random is drawn anew.
        build: the function the search was given to build its model, if it was
            given one.
        data: the data set the search was given, if it was given one.
        data_dir: folder of TFDS data.
        progress: is told what happens.
        strategy: as `find_ticket` takes it.
        replicates: numbers of the replicates to run here. Default: all.
        checkpoint_seconds: least time between two checkpoints in a round.
        vectorize: how many networks are trained at once, as `find_ticket`
            takes it.

    Returns:
        A `SearchResult` over all rows, those of the tickets too.

    Raises:
        ValueError: `run_dir` holds no search, or a branch or round is
            unknown, before anything is trained.

    Example:
        >>> import tempfile, tflottery
        >>> config = tflottery.SearchConfig(
        ...     dataset="digits", steps=20, validate_every=20, rounds=1,
        ...     model_options={"hidden": [8]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = tflottery.find_ticket(
        ...         config=config, run_dir=folder, summaries=False)
        ...     result = tflottery.run_controls(folder, ["random_reinit"])
        >>> [(row["branch"], row["round"]) for row in result.rows]
        [('ticket', 0), ('ticket', 1), ('random_reinit', 1)]

    Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019,
    section 2 and appendices B, E, F.
    """
    return search.find_ticket(
        build,
        data,
        stored_config(run_dir),
        run_dir=run_dir,
        data_dir=data_dir,
        progress=progress,
        checkpoint_seconds=checkpoint_seconds,
        strategy=strategy,
        replicates=replicates,
        branches=branches,
        draws=draws,
        control_rounds=rounds,
        vectorize=vectorize,
    )


def stored_config(run_dir: Any) -> SearchConfig:
    """Returns the settings of the search in a run directory.

    Args:
        run_dir: folder of a search, local or remote.

    Raises:
        ValueError: there is no search.
    """
    place = files.as_path(run_dir) / "config.json"
    if not files.exists(place):
        raise ValueError(
            "`run_dir` must be the folder of a search. Received: "
            f"run_dir={str(run_dir)!r}, which has no config.json. Run "
            "`tflottery find --run_dir=...` or `find_ticket` first."
        )
    return SearchConfig.stored(run_dir, documents.read_json(place))
