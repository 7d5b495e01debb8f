"""Other masks over the ticket's weights: whether it matters which survive.

Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, section 2
and appendices B, E; Frankle et al., Stabilizing the Lottery Ticket
Hypothesis, 2019, section 2 (the random baseline).
"""

from __future__ import annotations

import abc

import numpy as np

from tflottery.core.mask import Mask
from tflottery.lottery.branches.asked import Asked
from tflottery.lottery.branches.branch import (
    Branch,
    Start,
    check_unstructured,
)
from tflottery.pruning import criteria


class OtherMask(Branch):
    """The weights that the ticket starts from, under another mask."""

    def start(self, asked):
        """Puts another mask over the ticket's weights."""
        return Start(
            mask=asked.mask_once(lambda: self.mask(asked)),
            snapshot=asked.rewind_point(),
            first_step=asked.context.rewind_step,
            last_step=asked.steps,
            order_seed=asked.order_seed,
            optimizer=asked.context.config.rewind_optimizer,
        )

    @abc.abstractmethod
    def mask(self, asked: Asked) -> Mask:
        """Returns the mask of a round."""


class RandomTicket(OtherMask):
    """A random mask that keeps as many of each tensor as the ticket.

    Where the search prunes blocks or channels, so does the random mask.
    """

    name = "random_ticket"
    description = "a random mask, as dense in each layer as the ticket's"
    source = (
        "Frankle and Carbin, 2019, figure 1 and appendix E; Frankle et al., "
        "2019, section 2"
    )
    is_random = True

    def mask(self, asked):
        """Returns a random mask with the ticket's counts."""
        return asked.pruned_by(
            criteria.RandomCriterion(asked.seed("mask")),
            asked.rewind_point(),
            asked.ticket_mask().densities(),
            scope="layerwise",
        )


class ShuffledMask(OtherMask):
    """The ticket's mask with its rows, columns and taps shuffled.

    In every layer the inputs change places with one another, and so do the
    outputs; in convolutions also the taps of the window. So each layer has
    units with as many connections as the ticket's, but other ones: what
    `random_ticket` does not keep.
    """

    name = "shuffled_mask"
    description = "the ticket's mask, the units of each layer shuffled"
    source = "this library; compare Frankle et al., Pruning at Init, 2021"
    is_random = True

    def resolve(self, config, steps_per_epoch):
        """Refuses masks of blocks, which shuffling would break."""
        check_unstructured(self, config)
        return super().resolve(config, steps_per_epoch)

    def mask(self, asked):
        """Returns the ticket's mask with its axes shuffled."""
        return Mask(
            {
                path: shuffled(alive, asked.rng("places", path))
                for path, alive in asked.ticket_mask().items()
            }
        )


def shuffled(alive: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shuffles the inputs, outputs and taps of one mask.

    Args:
        alive: array whose last two axes are inputs and outputs.
        rng: where chance comes from.

    Returns:
        An array of the same shape; each output has as many connections as
        one of the outputs of `alive`, each input likewise.

    Example:
        >>> alive = np.array([[1, 1, 0], [0, 0, 0]], bool)
        >>> found = shuffled(alive, np.random.default_rng(0))
        >>> [sorted(found.sum(axis=axis).tolist()) for axis in (0, 1)]
        [[0, 1, 1], [0, 2]]
    """
    taps = alive.reshape(-1, *alive.shape[-2:])
    taps = taps[rng.permutation(taps.shape[0])]
    taps = taps[:, rng.permutation(taps.shape[1])]
    taps = taps[:, :, rng.permutation(taps.shape[2])]
    return taps.reshape(alive.shape)


class OneShot(OtherMask):
    """Pruned once, from the dense network to the density of the round."""

    name = "one_shot"
    description = "pruned at once to the same density, then rewound"
    source = "Frankle and Carbin, 2019, sections 1 and 2"

    def mask(self, asked):
        """Returns the mask of the dense network pruned at once."""
        dense = Mask.ones_like(asked.ticket_mask())
        return asked.pruned(dense, asked.dense_trained())
