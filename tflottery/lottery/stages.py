"""The rounds of one replicate, each a stage that returns if it is done.

Train, prune the weakest survivors, rewind the others, repeat. What a stage
needs from an earlier one it reads from the journal; if that is damaged, the
earlier stage is done again, with the same bits.
"""

from __future__ import annotations

import logging
import math
from typing import Any

from tflottery.layers import evidence, prune, state
from tflottery.layers import family as families
from tflottery.lottery import network_facts, starting_points, training
from tflottery.lottery.checkpoint import CheckpointFile, RoundProgress
from tflottery.lottery.context import SearchContext
from tflottery.lottery.journal import (
    ReplicateJournal,
    round_name,
    trained_name,
)
from tflottery.rewinding.snapshot import Snapshot
from tflottery.rewinding.ticket import Ticket

_logger = logging.getLogger("tflottery")


class ReplicateStages:
    """Runs the rounds of one replicate.

    Args:
        context: the shared parts of the search.
        journal: the files of the replicate.
    """

    def __init__(self, context: SearchContext, journal: ReplicateJournal):
        self.context = context
        self.journal = journal

    def unfinished(self) -> list[int]:
        """Returns the rounds that are still to be run, or run again."""
        rounds = range(self.context.config.rounds + 1)
        is_finished = self.journal.is_finished
        found = [round for round in rounds if not is_finished(round)]
        if 0 not in found:
            starting_points.initial(self.context, self.journal)
            starting_points.rewind_point(self.context, self.journal)
        return found

    def run(self, round: int) -> None:
        """Trains one round to its end and writes down what came of it."""
        context, journal = self.context, self.journal
        trainer = context.trainer
        first_step = self._begin(round)
        self._check_workers(round)
        mask = evidence.current_mask(trainer.model)
        context.progress.round_started(
            journal.number, round, mask.density, context.config.steps
        )
        stops = {}
        if round == 0:
            stops[context.rewind_step] = self._store_rewind_point
        checkpoint = CheckpointFile(journal, f"{round_name(round)}/checkpoint")
        found = trainer.train(
            first_step=first_step,
            order_seed=context.order_seed(journal.number),
            checkpoint=checkpoint,
            stops=stops,
            on_validation=lambda row: context.progress.step(
                journal.number, round, row["step"], row
            ),
        )
        row = self._row(round, first_step, mask, found)
        self._store_trained(round)
        self._store_ticket(round, mask, row)
        journal.write_result(round, row, found.curve)
        checkpoint.remove()
        context.progress.round_finished(row)

    def _begin(self, round: int) -> int:
        """Brings the model to the beginning of a round; returns its step."""
        context, journal = self.context, self.journal
        model = context.trainer.model
        if round == 0:
            starting_points.start_dense(context, journal)
            if journal.mask(0) is None:
                journal.write_mask(0, evidence.current_mask(model))
            return 0
        rewind = starting_points.rewind_point(context, journal)
        trained = self._trained(round - 1)
        before = journal.mask(round - 1)
        starting_points.load_trained(model, before, trained)
        mask = journal.mask(round)
        if mask is None:
            mask = prune.prune(
                model,
                prune.densities_after(model, round),
                initial=starting_points.initial(context, journal).weights(),
                data=context.saliency_batch(),
            )
            journal.write_mask(round, mask)
            # Computed on each worker, as reading gradients takes all of them;
            # what counts is the chief's.
            mask = context.workers.from_chief(lambda mask=mask: mask)
        evidence.set_mask(model, mask)
        context.policy.apply(model, rewind)
        if context.policy.name == "continued_training":
            return 0
        return context.rewind_step

    def _check_workers(self, round: int) -> None:
        """Stops if the workers do not begin the round with the same."""
        workers = self.context.workers
        if workers.count == 1:
            return
        model = self.context.trainer.model
        where = f"round {round} of replicate {self.journal.number}"
        mask = evidence.current_mask(model)
        workers.check_same(f"mask in {where}", mask.digest())
        begun = Snapshot.take(model)
        workers.check_same(f"weights to begin {where} with", begun.digest())

    def _row(
        self, round: int, first_step: int, mask: Any, found: RoundProgress
    ) -> dict[str, Any]:
        trainer = self.context.trainer
        best = trainer.evaluate_at_best(found)
        final = trainer.evaluate("test")
        at_best = next(r for r in found.curve if r["step"] == found.best_step)
        return {
            "replicate": self.journal.number,
            "branch": "ticket",
            "draw": 0,
            "round": round,
            "density": mask.density,
            "sparsity": evidence.sparsity(trainer.model),
            "steps": self.context.config.steps - first_step,
            "best_step": found.best_step,
            "validation_loss": at_best["validation_loss"],
            "validation_accuracy": at_best["validation_accuracy"],
            "test_accuracy_best": training.accuracy_of(best),
            "test_accuracy_final": training.accuracy_of(final),
            "seconds": math.floor(found.seconds * 1000) / 1000,
        }

    def _trained(self, round: int) -> Snapshot:
        found = self.journal.snapshot(trained_name(round))
        if found is None or self.journal.mask(round) is None:
            _logger.warning(
                "Round %d of replicate %d is damaged; it is trained again.",
                round,
                self.journal.number,
            )
            self.run(round)
            found = self.journal.snapshot(trained_name(round))
        return found

    def _store_rewind_point(self):
        self.journal.write_snapshot(
            starting_points.REWIND, Snapshot.take(self.context.trainer.model)
        )

    def _store_trained(self, round):
        snapshot = Snapshot.take(self.context.trainer.model)
        if self.context.policy.name == "weight_rewinding":
            # The next round needs the weights only: to rank them.
            weights = {
                name: value
                for name, value in snapshot.values.items()
                if name.startswith(state.WEIGHTS)
            }
            snapshot = Snapshot(snapshot.step, weights)
        self.journal.write_snapshot(trained_name(round), snapshot)

    def _store_ticket(self, round, mask, row):
        context, model = self.context, self.context.trainer.model
        left_out = ("seconds", "branch", "draw")
        info = {k: v for k, v in row.items() if k not in left_out}
        info[network_facts.KEY] = network_facts.collect(
            context.config,
            self.journal.identity,
            context.data,
            seed=context.model_seed(self.journal.number),
            keras=families.family_of(model),
        )
        ticket = Ticket(
            mask=mask,
            snapshot=starting_points.rewind_point(context, self.journal),
            settings=evidence.settings_of(model),
            info=info,
        )
        self.journal.write_ticket(round, ticket)
