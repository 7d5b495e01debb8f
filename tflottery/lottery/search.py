"""`find_ticket`: the search for winning tickets, resumable at any moment.

Replicates and rounds are stages; each asks the journal whether its result is
there. The loop is the whole algorithm: train, prune the weakest survivors,
rewind the others, repeat.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.core import checks
from tflottery.distribution import batches, limits, strategies
from tflottery.distribution.workers import Workers
from tflottery.lottery import (
    arguments,
    given,
    learning_rates,
    loading,
    network,
    recipes,
    shared_work,
    stages,
    verdict,
)
from tflottery.lottery import context as context_module
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.context import SearchContext
from tflottery.lottery.engines import joint, pipeline, programs
from tflottery.lottery.finished import FinishedRound
from tflottery.lottery.plan import Plan
from tflottery.lottery.progress import Progress
from tflottery.lottery.run_directory import RunDirectory
from tflottery.lottery.together import Together
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
        """Returns the ticket of one round.

        Raises:
            ValueError: there is no such round, or it is not finished.
        """
        return FinishedRound.of(self.run_dir, replicate, round).ticket()


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
    strategy: Any = None,
    replicates: Sequence[int] | None = None,
    branches: Sequence[str] | None = None,
    draws: int = 1,
    control_rounds: Sequence[int] | None = None,
    vectorize: int = 1,
) -> SearchResult:
    """Searches for winning tickets: replicates, rounds, all on disk.

    Round 0 trains the dense network for `config.steps` steps. Each further
    round removes the weakest survivors, rewinds weights, optimizer, step
    counter, seeds and data order to step k, and trains to the end. Stopped at
    any moment and started again with the same arguments, it goes on where it
    was and ends with the same bits.

    Under a strategy the batches are the same as without one, divided among
    its replicas. With several workers each calls this function with the same
    arguments; the chief alone touches the run directory. Several independent
    processes may share a run directory: each works on replicates that no
    other has claimed.

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
        strategy: a `tf.distribute.Strategy`, or one by name: `"none"`,
            `"one_device"`, `"mirrored"`, `"multi_worker"`, `"tpu"`. Default:
            the one in scope.
        replicates: numbers of the replicates to run here, from 0. Default:
            all that no other process works on.
        branches: what to run of each replicate: `"ticket"`, and controls to
            compare it with, `tflottery.lottery.branches.registry.names()`;
            some take an argument, as in `"fine_tuning@500it"`. Rounds of the
            ticket that a control needs are run too. Default: `["ticket"]`.
        draws: how often each control that is random is drawn anew.
        control_rounds: rounds of which controls are run. Default: all.
        vectorize: how many networks, replicates or draws of controls, are
            trained at once; with the same results, and with the memory of so
            many networks. Needs data in memory and Keras' own train step.
            Default: one after the other.

    Returns:
        A `SearchResult`, over all rounds that are finished when it is made,
        by whichever process.

    Raises:
        ValueError: a bad setting or a strategy that cannot work, before
            anything is written; a run directory of other settings, or where
            `build` made another network or `data` was other data; all that
            there is to do is being done by other processes.
        TrainingDivergedError: the loss is not a number; finished rounds stay.
        WorkerLostError: another worker of the cluster has gone.

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
    arguments.check_kinds(build, data, config, progress, checkpoint_seconds)
    if config is None:
        config = recipes.get(recipes.names()[0]).config
    branches = arguments.listed("branches", branches, (stages.TICKET,))
    if control_rounds is not None:
        control_rounds = arguments.listed("control_rounds", control_rounds, ())
    checks.check_positive_int("vectorize", vectorize)
    if config.policy == "fine_tuning":
        learning_rates.check_end(config, "policy='fine_tuning'")
    chosen = arguments.chosen(replicates, config.replicates)
    workers = Workers(strategies.get(strategy))
    if build is None:
        limits.limits(workers.strategy, config.keras)  # refuses
    batches.check_batch_size(config.batch_size, workers.replicas)
    own_build, own_data = build is not None, data is not None
    extra = {
        "build": arguments.name_of(build),
        "data": None if data is None else repr(data),
    }
    if data is None:
        data = loading.load_data(config, data_dir)
    context_module.rewind_step(config, data)  # refuses before any work
    plan = Plan.create(config, data, branches, control_rounds, draws)
    if vectorize > 1:
        joint.refuse(programs.obstacle_around(data, workers.strategy))
    pipeline.evaluation_batches(data, workers.replicas)
    run_dir = f"runs/{config.digest()}" if run_dir is None else run_dir
    build = (
        network.seeded(build) if own_build else network.builder(config, data)
    )
    if progress is None or not workers.is_chief:
        progress = Progress()
    with workers.watched():
        facts = {"data": given.of_data(data, config)} if own_data else {}
        if workers.count > 1:
            asked = {**config.to_dict(), **extra, "chosen": chosen}
            asked["plan"] = [branches, draws, control_rounds]
            asked = [asked, summaries, tf.__version__, np.__version__]
            workers.check_same("settings", given.digest_of(asked))
            workers.check_same(
                "data", given.digest_of(given.of_data(data, config))
            )
        prepared = []
        if own_build or not workers.from_chief(
            lambda: RunDirectory.exists(run_dir)
        ):
            # Before anything is written: what cannot be built ends here.
            noting = _noting(build, facts) if own_build else build
            prepared.append(
                context_module.first_network(config, noting, data, workers)
            )
            if vectorize > 1:
                joint.refuse(programs.obstacle(prepared[0], data))
        if own_build and workers.count > 1:
            workers.check_same("build", given.digest_of(facts["build"]))
        run = RunDirectory(run_dir, config, extra, workers, facts)
        context = SearchContext(
            run,
            config,
            build,
            data,
            progress,
            checkpoint_seconds,
            workers,
            prepared=prepared,
        )
        progress.start(config.rounds, config.replicates)
        plan.announce(progress)
        shared_work.run_replicates(
            context, chosen, plan, summaries, Together(context, vectorize)
        )
        rows = run.write_results()
        progress.finish()
    return SearchResult(rows, str(run_dir), verdict.verdict(rows))


def _noting(
    build: Callable[[int], Any], facts: dict[str, Any]
) -> Callable[[int], Any]:
    """Returns a build function that takes note of what it has built."""

    def build_and_note(seed):
        model = build(seed)
        facts["build"] = given.of_network(model)
        return model

    return build_and_note
