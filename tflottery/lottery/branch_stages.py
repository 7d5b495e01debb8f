"""The rounds of one draw of a control, each a stage that returns if done.

They are trained by the lines that train the ticket. What they need of the
ticket, or of their own earlier rounds, is read from the journals, and trained
again if it is damaged.
"""

from __future__ import annotations

import logging

from tflottery.layers import evidence, state
from tflottery.lottery import rounds
from tflottery.lottery.branches.asked import Asked
from tflottery.lottery.branches.branch import Branch, Start
from tflottery.lottery.stages import ReplicateStages

_logger = logging.getLogger("tflottery")


class BranchStages:
    """Runs the rounds of one draw of a control.

    Args:
        ticket: the rounds of the ticket, in the same replicate.
        branch: the control.
        draw: number of the draw, from 0.
    """

    def __init__(self, ticket: ReplicateStages, branch: Branch, draw: int):
        self.ticket = ticket
        self.branch = branch
        self.draw = draw
        self.context = ticket.context
        self.journal = ticket.journal.of_branch(branch.label, draw)

    def is_finished(self, round: int) -> bool:
        """Tells whether all that a round leaves behind is there and whole."""
        return self.journal.is_finished(round)

    def run(self, round: int) -> None:
        """Trains one round to its end and writes down what came of it."""
        start = self.branch.start(self._asked(round))
        self.context.give_way()
        if self.journal.mask(round) is None:
            self.journal.write_mask(round, start.mask)
        self.context.give_way()
        self._place(start)
        self.context.give_way()
        rounds.run(
            self.context,
            self.journal,
            rounds.Round(
                branch=self.branch.label,
                draw=self.draw,
                round=round,
                first_step=start.first_step,
                last_step=start.last_step,
                order_seed=start.order_seed,
                start=lambda: rounds.weights_of(start.snapshot),
                keeps_slots=self._keeps_slots,
            ),
        )

    def _place(self, start: Start) -> None:
        """Brings the model to the beginning of a round."""
        model = self.context.trainer.model
        evidence.set_mask(model, start.mask)
        start.snapshot.restore(model, start.optimizer)
        state.set_iterations(model, start.first_step)

    @property
    def _keeps_slots(self) -> bool:
        restores = self.context.config.rewind_optimizer == "restore"
        return self.branch.keeps_slots and restores

    def _asked(self, round: int) -> Asked:
        return Asked(
            context=self.context,
            ticket=self.ticket,
            name=self.branch.name,
            needs_slots=self._keeps_slots,
            journal=self.journal,
            draw=self.draw,
            round=round,
            redo=self._redo,
        )

    def _redo(self, round: int) -> None:
        _logger.warning(
            "Round %d of %s, draw %d, replicate %d is damaged; it is trained "
            "again.",
            round,
            self.branch.label,
            self.draw,
            self.journal.number,
        )
        self.run(round)
