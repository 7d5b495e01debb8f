"""Policies: what goes back when a round ends, and to which step.

A round ends with a smaller mask. Then the weights, or only the learning-rate
schedule, or nothing may go back to an earlier point of training. Each policy
is one class, with the name the papers give it.
"""

from __future__ import annotations

import abc
import logging
from typing import Any

from tflottery.core import checks
from tflottery.layers import rates, state
from tflottery.rewinding.snapshot import Snapshot, check_optimizer, remask

_logger = logging.getLogger("tflottery")


class RewindingPolicy(abc.ABC):
    """What happens to a model between two rounds.

    A policy is applied after the new mask has been set.

    Attributes:
        name: by which `get` finds it.
        starts_over: whether rounds after the first train from step 0 on;
            default: from the rewind step on.
        needs_slots: whether `apply` reads the optimizer's part of the
            snapshot; where it does not, a search leaves that on disk.
        rewinds_rate: whether the learning rate goes back too.
    """

    name: str
    starts_over = False
    needs_slots = True
    rewinds_rate = True

    def check(self, model: Any, end: int, last: int) -> None:  # noqa: B027
        """Says so if the model does not allow what the policy is to do.

        Args:
            model: compiled, before it is trained.
            end: optimizer step at which the first round ends.
            last: optimizer step at which the last would end, were none taken
                back.
        """

    @abc.abstractmethod
    def apply(self, model: Any, snapshot: Snapshot) -> int:
        """Rewinds a model.

        Args:
            model: compiled, wrapped, with the new mask set.
            snapshot: state of the dense network at the rewind step.

        Returns:
            The step at which the next round begins.
        """

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {}


class WeightRewinding(RewindingPolicy):
    """Weights, and the schedule with them, go back to step k.

    Args:
        optimizer: `"restore"` (default) puts the slots of step k back,
            masked; `"fresh"` starts them at zero.

    Example:
        >>> WeightRewinding(optimizer="fresh").get_config()
        {'optimizer': 'fresh'}

    Reference: Frankle et al., Stabilizing the Lottery Ticket Hypothesis,
    2019, algorithm 1; k = 0 with a fresh optimizer is Frankle and Carbin,
    2019, strategy 1.
    """

    name = "weight_rewinding"

    def __init__(self, optimizer: str = "restore"):
        self.optimizer = check_optimizer(optimizer)
        self.needs_slots = self.optimizer == "restore"

    def apply(self, model, snapshot):
        """Puts the snapshot back under the model's mask."""
        snapshot.restore(model, optimizer=self.optimizer)
        return snapshot.step

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"optimizer": self.optimizer}


class LearningRateRewinding(RewindingPolicy):
    """Weights stay as trained; step counter and schedule go back to k.

    Args:
        optimizer: `"restore"` (default) keeps the slots as they are,
            `"fresh"` starts them at zero.

    Reference: Renda, Frankle, Carbin, Comparing Rewinding and Fine-tuning in
    Neural Network Pruning, 2020.
    """

    name = "learning_rate_rewinding"
    needs_slots = False

    def __init__(self, optimizer: str = "restore"):
        self.optimizer = check_optimizer(optimizer)

    def apply(self, model, snapshot):
        """Sets the step counter back."""
        if self.optimizer == "fresh":
            state.renew_optimizer(model, snapshot.step)
            remask(model)
        else:
            state.set_iterations(model, snapshot.step)
        return snapshot.step

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"optimizer": self.optimizer}


class FineTuning(RewindingPolicy):
    """Nothing goes back; training goes on at the last learning rate.

    The step counter runs on past the end of the schedule, where those of
    `tflottery.SearchConfig` stay at their last value. Of another schedule
    `check` says so if it does not.

    Reference: Renda, Frankle, Carbin, 2020 (the baseline).
    """

    name = "fine_tuning"
    needs_slots = False
    rewinds_rate = False

    def check(self, model, end, last):
        """Says so if a schedule goes on, or is at 0, after its end."""
        for schedule in rates.schedules(model.optimizer):
            found = rates.between(schedule, end, last)
            rate = found[end]
            others = [step for step in found if found[step] != rate]
            if others:
                _logger.warning(
                    "Fine-tuning trains on at the last learning rate, but %s "
                    "goes on after the first round: it is %.4g at step %d and "
                    "%.4g at step %d. Use a schedule that stays where it is.",
                    type(schedule).__name__,
                    rate,
                    end,
                    found[others[-1]],
                    others[-1],
                )
            elif not rate:
                _logger.warning(
                    "Fine-tuning trains on at the last learning rate, which "
                    "%s has at 0 from step %d on: nothing is trained. Give it "
                    "an end above 0, or use 'learning_rate_rewinding'.",
                    type(schedule).__name__,
                    end,
                )

    def apply(self, model, snapshot):
        """Leaves weights, slots and step counter as they are."""
        return state.iterations(model)


class ContinuedTraining(RewindingPolicy):
    """Weights stay as trained, schedule and step counter start over at 0.

    Reference: Frankle and Carbin, 2019, appendix B, strategy 2.
    """

    name = "continued_training"
    starts_over = True
    needs_slots = False

    def apply(self, model, snapshot):
        """Starts the optimizer anew at step 0, with the trained weights."""
        state.renew_optimizer(model, 0)
        remask(model)
        return 0


_POLICIES = {
    policy.name: policy
    for policy in (
        WeightRewinding,
        LearningRateRewinding,
        FineTuning,
        ContinuedTraining,
    )
}


def names() -> tuple[str, ...]:
    """Returns the names of the policies."""
    return tuple(_POLICIES)


def get(identifier: Any) -> RewindingPolicy:
    """Returns a policy by name, config or instance.

    Args:
        identifier: a name of `names()`, a dict `{"name": ..., **arguments}`,
            or a policy.

    Example:
        >>> get("weight_rewinding").get_config()
        {'optimizer': 'restore'}
    """
    if isinstance(identifier, RewindingPolicy):
        return identifier
    arguments = {}
    if isinstance(identifier, dict):
        arguments = {k: v for k, v in identifier.items() if k != "name"}
        identifier = identifier.get("name")
    checks.check_choice("policy", identifier, names())
    return _POLICIES[identifier](**arguments)


def serialize(policy: RewindingPolicy) -> dict[str, Any]:
    """Returns a policy's config, which `get` accepts."""
    return {"name": policy.name, **policy.get_config()}
