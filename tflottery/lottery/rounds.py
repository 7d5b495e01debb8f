"""One round written down: trained to its end, measured, stored, marked done.

The rounds of a ticket and those of its controls are trained and measured by
the same lines, so that nothing but what a control changes on purpose can make
a difference.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from tflottery.layers import evidence, state
from tflottery.layers import family as families
from tflottery.lottery import network_facts, training
from tflottery.lottery.checkpoint import CheckpointFile, RoundProgress
from tflottery.lottery.context import SearchContext
from tflottery.lottery.journal import (
    ReplicateJournal,
    round_name,
    trained_name,
)
from tflottery.rewinding.snapshot import Snapshot
from tflottery.rewinding.ticket import Ticket


@dataclasses.dataclass(frozen=True)
class Round:
    """A round of a branch, whose model stands at its beginning.

    Args:
        branch: `ticket`, or the name of a control.
        draw: which draw of the control, from 0.
        round: number of the round; 0 is dense.
        first_step: place in the stream of batches, and of the learning-rate
            schedule, that the round begins at.
        last_step: where it ends.
        order_seed: seed of the order of the data.
        start: the state it begins with; it becomes that of the ticket file.
        keeps_slots: whether the next round needs the optimizer as this one
            leaves it, or the weights only.
    """

    branch: str
    draw: int
    round: int
    first_step: int
    last_step: int
    order_seed: int
    start: Callable[[], Snapshot]
    keeps_slots: bool = False


def run(
    context: SearchContext,
    journal: ReplicateJournal,
    what: Round,
    stops: Mapping[int, Callable[[], None]] | None = None,
) -> None:
    """Trains one round to its end and writes down what came of it.

    Args:
        context: the shared parts of the search; its model has the mask and
            the state that the round begins with.
        journal: the files of the branch.
        what: which round, and from where to where.
        stops: `{step: function}`, called when the model stands there.
    """
    number, trainer = what.round, context.trainer
    mask = evidence.current_mask(trainer.model)
    _check_workers(context, journal, what, mask)
    context.progress.round_started(
        journal.number, number, mask.density, what.last_step
    )
    checkpoint = CheckpointFile(journal, f"{round_name(number)}/checkpoint")
    found = trainer.train(
        first_step=what.first_step,
        last_step=what.last_step,
        order_seed=what.order_seed,
        checkpoint=checkpoint,
        stops=dict(stops or {}),
        on_validation=lambda row: context.progress.step(
            journal.number, number, row["step"], row
        ),
    )
    row = _row(context, journal, what, mask, found)
    context.give_way()
    _store_trained(context, journal, what)
    context.give_way()
    _store_ticket(context, journal, what, mask, row)
    context.give_way()
    journal.write_result(number, row, found.curve)
    checkpoint.remove()
    context.progress.round_finished(row)
    context.give_way()


def _check_workers(context, journal, what, mask) -> None:
    """Stops if the workers do not begin the round with the same."""
    workers = context.workers
    if workers.count == 1:
        return
    where = f"round {what.round} of replicate {journal.number}"
    workers.check_same(f"mask in {where}", mask.digest())
    begun = Snapshot.take(context.trainer.model)
    workers.check_same(f"weights to begin {where} with", begun.digest())


def _row(
    context: SearchContext,
    journal: ReplicateJournal,
    what: Round,
    mask: Any,
    found: RoundProgress,
) -> dict[str, Any]:
    trainer = context.trainer
    best = trainer.evaluate_at_best(found)
    found.best.clear()  # as large as the network, and not used again
    final = trainer.evaluate("test")
    at_best = next(r for r in found.curve if r["step"] == found.best_step)
    return {
        "replicate": journal.number,
        "branch": what.branch,
        "draw": what.draw,
        "round": what.round,
        "density": mask.density,
        "sparsity": evidence.sparsity(trainer.model),
        "steps": what.last_step - what.first_step,
        "best_step": found.best_step,
        "validation_loss": at_best["validation_loss"],
        "validation_accuracy": at_best["validation_accuracy"],
        "test_accuracy_best": training.accuracy_of(best),
        "test_accuracy_final": training.accuracy_of(final),
        "seconds": math.floor(found.seconds * 1000) / 1000,
    }


def _store_trained(context, journal, what) -> None:
    model = context.trainer.model
    if what.keeps_slots:
        snapshot = Snapshot.take(model)
    else:
        # The next round needs the weights only: to rank them.
        values = state.read(model, state.WEIGHTS)
        snapshot = Snapshot(state.iterations(model), values)
    journal.write_snapshot(trained_name(what.round), snapshot)


def weights_of(snapshot: Snapshot) -> Snapshot:
    """Returns a snapshot without the optimizer."""
    weights = {
        name: value
        for name, value in snapshot.values.items()
        if name.startswith(state.WEIGHTS)
    }
    return Snapshot(snapshot.step, weights)


def _store_ticket(context, journal, what, mask, row) -> None:
    model = context.trainer.model
    left_out = ["seconds"]
    if what.branch == "ticket":
        left_out += ["branch", "draw"]
    info = {k: v for k, v in row.items() if k not in left_out}
    info[network_facts.KEY] = network_facts.collect(
        context.config,
        journal.identity,
        context.data,
        seed=context.model_seed(journal.number),
        keras=families.family_of(model),
    )
    ticket = Ticket(
        mask=mask,
        snapshot=what.start(),
        settings=evidence.settings_of(model),
        info=info,
    )
    journal.write_ticket(what.round, ticket)
