"""What else can be done after pruning: fine-tune, rewind the rate, go on.

The retraining time t is the argument: `fine_tuning@500it`. Without one it is
the whole training length T.

Reference: Renda, Frankle, Carbin, Comparing Rewinding and Fine-tuning in
Neural Network Pruning, 2020; Frankle and Carbin, 2019, appendix B.
"""

from __future__ import annotations

import abc

from tflottery.core.mask import Mask
from tflottery.core.step import Step
from tflottery.lottery import learning_rates
from tflottery.lottery.branches.asked import Asked
from tflottery.lottery.branches.branch import Branch, Start
from tflottery.rewinding.snapshot import Snapshot


class Retraining(Branch):
    """Prunes what it has trained itself, and retrains it for t steps."""

    beside_rewound = False
    is_chain = True
    keeps_slots = True
    example = "500it"

    def resolve(self, config, steps_per_epoch):
        """Turns the retraining time into steps."""
        if not self.argument:
            return super().resolve(config, steps_per_epoch)
        steps = Step.parse(self.argument).to_steps(
            steps_per_epoch=steps_per_epoch, total_steps=config.steps
        )
        every = config.validate_every
        if not 0 < steps <= config.steps or steps % every:
            raise ValueError(
                f"The branch {self.name!r} takes a retraining time, a multiple "
                f"of validate_every={every} and at most T={config.steps} "
                f"steps. Received: {self.label!r}, which is {steps} steps. "
                f"Write {self.name}@{_nearest(steps, every, config.steps)}it."
            )
        whole = steps == config.steps
        return type(self)("" if whole else f"{steps}it")

    def retraining_steps(self, asked: Asked) -> int:
        """Returns the retraining time t."""
        if not self.argument:
            return asked.steps
        return Step.parse(self.argument).to_steps(total_steps=asked.steps)

    def start(self, asked):
        """Prunes what was trained before, and says what to begin with."""
        before = asked.round - 1 if self.is_chain else 0
        trained = asked.own_trained(before)
        mask = asked.mask_once(
            lambda: asked.pruned(asked.own_mask(before), trained)
        )
        time = self.retraining_steps(asked)
        return self.retrained(asked, mask, trained, time)

    @abc.abstractmethod
    def retrained(
        self, asked: Asked, mask: Mask, trained: Snapshot, time: int
    ) -> Start:
        """Returns what to begin with.

        Args:
            asked: which round.
            mask: after pruning.
            trained: the weights that were pruned.
            time: retraining time t, in steps.
        """


def _nearest(steps: int, every: int, most: int) -> int:
    """Returns a retraining time that can be had, near to one that cannot."""
    return max(min(steps, most) // every, 1) * every


class FineTuning(Retraining):
    """Trains on at the last learning rate: nothing goes back.

    The step counter goes on from T, where a schedule has come to its end.
    """

    name = "fine_tuning"
    description = "trained on at the schedule's last rate"
    source = "Renda et al., 2020, section 2 (the baseline)"

    def resolve(self, config, steps_per_epoch):
        """Refuses a schedule that ends at 0: nothing would be trained."""
        learning_rates.check_end(config, f"The branch {self.name!r}")
        return super().resolve(config, steps_per_epoch)

    def retrained(self, asked, mask, trained, time):
        """Goes on where training has ended."""
        done = asked.round - 1 if self.is_chain else 0
        first = asked.steps + done * time
        return _going_on(asked, mask, trained, first, first + time)


class WeightRewinding(Retraining):
    """Weights and schedule go back by t steps."""

    name = "weight_rewinding"
    description = "weights and learning rate rewound by t steps"
    source = "Renda et al., 2020, section 2"
    keeps_slots = False

    def retrained(self, asked, mask, trained, time):
        """Goes back to the dense network at T - t."""
        first = asked.steps - time
        return Start(
            mask=mask,
            snapshot=asked.dense_at(first),
            first_step=first,
            last_step=asked.steps,
            order_seed=asked.order_seed,
            optimizer=asked.context.config.rewind_optimizer,
        )


class LearningRateRewinding(Retraining):
    """The schedule goes back by t steps, the weights stay as trained."""

    name = "learning_rate_rewinding"
    description = "the learning rate alone rewound by t steps"
    source = "Renda et al., 2020, section 2"

    def retrained(self, asked, mask, trained, time):
        """Keeps the weights and goes back to step T - t."""
        return _going_on(asked, mask, trained, asked.steps - time, asked.steps)


class OneShotFineTuning(FineTuning):
    """The dense network pruned at once, then fine-tuned."""

    name = "one_shot_fine_tuning"
    description = "pruned at once, trained on at the schedule's last rate"
    is_chain = False


class OneShotWeightRewinding(WeightRewinding):
    """The dense network pruned at once, then rewound by t steps."""

    name = "one_shot_weight_rewinding"
    description = "pruned at once, weights and rate rewound by t steps"
    is_chain = False


class OneShotLearningRateRewinding(LearningRateRewinding):
    """The dense network pruned at once, its learning rate rewound."""

    name = "one_shot_learning_rate_rewinding"
    description = "pruned at once, the learning rate alone rewound by t steps"
    is_chain = False


class DenseLonger(Branch):
    """The dense network, trained for as many rounds as the ticket was.

    Each round is what the ticket's is, from step k to T, but nothing is
    pruned and nothing rewound but the schedule.
    """

    name = "dense_longer"
    description = "nothing pruned, trained for as many rounds"
    source = "this library: what the rounds' training alone is worth"
    beside_rewound = False
    is_chain = True
    keeps_slots = True

    def start(self, asked):
        """Trains the dense network on."""
        first = asked.context.rewind_step
        trained = asked.own_trained(asked.round - 1)
        mask = Mask.ones_like(asked.ticket_mask())
        return _going_on(asked, mask, trained, first, asked.steps)


class ContinuedTraining(Branch):
    """Pruned round by round without rewinding, rewound only at the end.

    A round's mask comes from weights that were trained on after each pruning;
    then the survivors go back to the state at step k and are trained, which
    is what is measured.
    """

    name = "continued_training"
    description = "a mask found without rewinding between rounds"
    source = "Frankle and Carbin, 2019, appendix B, strategy 2"
    is_chain = True

    def start(self, asked):
        """Prunes weights that were trained on, and rewinds the survivors."""
        before = asked.round - 1
        return Start(
            mask=asked.mask_once(
                lambda: asked.pruned(asked.own_mask(before), _on(asked, before))
            ),
            snapshot=asked.rewind_point(),
            first_step=asked.context.rewind_step,
            last_step=asked.steps,
            order_seed=asked.order_seed,
            optimizer=asked.context.config.rewind_optimizer,
        )


def _on(asked: Asked, round: int) -> Snapshot:
    """Returns weights trained on under the mask of a round, never rewound."""
    if round == 0:
        return asked.dense_trained()
    return asked.trained_on(
        round, lambda: (asked.own_mask(round), _on(asked, round - 1))
    )


def _going_on(asked, mask, trained, first, last):
    """Keeps weights, and slots if there are any, and goes to another step."""
    has_slots = any(n.startswith("optimizer/") for n in trained.values)
    wanted = asked.context.config.rewind_optimizer
    return Start(
        mask=mask,
        snapshot=trained,
        first_step=first,
        last_step=last,
        order_seed=asked.order_seed,
        optimizer=wanted if has_slots else "fresh",
    )
