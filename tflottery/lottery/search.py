"""`find_ticket`: the search for winning tickets, resumable at any moment.

Replicates and rounds are stages; each asks the journal whether its result is
there. The loop is the whole algorithm: train, prune the weakest survivors,
rewind the others, repeat.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable
from typing import Any

from tflottery import data as datasets
from tflottery.core import files
from tflottery.core.seeds import child_seed
from tflottery.core.step import Step
from tflottery.layers import evidence, prune, state
from tflottery.lottery import journal, network, recipes, training, verdict
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.progress import Progress
from tflottery.rewinding import policy as policies
from tflottery.rewinding.snapshot import Snapshot
from tflottery.rewinding.ticket import Ticket

_logger = logging.getLogger("tflottery")


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Args:
        rows: the rows of `results.csv`, numbers as numbers.
        run_dir: the run directory.
        verdict: what was found, in words.
    """

    rows: list[dict[str, Any]]
    run_dir: str
    verdict: str

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
    config = recipes.get(recipes.names()[0]).config if config is None else config
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
    rewind_step = _rewind_step(config, data)
    run_dir = f"runs/{config.digest()}" if run_dir is None else run_dir
    build = (
        network.builder(config, data) if build is None else network.seeded(build)
    )
    progress = Progress() if progress is None else progress
    with journal.RunDirectory(run_dir, config, extra) as run:
        search = _Search(
            run, config, build, data, rewind_step, checkpoint_seconds, progress
        )
        progress.start(config.rounds, config.replicates)
        for number in range(config.replicates):
            search.run_replicate(number, summaries)
        rows = run.write_results()
        progress.finish()
    return SearchResult(rows, str(run_dir), verdict.verdict(rows))


class _Search:
    """The stages of a search; each returns at once if its result is there."""

    def __init__(
        self, run, config, build, data, rewind_step, checkpoint_seconds, progress
    ):
        self.run = run
        self.config = config
        self.build = build
        self.data = data
        self.rewind_step = rewind_step
        self.checkpoint_seconds = checkpoint_seconds
        self.progress = progress
        self.policy = policies.get(
            {"name": config.policy, "optimizer": config.rewind_optimizer}
            if config.policy in ("weight_rewinding", "learning_rate_rewinding")
            else config.policy
        )
        self._trainer: training.RoundTrainer | None = None

    def run_replicate(self, number: int, summaries: bool) -> None:
        """Finishes every round of a replicate."""
        replicate = self.run.replicate(number)
        unfinished = [
            round
            for round in range(self.config.rounds + 1)
            if not self._is_finished(replicate, round)
        ]
        writer = None
        try:
            for round in range(self.config.rounds + 1):
                if round in unfinished:
                    self._run_round(replicate, round)
                    self.run.write_results()
                if summaries and unfinished:
                    writer = writer or self._open_summaries(replicate)
                    self._summarise(writer, replicate, round)
        finally:
            if writer is not None:
                writer.close()

    def _is_finished(self, replicate, round):
        return (
            replicate.result(round) is not None
            and replicate.mask(round) is not None
            and replicate.snapshot(_trained(round)) is not None
            and self._ticket_is_there(replicate, round)
        )

    def _ticket_is_there(self, replicate, round):
        place = replicate.round_path(round) / "ticket"
        return self.run._read(place, Ticket.load) is not None

    def _run_round(self, replicate, round):
        trainer = self._trainer_for(replicate)
        model = trainer.model
        first_step = self._begin_round(replicate, round)
        mask = evidence.current_mask(model)
        self.progress.round_started(
            replicate.number, round, mask.density, self.config.steps
        )
        stops = {}
        if round == 0:
            stops[self.rewind_step] = lambda: replicate.write_snapshot(
                "rewind", Snapshot.take(model)
            )
        checkpoint = replicate.round_path(round) / "checkpoint"
        found = trainer.train(
            first_step=first_step,
            order_seed=self._order_seed(replicate),
            checkpoint=checkpoint,
            stops=stops,
            on_validation=lambda row: self.progress.step(
                replicate.number, round, row["step"], row
            ),
        )
        row = self._row(replicate, round, first_step, mask, found)
        self._store_trained(replicate, round)
        self._rewind_point(replicate)
        ticket_info = {
            k: v for k, v in row.items() if k not in ("seconds", "branch", "draw")
        }
        self._write_ticket(replicate, round, mask, ticket_info)
        replicate.write_result(round, row, found.curve)
        files.remove(checkpoint)
        self.progress.round_finished(row)

    def _begin_round(self, replicate, round):
        """Brings the model to the beginning of a round; returns its step."""
        model = self._trainer.model
        if round == 0:
            network.reseed(model, self.build, self._model_seed(replicate))
            if replicate.mask(0) is None:
                replicate.write_mask(0, evidence.current_mask(model))
            if replicate.snapshot("initial") is None:
                replicate.write_snapshot("initial", Snapshot.take(model))
            return 0
        rewind = self._rewind_point(replicate)
        trained = self._trained(replicate, round - 1)
        before = replicate.mask(round - 1)
        _load_trained(model, before, trained)
        mask = replicate.mask(round)
        if mask is None:
            mask = prune.prune(
                model,
                prune.densities_after(model, round),
                initial=self._initial(replicate).weights(),
                data=self._saliency_batch(),
            )
            replicate.write_mask(round, mask)
        else:
            evidence.set_mask(model, mask)
        self.policy.apply(model, rewind)
        if self.policy.name == "continued_training":
            return 0
        return self.rewind_step

    def _row(self, replicate, round, first_step, mask, found):
        best = self._trainer.evaluate_at_best(found)
        final = self._trainer.evaluate("test")
        at_best = next(r for r in found.curve if r["step"] == found.best_step)
        return {
            "replicate": replicate.number,
            "branch": "ticket",
            "draw": 0,
            "round": round,
            "density": mask.density,
            "sparsity": evidence.sparsity(self._trainer.model),
            "steps": self.config.steps - first_step,
            "best_step": found.best_step,
            "validation_loss": at_best["validation_loss"],
            "validation_accuracy": at_best["validation_accuracy"],
            "test_accuracy_best": training.accuracy_of(best),
            "test_accuracy_final": training.accuracy_of(final),
            "seconds": round_seconds(found.seconds),
        }

    # -- what a stage needs, made again if it is missing -------------------

    def _trainer_for(self, replicate):
        if self._trainer is None:
            model = network.prepare(
                self.build, self._model_seed(replicate), self.config
            )
            self._trainer = training.RoundTrainer(
                model,
                self.data,
                batch_size=self.config.batch_size,
                steps=self.config.steps,
                validate_every=self.config.validate_every,
                checkpoint_seconds=self.checkpoint_seconds,
            )
        return self._trainer

    def _initial(self, replicate):
        found = replicate.snapshot("initial")
        if found is None:
            model = self._trainer.model
            present, mask = state.read(model), evidence.current_mask(model)
            network.reseed(model, self.build, self._model_seed(replicate))
            found = Snapshot.take(model)
            replicate.write_snapshot("initial", found)
            state.write(model, present)
            evidence.set_mask(model, mask)
        return found

    def _rewind_point(self, replicate):
        """Returns the state at step k, trained again if it is damaged."""
        found = replicate.snapshot("rewind")
        if found is None:
            model = self._trainer.model
            present, mask = state.read(model), evidence.current_mask(model)
            network.reseed(model, self.build, self._model_seed(replicate))
            self._trainer.train(
                first_step=0,
                order_seed=self._order_seed(replicate),
                checkpoint=replicate.path / "rewind_checkpoint",
                last_step=self.rewind_step,
                validate=False,
            )
            files.remove(replicate.path / "rewind_checkpoint")
            found = Snapshot.take(model)
            replicate.write_snapshot("rewind", found)
            state.write(model, present)
            evidence.set_mask(model, mask)
        return found

    def _trained(self, replicate, round):
        found = replicate.snapshot(_trained(round))
        if found is None or replicate.mask(round) is None:
            _logger.warning(
                "Round %d of replicate %d is damaged; it is trained again.",
                round,
                replicate.number,
            )
            self._run_round(replicate, round)
            found = replicate.snapshot(_trained(round))
        return found

    def _store_trained(self, replicate, round):
        snapshot = Snapshot.take(self._trainer.model)
        if self.policy.name == "weight_rewinding":
            # The next round needs the weights only: to rank them.
            weights = {
                name: value
                for name, value in snapshot.values.items()
                if name.startswith(state.WEIGHTS)
            }
            snapshot = Snapshot(snapshot.step, weights)
        replicate.write_snapshot(_trained(round), snapshot)

    def _write_ticket(self, replicate, round, mask, info):
        Ticket(
            mask=mask,
            snapshot=replicate.snapshot("rewind"),
            settings=evidence.settings_of(self._trainer.model),
            info=info,
        ).save(replicate.round_path(round) / "ticket")

    def _model_seed(self, replicate):
        return child_seed(self.config.seed, "replicate", replicate.number, "model")

    def _order_seed(self, replicate):
        return child_seed(self.config.seed, "replicate", replicate.number, "order")

    def _saliency_batch(self):
        batches = self.data.train_batches(
            self.config.batch_size, seed=child_seed(self.config.seed, "saliency")
        )
        return next(iter(batches))

    # -- TensorBoard: derived, so written anew by every process ------------

    def _open_summaries(self, replicate):
        from tflottery.callbacks.tensorboard import RoundSummaries

        place = self.run.path / "tensorboard" / f"replicate_{replicate.number}"
        if place.exists():
            place.rmtree()
        return RoundSummaries(
            str(place),
            hyper_parameters={
                k: v
                for k, v in self.config.to_dict().items()
                if isinstance(v, (str, int, float, bool))
            },
        )

    def _summarise(self, writer, replicate, round):
        model = self._trainer_for(replicate).model
        result = replicate.result(round)
        trained = replicate.snapshot(_trained(round))
        mask = replicate.mask(round)
        if None in (result, trained, mask):
            return
        present, mask_now = state.read(model), evidence.current_mask(model)
        _load_trained(model, mask, trained)
        writer.write(
            model,
            round,
            {
                name: value
                for name, value in result["row"].items()
                if isinstance(value, float) or name == "best_step"
            },
        )
        state.write(model, present)
        evidence.set_mask(model, mask_now)


def _trained(round: int) -> str:
    return f"round_{round:02d}/trained"


def _load_trained(model, mask, trained):
    evidence.set_mask(model, type(mask).ones_like(mask))
    has_optimizer = any(n.startswith(state.OPTIMIZER) for n in trained.values)
    state.write(model, trained.values, "" if has_optimizer else state.WEIGHTS)
    evidence.set_mask(model, mask)


def _rewind_step(config: SearchConfig, data: Any) -> int:
    step = Step.parse(config.rewind_to).to_steps(
        steps_per_epoch=data.steps_per_epoch(config.batch_size),
        total_steps=config.steps,
    )
    if step >= config.steps:
        raise ValueError(
            "`rewind_to` must be before the end of training. Received: "
            f"rewind_to={config.rewind_to!r}, which is step {step} of "
            f"{config.steps}. Rewind to an earlier step or train longer."
        )
    return step


def _name_of(build: Any) -> str | None:
    if build is None:
        return None
    return getattr(build, "__qualname__", type(build).__qualname__)


def round_seconds(seconds: float) -> float:
    """Rounds a duration to milliseconds."""
    return math.floor(seconds * 1000) / 1000
