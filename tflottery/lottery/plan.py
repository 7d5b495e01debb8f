"""`Plan`: what is to be run of each replicate: the ticket, controls, draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tflottery.core import checks
from tflottery.lottery.branch_stages import BranchStages
from tflottery.lottery.branches import registry
from tflottery.lottery.branches.branch import Branch
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.progress import Progress
from tflottery.lottery.stages import TICKET, ReplicateStages


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be run of each replicate.

    Args:
        ticket_rounds: how many rounds of the ticket, round 0 counted.
        controls: the branches beside it.
        rounds: the rounds that controls are wanted of.
        draws: how many draws of each control that is random.
    """

    ticket_rounds: int
    controls: tuple[Branch, ...] = ()
    rounds: tuple[int, ...] = ()
    draws: int = 1

    @classmethod
    def create(
        cls,
        config: SearchConfig,
        data: Any,
        branches: Sequence[str],
        rounds: Sequence[int] | None,
        draws: int,
    ) -> Plan:
        """Makes a plan of what a user asked for, checked.

        Args:
            config: the settings of the search.
            data: a `tflottery.data.Dataset`.
            branches: `ticket` or names of controls.
            rounds: rounds of the controls. Default: all.
            draws: how many draws of each control.

        Raises:
            ValueError: an unknown branch, one that makes no sense here, or a
                round that the search does not have.
        """
        checks.check_positive_int("draws", draws)
        controls = {}
        steps = data.steps_per_epoch(config.batch_size)
        for label in branches:
            if label == TICKET:
                continue
            branch = _get(label).resolve(config, steps)
            controls[branch.label] = branch
        last = config.rounds
        wanted = range(last + 1) if rounds is None else rounds
        for number in wanted:
            checks.check_non_negative_int("control_rounds", number)
            if number > last:
                raise ValueError(
                    "`control_rounds` must be rounds of the search. Received: "
                    f"{number}, of {last} rounds. Use numbers up to {last}."
                )
        for branch in controls.values():
            if last and not branch.needed(wanted):
                raise ValueError(
                    f"The branch {branch.label!r} begins at round "
                    f"{branch.first_round}. Received: control_rounds="
                    f"{list(wanted)}. Name a later round."
                )
        if not controls and rounds is not None:
            raise ValueError(
                "`control_rounds` are rounds of controls. Received: "
                f"control_rounds={list(rounds)}, branches={list(branches)}. "
                "Name a control too, such as 'random_reinit'."
            )
        return cls(
            ticket_rounds=1 + (last if TICKET in branches else max(wanted)),
            controls=tuple(controls.values()),
            rounds=tuple(dict.fromkeys(sorted(wanted))),
            draws=draws,
        )

    def announce(self, progress: Progress) -> None:
        """Tells a listener how many rounds of controls there are."""
        count = sum(
            self._draws(branch) * len(branch.needed(self.rounds))
            for branch in self.controls
        )
        if count:
            progress.controls_planned(count)

    def stages(self, ticket: ReplicateStages) -> list[BranchStages]:
        """Returns the draws of all controls of one replicate."""
        return [
            BranchStages(ticket, branch, draw)
            for branch in self.controls
            for draw in range(self._draws(branch))
        ]

    def count_controls(self) -> int:
        """Returns how many draws of all controls each replicate has."""
        return sum(self._draws(branch) for branch in self.controls)

    def _draws(self, branch):
        return self.draws if branch.is_random else 1


def _get(label: str) -> Branch:
    known = (TICKET, *registry.names())
    checks.check_choice("branches", label.partition("@")[0], known)
    return registry.get(label)
