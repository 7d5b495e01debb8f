"""All branches by name; what `--branch` and `find_ticket(branches=…)` take."""

from __future__ import annotations

from tflottery.core import checks
from tflottery.lottery.branches import (
    at_initialisation,
    data_order,
    other_masks,
    retraining,
    starting_weights,
)
from tflottery.lottery.branches.branch import Branch

_BRANCHES: dict[str, type[Branch]] = {
    branch.name: branch
    for branch in (
        starting_weights.RandomReinit,
        starting_weights.SignedReinit,
        starting_weights.SignedConstant,
        starting_weights.UnsignedConstant,
        starting_weights.SurvivorReinit,
        starting_weights.NoisyInit,
        other_masks.RandomTicket,
        other_masks.ShuffledMask,
        other_masks.OneShot,
        at_initialisation.MagnitudeAtInit,
        at_initialisation.Snip,
        at_initialisation.Grasp,
        at_initialisation.SynFlow,
        retraining.ContinuedTraining,
        retraining.FineTuning,
        retraining.WeightRewinding,
        retraining.LearningRateRewinding,
        retraining.OneShotFineTuning,
        retraining.OneShotWeightRewinding,
        retraining.OneShotLearningRateRewinding,
        retraining.DenseLonger,
        data_order.Reordered,
        data_order.ReorderedRandomTicket,
    )
}


def names() -> tuple[str, ...]:
    """Returns the names of the controls, in the order of `results.csv`.

    Example:
        >>> names()[:2]
        ('random_reinit', 'signed_reinit')
    """
    return tuple(_BRANCHES)


def get(label: str) -> Branch:
    """Returns a branch by its name, or `name@argument`.

    Args:
        label: such as `"random_reinit"` or `"fine_tuning@500it"`.

    Raises:
        ValueError: an unknown name, the message gives the nearest; or an
            argument where none is taken.

    Example:
        >>> get("noisy_init@0.5").label
        'noisy_init@0.5'
    """
    name, at, argument = str(label).partition("@")
    checks.check_choice("branch", name, names())
    branch = _BRANCHES[name]
    if at and not (argument and branch.example):
        takes = f"{name}@{branch.example}" if branch.example else name
        raise ValueError(
            f"`branch` {name!r} takes "
            f"{'an argument after @' if branch.example else 'no argument'}. "
            f"Received: {label!r}. Write {takes}."
        )
    return branch(argument)


def describe(name: str) -> tuple[str, str]:
    """Returns how a branch is written and what it is, for a help text.

    Args:
        name: one of `names()`.

    Example:
        >>> describe("fine_tuning")[0]
        'fine_tuning[@500it]'
    """
    checks.check_choice("branch", name, names())
    branch = _BRANCHES[name]
    argument = f"[@{branch.example}]" if branch.example else ""
    return f"{name}{argument}", branch.description
