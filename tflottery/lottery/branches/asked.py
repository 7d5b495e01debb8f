"""`Asked`: what a branch may look at when one of its rounds is to begin.

All that a search has stored, by what it means: the ticket's mask and weights,
the dense network at any step, what the branch itself has trained. What is
missing is made, with the same bits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tflottery.core.mask import Mask
from tflottery.core.seeds import child_seed, rng
from tflottery.layers import evidence, prune, saliency, state
from tflottery.lottery import network, rounds, starting_points
from tflottery.lottery.checkpoint import CheckpointFile
from tflottery.lottery.context import SearchContext
from tflottery.lottery.journal import (
    ReplicateJournal,
    round_name,
    trained_name,
)
from tflottery.lottery.stages import ReplicateStages
from tflottery.pruning.criteria import Criterion
from tflottery.pruning.pruner import Pruner
from tflottery.rewinding.snapshot import Snapshot


@dataclasses.dataclass(frozen=True)
class Asked:
    """A round of a branch that is to begin.

    Args:
        context: the shared parts of the search.
        ticket: the rounds of the ticket, all that are needed finished.
        name: of the branch; seeds depend on it.
        needs_slots: whether the branch goes on with the optimizer as it was
            left, too.
        journal: files of the branch's draw.
        draw: number of the draw, from 0.
        round: number of the round.
        redo: trains a round of this draw again whose files are damaged.
    """

    context: SearchContext
    ticket: ReplicateStages
    name: str
    needs_slots: bool
    journal: ReplicateJournal
    draw: int
    round: int
    redo: Callable[[int], None]

    @property
    def model(self) -> Any:
        """The model that is trained; its state may be overwritten."""
        return self.context.trainer.model

    @property
    def steps(self) -> int:
        """The training length T."""
        return self.context.config.steps

    @property
    def order_seed(self) -> int:
        """The seed of the order of the data that the ticket has seen."""
        return self.context.order_seed(self.journal.number)

    def seed(self, *names: str | int) -> int:
        """Returns a seed of this round of this draw, by what it is for."""
        return child_seed(self.context.config.seed, *self._place(), *names)

    def rng(self, *names: str | int) -> np.random.Generator:
        """Returns a generator of this round of this draw."""
        return rng(self.context.config.seed, *self._place(), *names)

    def _place(self) -> tuple[str | int, ...]:
        names = ("replicate", self.journal.number, "branch", self.name)
        return (*names, "draw", self.draw, "round", self.round)

    def mask_once(self, make: Callable[[], Mask]) -> Mask:
        """Returns the mask of this round: the stored one, or a new one.

        Args:
            make: makes it, where none is stored yet.
        """
        found = self.journal.mask(self.round)
        return make() if found is None else found

    def of_branch(self, name: str, draw: int) -> Asked:
        """Returns the same round of another branch, to make its mask."""
        return dataclasses.replace(self, name=name, draw=draw)

    def ticket_mask(self) -> Mask:
        """Returns the mask of the ticket of this round."""
        found = self.ticket.journal.mask(self.round)
        if found is None:
            self.ticket.trained(self.round)
            found = self.ticket.journal.mask(self.round)
        return found

    def rewind_point(self) -> Snapshot:
        """Returns the state at step k, which tickets start from."""
        return starting_points.rewind_point(self.context, self.ticket.journal)

    def initial(self) -> Snapshot:
        """Returns the state before any training."""
        return starting_points.initial(self.context, self.ticket.journal)

    def dense_trained(self) -> Snapshot:
        """Returns the dense network as round 0 has left it."""
        return self.ticket.trained(0)

    def dense_at(self, step: int) -> Snapshot:
        """Returns the state of the dense network at a step."""
        if step == self.context.rewind_step:
            return self.rewind_point()
        if step == 0:
            return self.initial()
        return starting_points.dense_at(self.context, self.ticket.journal, step)

    def own_trained(self, round: int) -> Snapshot:
        """Returns what this draw has trained; round 0 is the dense network."""
        if round == 0 and self.needs_slots:
            return self.dense_at(self.steps)
        if round == 0:
            return self.dense_trained()
        name = trained_name(round)
        return self._own(round, lambda: self.journal.snapshot(name))

    def own_mask(self, round: int) -> Mask:
        """Returns the mask of a round of this draw; round 0 is dense."""
        if round == 0:
            return Mask.ones_like(self.ticket_mask())
        return self._own(round, lambda: self.journal.mask(round))

    def _own(self, round, read):
        found = read()
        if found is None:
            self.redo(round)
            found = read()
        return found

    def new_weights(self, seed: int) -> Snapshot:
        """Returns a network that was built with another seed.

        The state of random layers is that of the ticket's, so that they drop
        the same units.
        """
        network.reseed(self.model, self.context.build, seed)
        fresh = state.read(self.model)
        before = self.rewind_point().values
        values = {
            name: before[name] if state.is_seed(name) else value
            for name, value in fresh.items()
            if name.startswith(state.WEIGHTS)
        }
        return Snapshot(self.context.rewind_step, values)

    def with_kernels(
        self, base: Snapshot, kernels: Mapping[str, np.ndarray]
    ) -> Snapshot:
        """Returns the weights of a snapshot with other prunable ones.

        Args:
            base: a snapshot; its optimizer is left out.
            kernels: `{path: array}` by the paths of masks.
        """
        values = dict(rounds.weights_of(base).values)
        for path, value in kernels.items():
            before = values[state.WEIGHTS + path]
            values[state.WEIGHTS + path] = value.astype(before.dtype)
        return Snapshot(base.step, values)

    def pruned(self, mask: Mask, trained: Snapshot) -> Mask:
        """Returns the mask of this round, pruned as the search prunes.

        Args:
            mask: mask to begin with.
            trained: state whose weights are ranked.
        """
        model = self.model
        initial = self.initial().weights()
        starting_points.load_trained(model, mask, rounds.weights_of(trained))
        return self._agreed(
            prune.prune(
                model,
                prune.densities_after(model, self.round),
                initial=initial,
                data=self.context.saliency_batch(),
            )
        )

    def pruned_by(
        self,
        criterion: Criterion,
        weights: Snapshot,
        densities: Mapping[str, float],
        *,
        scope: str,
        data: Any = None,
        loss: Any = None,
        iterations: int = 1,
    ) -> Mask:
        """Returns a mask of the dense network, by another criterion.

        Args:
            criterion: ranks the weights.
            weights: the network that is judged.
            densities: of each weight, as `Pruner.prune` takes them.
            scope: as `Pruner` takes it.
            data: one batch `(x, y)` for criteria that need gradients.
            loss: loss function for them; default: the compiled one.
            iterations: in how many steps, each scored anew, the densities
                going down geometrically.
        """
        model = self.model
        initial = self.initial().weights()
        ones = Mask.ones_like(evidence.current_mask(model))
        starting_points.load_trained(model, ones, rounds.weights_of(weights))
        pruner = Pruner(
            criterion=criterion,
            structure=evidence.settings_of(model).structure,
            scope=scope,
        )
        for number in range(1, iterations + 1):
            found = saliency.gather(
                model,
                criterion,
                initial=initial,
                data=data,
                loss=loss,
            )
            share = number / iterations
            now = {path: value**share for path, value in densities.items()}
            mask = pruner.prune(evidence.current_mask(model), found, now)
            evidence.set_mask(model, mask)
        return self._agreed(mask)

    def _agreed(self, mask: Mask) -> Mask:
        # Computed on each worker; what counts is the chief's.
        return self.context.workers.from_chief(lambda: mask)

    def search_densities(self) -> dict[str, float]:
        """Returns the densities that the search prunes this round to."""
        return prune.densities_after(self.model, self.round)

    def global_densities(self) -> dict[str, float]:
        """Returns densities that give the ticket's total under global scope.

        Weights that the search never prunes stay dense.
        """
        mask = self.ticket_mask()
        fractions = evidence.fractions(self.model)
        kept = {path: int(np.count_nonzero(mask[path])) for path in mask}
        pruned = [path for path in mask if fractions[path] > 0]
        size = sum(mask[path].size for path in pruned)
        share = sum(kept[path] for path in pruned) / max(size, 1)
        return {path: share if path in pruned else 1.0 for path in mask}

    def trained_on(
        self, round: int, begin: Callable[[], tuple[Mask, Snapshot]]
    ) -> Snapshot:
        """Returns weights that were trained for T steps more, and stores them.

        Args:
            round: in whose folder they are.
            begin: returns the mask that holds while training and the weights
                to begin with; the optimizer begins anew.
        """
        place = f"{round_name(round)}/trained_on"
        found = self.journal.snapshot(place)
        if found is not None:
            return found
        mask, weights = begin()
        starting_points.load_trained(self.model, mask, weights)
        state.renew_optimizer(self.model, 0)
        evidence.set_mask(self.model, mask)
        checkpoint = CheckpointFile(self.journal, f"{place}_checkpoint")
        self.context.trainer.train(
            first_step=0,
            last_step=self.steps,
            order_seed=self.order_seed,
            checkpoint=checkpoint,
            validate=False,
        )
        found = rounds.weights_of(Snapshot.take(self.model))
        self.journal.write_snapshot(place, found)
        checkpoint.remove()
        return found
