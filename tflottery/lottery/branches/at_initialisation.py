"""Masks that are found before training, and trained from the first step.

Magnitude pruning follows the search's own fractions and scope. The others
rank all weights together, as their papers do, and keep as many in all as the
ticket of the round.

Reference: Lee et al., SNIP, 2019; Wang et al., GraSP, 2020; Tanaka et al.,
SynFlow, 2020; Frankle and Carbin, 2019, appendix F.4.
"""

from __future__ import annotations

import abc
from typing import Any

from tflottery.core.mask import Mask
from tflottery.lottery.branches import examples
from tflottery.lottery.branches.asked import Asked
from tflottery.lottery.branches.branch import Branch, Start
from tflottery.pruning import criteria

SNIP_EXAMPLES = 100
GRASP_EXAMPLES_PER_CLASS = 25
GRASP_TEMPERATURE = 200.0
SYNFLOW_ITERATIONS = 100


class _AtInitialisation(Branch):
    """A mask of the initial weights; they are trained for all T steps."""

    beside_rewound = False

    def start(self, asked):
        """Prunes the initial weights and starts with what is left."""
        return Start(
            mask=asked.mask_once(lambda: self.mask(asked)),
            snapshot=asked.initial(),
            first_step=0,
            last_step=asked.steps,
            order_seed=asked.order_seed,
        )

    @abc.abstractmethod
    def mask(self, asked: Asked) -> Mask:
        """Returns the mask of a round."""


class MagnitudeAtInit(_AtInitialisation):
    """The largest initial weights, as many as the search keeps."""

    name = "magnitude_at_init"
    description = "the largest of the initial weights"
    source = "Frankle and Carbin, 2019, appendix F.4"

    def mask(self, asked):
        """Returns the mask of the largest initial weights."""
        return asked.pruned_by(
            criteria.get("magnitude"),
            asked.initial(),
            asked.search_densities(),
            scope=asked.context.config.scope,
        )


class Snip(_AtInitialisation):
    """What the loss of a few examples depends on most: |w dL/dw|.

    100 examples, ranked over all layers.
    """

    name = "snip"
    description = "the weights the loss is most sensitive to, untrained"
    source = "Lee et al., SNIP, 2019, section 4"
    is_random = True

    def mask(self, asked):
        """Returns SNIP's mask of the initial network."""
        return asked.pruned_by(
            criteria.get("snip"),
            asked.initial(),
            asked.global_densities(),
            scope="global",
            data=examples.some(
                asked.context.data, SNIP_EXAMPLES, asked.seed("examples")
            ),
        )


class Grasp(_AtInitialisation):
    """What keeps the norm of the gradient: largest w times Hg.

    25 examples of each class (fewer if that were more than 5,000 in all),
    logits divided by 200 where the loss is one of logits, ranked over all
    layers.
    The authors draw dense layers anew before they score them; here the
    weights that are scored are the ones that are trained.
    """

    name = "grasp"
    description = "the weights that keep the gradient's norm, untrained"
    source = "Wang et al., GraSP, 2020, section 4"
    is_random = True

    def mask(self, asked):
        """Returns GraSP's mask of the initial network."""
        return asked.pruned_by(
            criteria.get("grasp"),
            asked.initial(),
            asked.global_densities(),
            scope="global",
            data=examples.balanced(
                asked.context.data,
                GRASP_EXAMPLES_PER_CLASS,
                asked.seed("examples"),
            ),
            loss=_tempered(asked.model.loss),
        )


def _tempered(loss: Any) -> Any:
    """Returns a loss of logits that are divided by 200, if it is of logits."""
    settings = loss.get_config() if hasattr(loss, "get_config") else {}
    if not settings.get("from_logits"):
        return None  # the compiled loss, as it is
    return lambda y, output: loss(y, output / GRASP_TEMPERATURE)


class SynFlow(_AtInitialisation):
    """What the flow through the layers depends on, without any data.

    In 100 steps, scored anew in each, ranked over all layers.
    """

    name = "synflow"
    description = "the weights that carry most flow, untrained, without data"
    source = "Tanaka et al., SynFlow, 2020, section 6"

    def mask(self, asked):
        """Returns SynFlow's mask of the initial network."""
        return asked.pruned_by(
            criteria.get("synflow"),
            asked.initial(),
            asked.global_densities(),
            scope="global",
            iterations=SYNFLOW_ITERATIONS,
        )
