"""`find_ticket`: the search for winning tickets, resumable at any moment.

Replicates and rounds are stages; each asks the journal whether its result is
there. The loop is the whole algorithm: train, prune the weakest survivors,
rewind the others, repeat.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

from tflottery import data as datasets
from tflottery.core import checks, files
from tflottery.core.seeds import child_seed
from tflottery.lottery import context as context_module
from tflottery.lottery import journal, logs, network, recipes, verdict
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.context import SearchContext
from tflottery.lottery.progress import Progress
from tflottery.lottery.stages import ReplicateStages
from tflottery.rewinding.ticket import Ticket


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Args:
        rows: the rows of `results.csv`, numbers as numbers.
        run_dir: the run directory.
        verdict: what was found, in words.

    Example:
        >>> dense = {"round": 0, "density": 1.0, "best_step": 900,
        ...          "test_accuracy_best": 0.97}
        >>> half = {"round": 1, "density": 0.5, "best_step": 700,
        ...         "test_accuracy_best": 0.98}
        >>> result = SearchResult([dense, half], "runs/first", "")
        >>> result.winning_round
        1
    """

    rows: list[dict[str, Any]]
    run_dir: str
    verdict: str

    @property
    def winning_round(self) -> int | None:
        """The sparsest round that is a winning ticket, or `None`."""
        return verdict.winning_round(self.rows)

    @property
    def ticket(self) -> Ticket:
        """The best ticket of replicate 0: winning, else the best match."""
        return self.ticket_of_round(verdict.ticket_round(self.rows))

    def ticket_of_round(self, round: int, replicate: int = 0) -> Ticket:
        """Returns the ticket of one round."""
        place = files.as_path(self.run_dir) / f"replicate_{replicate}"
        return Ticket.load(place / f"round_{round:02d}" / "ticket")


def find_ticket(
    build: Callable[..., Any] | None = None,
    data: Any = None,
    config: SearchConfig | None = None,
    *,
    run_dir: Any = None,
    data_dir: str | None = None,
    progress: Progress | None = None,
    checkpoint_seconds: float = 30.0,
    summaries: bool = True,
) -> SearchResult:
    """Searches for winning tickets: replicates, rounds, all on disk.

    Round 0 trains the dense network for `config.steps` steps. Each further
    round removes the weakest survivors, rewinds weights, optimizer, step
    counter, seeds and data order to step k, and trains to the end. Stopped at
    any moment and started again with the same arguments, it goes on where it
    was and ends with the same bits.

    Args:
        build: function that returns a new, built model (logits), compiled or
            not; it may take `seed`. Default: `config.model` from the zoo.
        data: a `tflottery.data.Dataset`. Default: `config.dataset`.
        config: the settings. Default: the recipe `mnist1d_mlp`.
        run_dir: folder for all results. Default: `runs/<digest>`.
        data_dir: folder of TFDS data.
        progress: is told what happens; see `tflottery.lottery.progress`.
        checkpoint_seconds: least time between two checkpoints in a round.
        summaries: whether to write TensorBoard logs.

    Returns:
        A `SearchResult`.

    Raises:
        ValueError: a bad setting, before anything is trained; a run
            directory of other settings, or in use.
        TrainingDivergedError: the loss is not a number; finished rounds stay.

    Example:
        >>> import tempfile, tflottery
        >>> config = tflottery.SearchConfig(
        ...     dataset="digits", steps=20, validate_every=10, rounds=1,
        ...     model_options={"hidden": [8]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = tflottery.find_ticket(
        ...         config=config, run_dir=folder, summaries=False)
        >>> [round(row["density"], 2) for row in result.rows]
        [1.0, 0.8]

    Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019,
    section 1; Frankle et al., Stabilizing the Lottery Ticket Hypothesis,
    2019, algorithm 1.
    """
    config = (
        recipes.get(recipes.names()[0]).config if config is None else config
    )
    extra = {
        "build": _name_of(build),
        "data": None if data is None else repr(data),
    }
    if data is None:
        data = datasets.load(
            config.dataset,
            data_dir=data_dir,
            validation=config.validation_size,
            seed=child_seed(config.seed, "split"),
        )
    checks.check_instance("data", data, datasets.Dataset)
    context_module.rewind_step(config, data)  # refuses before any work
    run_dir = f"runs/{config.digest()}" if run_dir is None else run_dir
    build = (
        network.builder(config, data)
        if build is None
        else network.seeded(build)
    )
    progress = Progress() if progress is None else progress
    with journal.RunDirectory(run_dir, config, extra) as run:
        context = SearchContext(
            run, config, build, data, progress, checkpoint_seconds
        )
        progress.start(config.rounds, config.replicates)
        for number in range(config.replicates):
            _run_replicate(context, run.replicate(number), summaries)
        rows = run.write_results()
        progress.finish()
    return SearchResult(rows, str(run_dir), verdict.verdict(rows))


def _run_replicate(context, replicate, summaries):
    """Finishes every round of a replicate."""
    stages = ReplicateStages(context, replicate)
    unfinished = stages.unfinished()
    if not unfinished:
        return
    with contextlib.ExitStack() as stack:
        writer = None
        if summaries:
            writer = stack.enter_context(logs.open_writer(context, replicate))
        for round in range(context.config.rounds + 1):
            if round in unfinished:
                stages.run(round)
                context.run.write_results()
            if writer is not None:
                logs.write_round(writer, context, replicate, round)


def _name_of(build: Any) -> str | None:
    if build is None:
        return None
    return getattr(build, "__qualname__", type(build).__qualname__)
