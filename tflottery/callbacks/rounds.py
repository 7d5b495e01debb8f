"""`RoundPlan`: how long the rounds of a search are, checked before training.

Rounds are counted in optimizer updates. What `fit` cannot do exactly is
refused here, while nothing has been trained yet.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from tflottery.callbacks import counting
from tflottery.core.step import Step
from tflottery.distribution import limits
from tflottery.layers import family
from tflottery.layers.settings import PruningSettings


@dataclasses.dataclass(frozen=True)
class RoundPlan:
    """The lengths of the rounds of one `fit`, in optimizer updates.

    Args:
        length: updates T of the first round.
        rewind_step: the step k to which weights return.
        later_length: updates of each later round, T - k or T.
        steps_per_epoch: updates of an epoch.
        rounds: number of prunings.

    Example:
        >>> plan = RoundPlan(20, 3, 17, 10, 2)
        >>> plan.round_length(0), plan.round_length(1), plan.epochs_needed
        (20, 17, 6)
    """

    length: int
    rewind_step: int
    later_length: int
    steps_per_epoch: int
    rounds: int

    @classmethod
    def of(
        cls,
        model: Any,
        settings: PruningSettings,
        batches: int | None,
        rounds: int,
        epochs_per_round: int,
        starts_over: bool,
    ) -> RoundPlan:
        """Plans the rounds of a `fit`.

        Args:
            model: compiled, wrapped model.
            settings: its settings; `rewind_to` is the step k.
            batches: batches of an epoch, `None` if unknown.
            rounds: number of prunings.
            epochs_per_round: length T in epochs.
            starts_over: whether later rounds begin at step 0, not at k.

        Raises:
            ValueError: the model follows a schedule; the length of an epoch
                is unknown; k is past the end of a round; k or the end of a
                round lies inside an execution.
        """
        _check_compiled(model)
        if settings.schedule is not None:
            raise ValueError(
                "A search prunes in rounds, and the model follows a schedule. "
                "Received: a model wrapped by `prune_low_magnitude`. Hand it "
                "over with `model = tflottery.prune_iteratively(model, ...)`; "
                "its masks are kept."
            )
        if not batches:
            raise ValueError(
                "The length of an epoch must be known. Received: a data set "
                "of unknown size. Pass `steps_per_epoch` to `fit`."
            )
        steps = counting.steps_per_epoch(model, batches)
        length = steps * epochs_per_round
        rewind_step = Step.parse(settings.rewind_to).to_steps(
            steps_per_epoch=steps, total_steps=length
        )
        if rewind_step >= length:
            raise ValueError(
                "`rewind_to` must be before the end of a round. Received: "
                f"rewind_to={settings.rewind_to!r}, which is step "
                f"{rewind_step} of {length}. Rewind to an earlier step or "
                "train longer."
            )
        later = length if starts_over else length - rewind_step
        plan = cls(length, rewind_step, later, steps, rounds)
        plan._check_stops(counting.updates_between_stops(model))
        return plan

    def _check_stops(self, between: int) -> None:
        steps = self.steps_per_epoch
        counting.check_stops_exactly(
            "rewind_to", self.rewind_step, steps, between
        )
        for round in range(1, self.rounds):
            counting.check_stops_exactly(
                f"end of round {round}",
                self.length + round * self.later_length,
                steps,
                between,
            )

    @property
    def epochs_needed(self) -> int:
        """Epochs that hold all rounds."""
        return math.ceil(self.total / self.steps_per_epoch)

    @property
    def total(self) -> int:
        """Updates of all rounds together."""
        return self.length + self.rounds * self.later_length

    def check_epochs(self, epochs: int, first: int, enough: int) -> None:
        """Refuses a `fit` that would end before the last round.

        Args:
            epochs: the `epochs` of `fit`.
            first: epoch that it begins with.
            enough: number of epochs to recommend.

        Raises:
            ValueError: the epochs from `first` on do not hold all rounds.
        """
        if epochs - first >= self.epochs_needed:
            return
        start = f" from initial_epoch={first}" if first else ""
        raise ValueError(
            "`epochs` must be enough for all rounds. Received: epochs="
            f"{epochs}{start}; {self.rounds} rounds after the dense one, "
            f"rewound to step {self.rewind_step}, need {self.epochs_needed}. "
            f"Pass epochs=search.epochs ({enough}) to `fit`, and begin at "
            "epoch 0: a search that was interrupted cannot go on inside `fit`; "
            "`tflottery.find_ticket` can."
        )

    def round_length(self, round: int) -> int:
        """Returns the updates of a round; 0 is the first."""
        return self.length if round == 0 else self.later_length


def _check_compiled(model: Any) -> None:
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None:
        return
    jit_compile = getattr(model, "jit_compile", None)
    limits.check_compiled(
        strategy,
        family.family_of(model),
        counting.steps_per_execution(model),
        jit_compile is True,
    )
