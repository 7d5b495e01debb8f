"""The rounds of one replicate, each a stage that returns if it is done.

Train, prune the weakest survivors, rewind the others, repeat. What a stage
needs from an earlier one it reads from the journal; if that is damaged, the
earlier stage is done again, with the same bits.
"""

from __future__ import annotations

import logging

from tflottery.layers import evidence, prune
from tflottery.lottery import rounds, starting_points
from tflottery.lottery.context import SearchContext
from tflottery.lottery.journal import ReplicateJournal, trained_name
from tflottery.pruning import criteria
from tflottery.rewinding.snapshot import Snapshot

_logger = logging.getLogger("tflottery")

TICKET = "ticket"


class ReplicateStages:
    """Runs the rounds of one replicate.

    Args:
        context: the shared parts of the search.
        journal: the files of the replicate.
    """

    def __init__(self, context: SearchContext, journal: ReplicateJournal):
        self.context = context
        self.journal = journal

    def unfinished(self, count: int) -> list[int]:
        """Returns the rounds that are still to be run, or run again.

        Args:
            count: how many rounds are looked at, round 0 counted.
        """
        is_finished = self.journal.is_finished
        found = [round for round in range(count) if not is_finished(round)]
        if 0 not in found:
            starting_points.initial(self.context, self.journal)
            starting_points.rewind_point(self.context, self.journal)
        return found

    def run(self, round: int) -> None:
        """Trains one round to its end and writes down what came of it."""
        context, journal = self.context, self.journal
        first_step = self._begin(round)
        context.give_way()
        stops = {}
        if round == 0:
            stops[context.rewind_step] = self._store_rewind_point
        rounds.run(
            context,
            journal,
            rounds.Round(
                branch=TICKET,
                draw=0,
                round=round,
                first_step=first_step,
                last_step=context.config.steps,
                order_seed=context.order_seed(journal.number),
                start=lambda: starting_points.rewind_point(context, journal),
                keeps_slots=context.policy.name != "weight_rewinding",
            ),
            stops,
        )

    def _begin(self, round: int) -> int:
        """Brings the model to the beginning of a round; returns its step."""
        context, journal = self.context, self.journal
        model = context.trainer.model
        if round == 0:
            starting_points.start_dense(context, journal)
            if journal.mask(0) is None:
                journal.write_mask(0, evidence.current_mask(model))
            return 0
        # One snapshot is held at a time, for networks that fill the memory.
        trained = self.trained(round - 1)
        before = journal.mask(round - 1)
        starting_points.load_trained(model, before, trained)
        del trained
        context.give_way()
        mask = journal.mask(round)
        if mask is None:
            self._prune(round)
        else:
            evidence.set_mask(model, mask)
        context.give_way()
        rewind = starting_points.rewind_point(context, journal)
        if not context.policy.needs_slots:
            rewind = rounds.weights_of(rewind)  # two thirds less to hold
        context.policy.apply(model, rewind)
        return 0 if context.policy.starts_over else context.rewind_step

    def _prune(self, round: int) -> None:
        """Gives the model the mask of a round, and stores it."""
        model, workers = self.context.trainer.model, self.context.workers
        mask = prune.prune(
            model,
            prune.densities_after(model, round),
            initial=self._initial_weights(),
            data=self._saliency_batch(),
        )
        self.journal.write_mask(round, mask)
        if workers.count > 1:
            # Computed on each worker, as reading gradients takes all of them;
            # what counts is the chief's.
            evidence.set_mask(model, workers.from_chief(lambda: mask))

    def _initial_weights(self):
        """Returns what some criteria compare with, and only to those."""
        if "initial" not in self._criterion().requires:
            return None
        return starting_points.initial(self.context, self.journal).weights()

    def _saliency_batch(self):
        """Returns the examples that some criteria need."""
        if not any("grad" in need for need in self._criterion().requires):
            return None
        return self.context.saliency_batch()

    def _criterion(self):
        settings = evidence.settings_of(self.context.trainer.model)
        return criteria.get(settings.criterion)

    def trained(self, round: int) -> Snapshot:
        """Returns the state a round has ended with; trains it if need be."""
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
