"""Where rounds start from: the initial state and the state at step k.

Both are stored when the dense network passes them, and made again, with the
same bits, if their file is missing or damaged.
"""

from __future__ import annotations

import contextlib
from typing import Any

from tflottery.layers import evidence, state
from tflottery.lottery import network
from tflottery.lottery.checkpoint import CheckpointFile
from tflottery.lottery.context import SearchContext
from tflottery.lottery.journal import ReplicateJournal
from tflottery.rewinding.snapshot import Snapshot

INITIAL = "initial"
REWIND = "rewind"


def initial(context: SearchContext, replicate: ReplicateJournal) -> Snapshot:
    """Returns the state of the network before any training."""
    found = replicate.snapshot(INITIAL)
    if found is None:
        model = context.trainer.model
        with _undisturbed(model):
            _reseed(context, replicate)
            found = Snapshot.take(model)
        replicate.write_snapshot(INITIAL, found)
    return found


def rewind_point(
    context: SearchContext, replicate: ReplicateJournal
) -> Snapshot:
    """Returns the state of the dense network at step k."""
    return _dense_state(context, replicate, context.rewind_step, REWIND)


def dense_at(
    context: SearchContext, replicate: ReplicateJournal, step: int
) -> Snapshot:
    """Returns the state of the dense network at any step of its training."""
    return _dense_state(context, replicate, step, f"dense_at/step_{step}")


def _dense_state(context, replicate, step, name):
    found = replicate.snapshot(name)
    if found is None:
        model = context.trainer.model
        checkpoint = CheckpointFile(replicate, f"{name}_checkpoint")
        with _undisturbed(model):
            _reseed(context, replicate)
            context.trainer.train(
                first_step=0,
                order_seed=context.order_seed(replicate.number),
                checkpoint=checkpoint,
                last_step=step,
                validate=False,
            )
            found = Snapshot.take(model)
        checkpoint.remove()
        replicate.write_snapshot(name, found)
    return found


def start_dense(context: SearchContext, replicate: ReplicateJournal) -> None:
    """Brings the model to the beginning of round 0."""
    _reseed(context, replicate)
    if replicate.snapshot(INITIAL) is None:
        replicate.write_snapshot(INITIAL, Snapshot.take(context.trainer.model))


def load_trained(model: Any, mask: Any, trained: Snapshot) -> None:
    """Gives the model a mask and what was trained under it."""
    has_optimizer = any(n.startswith(state.OPTIMIZER) for n in trained.values)
    state.write(model, trained.values, "" if has_optimizer else state.WEIGHTS)
    evidence.set_mask(model, mask)


def _reseed(context, replicate):
    network.reseed(
        context.trainer.model,
        context.build,
        context.model_seed(replicate.number),
    )


@contextlib.contextmanager
def _undisturbed(model):
    """Gives a model its state and mask back."""
    values, mask = state.read(model), evidence.current_mask(model)
    try:
        yield
    finally:
        evidence.set_mask(model, type(mask).ones_like(mask))
        state.write(model, values)
        evidence.set_mask(model, mask)
