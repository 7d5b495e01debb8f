"""The same network on another order of the data, to see what is chance.

Copies of a network that differ in nothing but the order of their batches
show how much of where training ends depends on it. Draws are further orders;
the ticket itself is the first copy.

Reference: Frankle et al., Stabilizing the Lottery Ticket Hypothesis, 2019,
section 2 (stability to data order); Frankle et al., Linear Mode Connectivity
and the Lottery Ticket Hypothesis, 2020, algorithm 1.
"""

from __future__ import annotations

from tflottery.core.mask import Mask
from tflottery.core.seeds import child_seed
from tflottery.lottery.branches.asked import Asked
from tflottery.lottery.branches.branch import Branch, Start
from tflottery.lottery.branches.other_masks import RandomTicket


class Reordered(Branch):
    """The ticket on another order of the data; in round 0 the dense network.

    From the rewind step on, that is: what came before is shared.
    """

    name = "reordered"
    description = "the ticket itself on another order of the data"
    source = "Frankle et al., 2019, section 2; Frankle et al., 2020"
    first_round = 0
    is_random = True

    def start(self, asked):
        """Starts as the ticket does, on another order of the data."""
        return Start(
            mask=self.mask(asked),
            snapshot=asked.rewind_point(),
            first_step=asked.context.rewind_step,
            last_step=asked.steps,
            order_seed=_other_order(asked),
            optimizer=_slots(asked),
        )

    def mask(self, asked: Asked) -> Mask:
        """Returns the mask of the network that is trained once more."""
        if asked.round == 0:
            return Mask.ones_like(asked.ticket_mask())
        return asked.ticket_mask()


class ReorderedRandomTicket(Reordered):
    """Draw 0 of the random ticket on another order of the data."""

    name = "reordered_random_ticket"
    description = "draw 0 of random_ticket on another order of the data"
    first_round = 1

    def mask(self, asked):
        """Returns the random mask of draw 0."""
        return RandomTicket().mask(asked.of_branch(RandomTicket.name, draw=0))


def _slots(asked: Asked) -> str:
    """Returns what becomes of the optimizer: the dense network keeps it."""
    if asked.round == 0:
        return "restore"
    return asked.context.config.rewind_optimizer


def _other_order(asked: Asked) -> int:
    """Returns a seed that depends on replicate and draw, not on the branch.

    So that draw d of the dense network, the ticket and the random ticket see
    the same batches in every round.
    """
    number, draw = asked.journal.number, asked.draw
    seed = asked.context.config.seed
    return child_seed(seed, "replicate", number, "other order", draw)
