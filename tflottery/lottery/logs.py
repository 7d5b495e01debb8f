"""TensorBoard logs of a search, one TensorBoard run per replicate.

They are made from the journal, so every process that continues a search can
write them anew from the first round on.
"""

from __future__ import annotations

import contextlib

from tflottery.callbacks.tensorboard import RoundSummaries
from tflottery.layers import evidence, state
from tflottery.lottery import starting_points
from tflottery.lottery.context import SearchContext
from tflottery.lottery.journal import ReplicateJournal, trained_name

FOLDER = "tensorboard"


def open_writer(
    context: SearchContext, journal: ReplicateJournal
) -> contextlib.AbstractContextManager[RoundSummaries | None]:
    """Begins the logs of a replicate; earlier ones are replaced.

    Returns:
        The writer; `None` on a worker that is not the chief.
    """
    if not context.workers.is_chief:
        return contextlib.nullcontext()
    journal.claim.check()
    place = context.run.path / FOLDER / f"replicate_{journal.number}"
    if place.exists():
        place.rmtree()
    return RoundSummaries(place, hyper_parameters=context.config.to_dict())


def write_round(
    writer: RoundSummaries | None,
    context: SearchContext,
    journal: ReplicateJournal,
    round: int,
) -> None:
    """Writes the summaries of a finished round; the model is not changed.

    All workers must call it; the one that has a writer writes.
    """
    model = context.trainer.model
    result = journal.result(round)
    trained = journal.snapshot(trained_name(round))
    mask = journal.mask(round)
    if result is None or trained is None or mask is None:
        return
    values, mask_now = state.read(model), evidence.current_mask(model)
    starting_points.load_trained(model, mask, trained)
    metrics = {
        name: value
        for name, value in result["row"].items()
        if isinstance(value, float) or name == "best_step"
    }
    previous = journal.mask(round - 1) if round else None
    if writer is not None:
        writer.write(model, round, metrics, previous=previous)
    evidence.set_mask(model, type(mask).ones_like(mask))
    state.write(model, values)
    evidence.set_mask(model, mask_now)
