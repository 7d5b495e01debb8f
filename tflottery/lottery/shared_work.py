"""Shared work: which of several processes does which replicate.

Each takes what no other has claimed. A claim from another machine may be that
of a process that is gone; whether it is shows in that it is not renewed.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import time
from collections.abc import Sequence

from tflottery.core.claims import Claim, ClaimedError
from tflottery.lottery import logs
from tflottery.lottery.context import SearchContext
from tflottery.lottery.plan import Plan
from tflottery.lottery.stages import ReplicateStages
from tflottery.lottery.together import Together

_logger = logging.getLogger("tflottery")

_PATIENCE_SECONDS = Claim.EXPIRES_SECONDS + 15


def run_replicates(
    context: SearchContext,
    numbers: Sequence[int],
    plan: Plan,
    summaries: bool,
    together: Together,
) -> None:
    """Finishes the replicates that no other process works on.

    Args:
        context: the shared parts of the search.
        numbers: of the replicates, each checked.
        plan: what to run of each.
        summaries: whether to write TensorBoard logs.
        together: runs what can be run at the same time.

    Raises:
        ClaimedError: others work on all of them. Not where there are controls
            to run: then it waits until they are free.
    """
    waiting, deadline = list(numbers), None
    while waiting:
        refusals = {}
        for first in range(0, len(waiting), together.count):
            with contextlib.ExitStack() as claims:
                replicates = []
                for number in waiting[first : first + together.count]:
                    try:
                        claim = context.run.claimed(number)
                        replicates.append(claims.enter_context(claim))
                    except ClaimedError as error:
                        refusals[number] = error
                _run_claimed(together, replicates, plan, summaries)
        if len(refusals) < len(waiting):
            deadline = None  # it took its time: who was alive may not be now
        if deadline is None:
            # Another may be at other controls, which do not help here.
            patience = math.inf if plan.controls else _PATIENCE_SECONDS
            deadline = time.monotonic() + patience
            _announce_waiting(refusals, bool(plan.controls))
        hopeful = [
            number
            for number, error in refusals.items()
            if plan.controls or not error.holder.is_here
        ]
        if not context.workers.from_chief(
            lambda hopeful=hopeful, end=deadline: _wait(bool(hopeful), end)
        ):
            break
        waiting = list(refusals)
    if refusals and len(refusals) == len(numbers):
        raise next(iter(refusals.values()))
    for number, error in refusals.items():
        _logger.warning("Replicate %d is left to another: %s", number, error)


def _announce_waiting(refusals, has_controls):
    """Says whose end, or whose death or life, has to be waited for."""
    for number, error in refusals.items():
        if has_controls:
            _logger.warning(
                "Replicate %d is claimed by %s. Waiting until it is free.",
                number,
                error.holder,
            )
        elif not error.holder.is_here:
            _logger.warning(
                "Replicate %d is claimed by %s. Waiting up to two minutes to "
                "see whether that is still alive.",
                number,
                error.holder,
            )


def _wait(wanted: bool, deadline: float) -> bool:
    """Waits a little if a claim may come free; tells whether it did."""
    if not wanted or time.monotonic() > deadline:
        return False
    time.sleep(5)
    return True


def _run_claimed(together, replicates, plan, summaries):
    """Finishes every round that is planned, of replicates that are claimed."""
    together.run(
        [
            functools.partial(_run_ticket, replicate, plan, summaries)
            for replicate in replicates
        ]
    )
    # Draws of one control side by side: they are trained alike.
    together.run(
        [
            functools.partial(_run_control, replicate, plan, number)
            for number in range(plan.count_controls())
            for replicate in replicates
        ]
    )


def _run_ticket(replicate, plan, summaries, context):
    """Finishes the rounds of the ticket."""
    stages = ReplicateStages(context, replicate)
    unfinished = stages.unfinished(plan.ticket_rounds)
    if not unfinished:
        return
    with contextlib.ExitStack() as stack:
        writer = None
        if summaries:
            writer = stack.enter_context(logs.open_writer(context, replicate))
        for round in range(plan.ticket_rounds):
            if round in unfinished:
                stages.run(round)
                context.run.write_results()
                context.give_way()
            if summaries:
                logs.write_round(writer, context, replicate, round)


def _run_control(replicate, plan, number, context):
    """Finishes the rounds of one draw of a control."""
    stages = plan.stages(ReplicateStages(context, replicate))
    control = stages[number]
    needed = control.branch.needed(plan.rounds)
    missing = [r for r in needed if not control.is_finished(r)]
    if missing:
        before = sum(
            len(other.branch.needed(plan.rounds)) for other in stages[:number]
        )
        context.progress.branch_started(
            replicate.number,
            control.branch.label,
            control.draw,
            before + len(needed) - len(missing),
        )
    for round in missing:
        control.run(round)
        context.run.write_results()
        context.give_way()
