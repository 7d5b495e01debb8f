"""Other weights under the ticket's mask: whether it is the weights.

All of them are trained as the ticket is: the same mask, order of the data,
steps and schedule. The optimizer starts anew, since the slots of step k belong
to other weights; at k = 0 there are none.

Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, section 2
and appendix F; Zhou et al., Deconstructing Lottery Tickets, 2019, section 3.
"""

from __future__ import annotations

import abc

import numpy as np

from tflottery.lottery.branches.asked import Asked
from tflottery.lottery.branches.branch import Branch, Start
from tflottery.rewinding.snapshot import Snapshot


class _OtherWeights(Branch):
    """The ticket's mask over weights that a subclass makes."""

    is_random = True

    def start(self, asked):
        """Puts other weights under the ticket's mask."""
        return Start(
            mask=asked.ticket_mask(),
            snapshot=self.weights(asked),
            first_step=asked.context.rewind_step,
            last_step=asked.steps,
            order_seed=asked.order_seed,
        )

    @abc.abstractmethod
    def weights(self, asked: Asked) -> Snapshot:
        """Returns the weights to start from."""


class RandomReinit(_OtherWeights):
    """Weights newly drawn from the initialisers, all of them."""

    name = "random_reinit"
    description = "the ticket's mask over newly drawn weights"
    source = "Frankle and Carbin, 2019, section 2"

    def weights(self, asked):
        """Returns a newly built network."""
        return asked.new_weights(asked.seed("weights"))


class SignedReinit(_OtherWeights):
    """Newly drawn magnitudes under the signs the ticket starts with."""

    name = "signed_reinit"
    description = "newly drawn weights, each with the sign it had"
    source = "Zhou et al., 2019, section 3"

    def weights(self, asked):
        """Returns a newly built network with the ticket's signs."""
        base = asked.new_weights(asked.seed("weights"))
        new, before = base.weights(), asked.rewind_point().weights()
        return asked.with_kernels(
            base,
            {
                path: np.abs(new[path]) * _signs(before[path])
                for path in asked.ticket_mask()
            },
        )


class SignedConstant(_OtherWeights):
    """One magnitude for each tensor, with the signs the ticket starts with.

    The magnitude is the standard deviation of the tensor's initial values.
    """

    name = "signed_constant"
    description = "plus or minus one constant a tensor, with the sign it had"
    source = "Zhou et al., 2019, section 3"
    is_random = False

    def weights(self, asked):
        """Returns constants with the ticket's signs."""
        before = asked.rewind_point()
        return asked.with_kernels(
            before,
            {
                path: _signs(before.weights()[path]) * scale
                for path, scale in _scales(asked).items()
            },
        )


class UnsignedConstant(_OtherWeights):
    """One magnitude for each tensor, with random signs.

    What `SignedConstant` is to be compared with.
    """

    name = "unsigned_constant"
    description = "plus or minus one constant a tensor, with random signs"
    source = "Zhou et al., 2019, section 3"

    def weights(self, asked):
        """Returns constants with random signs."""
        before, mask = asked.rewind_point(), asked.ticket_mask()
        return asked.with_kernels(
            before,
            {
                path: asked.rng("signs", path).choice((-1.0, 1.0), a.shape)
                * scale
                for (path, scale), a in zip(
                    _scales(asked).items(), mask.values(), strict=True
                )
            },
        )


class SurvivorReinit(_OtherWeights):
    """Weights drawn from those that survived, tensor by tensor.

    They have the distribution of the ticket's weights, but not their places.
    """

    name = "survivor_reinit"
    description = "weights drawn from the ticket's own, in other places"
    source = "Frankle and Carbin, 2019, appendix F.3"

    def weights(self, asked):
        """Returns draws, with replacement, from the surviving weights."""
        before, mask = asked.rewind_point(), asked.ticket_mask()
        values = before.weights()
        return asked.with_kernels(
            before,
            {
                path: asked.rng("values", path).choice(
                    values[path][alive], alive.shape
                )
                for path, alive in mask.items()
            },
        )


class NoisyInit(_OtherWeights):
    """The ticket's weights with Gaussian noise on them.

    The argument is the noise's standard deviation, as a multiple of that of
    the tensor's initial values. Default: 1.
    """

    name = "noisy_init"
    description = "the ticket's weights with Gaussian noise on them"
    source = "Frankle and Carbin, 2019, appendix F.7"
    example = "0.5"

    def resolve(self, config, steps_per_epoch):
        """Checks the amount of noise."""
        try:
            amount = float(self.argument or 1.0)
        except ValueError:
            amount = -1.0
        if not 0 < amount < np.inf:
            raise ValueError(
                f"The branch {self.name!r} takes the amount of noise, in "
                "standard deviations of the initial weights. Received: "
                f"{self.label!r}. Write {self.name}@{self.example}."
            )
        super().resolve(config, steps_per_epoch)
        return NoisyInit("" if amount == 1.0 else f"{amount:g}")

    def weights(self, asked):
        """Returns the ticket's weights and noise."""
        amount = float(self.argument or 1.0)
        before = asked.rewind_point()
        return asked.with_kernels(
            before,
            {
                path: before.weights()[path]
                + amount
                * scale
                * asked.rng("noise", path).standard_normal(
                    before.weights()[path].shape
                )
                for path, scale in _scales(asked).items()
            },
        )


def _signs(values: np.ndarray) -> np.ndarray:
    return np.where(values < 0, -1.0, 1.0)


def _scales(asked: Asked) -> dict[str, float]:
    """Returns the standard deviation of each tensor's initial values."""
    initial = asked.initial().weights()
    return {path: float(initial[path].std()) for path in asked.ticket_mask()}
