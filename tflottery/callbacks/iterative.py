"""`IterativePruning`: train, prune, rewind, repeat, inside one `fit`.

The rounds are counted in optimizer steps, so a round ends exactly at its last
step even where that is not the end of an epoch. The compiled train function is
never touched: between two steps only variables change.
"""

from __future__ import annotations

import logging
import math
import weakref
from typing import Any

import keras
import numpy as np

from tflottery.callbacks import counting
from tflottery.core import checks
from tflottery.core.mask import Mask
from tflottery.core.step import Step
from tflottery.layers import evidence, prune
from tflottery.rewinding import policy as policies
from tflottery.rewinding.snapshot import Snapshot
from tflottery.rewinding.ticket import Ticket

_logger = logging.getLogger("tflottery")
_searches: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def search_of(model: Any) -> IterativePruning | None:
    """Returns the search that runs, or ran last, on a model."""
    return _searches.get(model)


class IterativePruning(keras.callbacks.Callback):
    """Runs iterative magnitude pruning with rewinding inside one `fit`.

    Round 0 trains the dense network for T = `epochs_per_round` epochs and
    keeps a snapshot of step k, the model's `rewind_to`. Then, `rounds` times,
    the share `prune_fraction` of the surviving weights goes, the survivors
    and the whole training state return to step k, and T - k more steps
    follow. How the model is pruned was said to `tflottery.prune_iteratively`.

    The order of the data is your data set's: `fit` runs on through it, and
    does not go back to the batch of step k. `tflottery.find_ticket` rewinds
    the data order too, survives being killed, and writes everything down.

    Args:
        rounds: number of prunings after the dense round, at least 1.
        epochs_per_round: length T of the dense round in epochs.
        validation_data: evaluated with `model.evaluate` at the end of each
            round; recorded under `val_*`. Default: none.
        policy: what goes back; `"weight_rewinding"` (default),
            `"learning_rate_rewinding"`, `"fine_tuning"`,
            `"continued_training"`, or a `RewindingPolicy`.
        saliency_data: one batch `(x, y)` for criteria that need gradients.
        verbose: 1 (default) prints a line per round, 0 nothing.

    Attributes:
        epochs: number to pass to `fit`; enough for all rounds. `fit` ends by
            itself with the last round.
        history: a dict per finished round: `round`, `density`, `sparsity`,
            `steps`, and the metrics.
        ticket: the `Ticket` of the last finished round.
        snapshot: the state at step k.

    Raises:
        ValueError: on the begin of `fit`, before any training: the model is
            not wrapped; the rewind step is past the end of a round or lies
            inside an execution; `epochs` is too small for the rounds.

    Example:
        >>> import keras, numpy as np, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
        >>> model = tflottery.prune_iteratively(model, 0.5, rewind_to="1it")
        >>> model.compile("adam", "mse")
        >>> search = tflottery.callbacks.IterativePruning(
        ...     rounds=2, epochs_per_round=1, verbose=0)
        >>> x, y = np.ones((8, 4)), np.ones((8, 5))
        >>> history = model.fit(x, y, batch_size=2, epochs=search.epochs,
        ...                     verbose=0, callbacks=[search])
        >>> [(r["round"], r["density"], r["steps"]) for r in search.history]
        [(0, 1.0, 4), (1, 0.5, 3), (2, 0.25, 3)]

    Reference: Frankle et al., Stabilizing the Lottery Ticket Hypothesis,
    2019, algorithm 1.
    """

    def __init__(
        self,
        rounds: int,
        epochs_per_round: int,
        validation_data: Any = None,
        policy: Any = "weight_rewinding",
        saliency_data: Any = None,
        verbose: int = 1,
    ):
        super().__init__()
        self.rounds = checks.check_positive_int("rounds", rounds)
        self.epochs_per_round = checks.check_positive_int(
            "epochs_per_round", epochs_per_round
        )
        self.validation_data = validation_data
        self.policy = policies.get(policy)
        self.saliency_data = saliency_data
        self.verbose = verbose
        self.listeners: list[Any] = []
        self._clear()

    def _clear(self):
        self.history: list[dict[str, Any]] = []
        self.snapshot: Snapshot | None = None
        self._initial: Snapshot | None = None
        self._masks: list[Mask] = []
        self._round = 0
        self._done = False

    @property
    def epochs(self) -> int:
        """Epochs to pass to `fit`: (rounds + 1) * epochs_per_round."""
        return (self.rounds + 1) * self.epochs_per_round

    @property
    def ticket(self) -> Ticket:
        """The ticket of the last finished round."""
        if not self._masks:
            raise ValueError(
                "`ticket` is there when a round has finished. Received: a "
                "search with no finished round. Call `model.fit(..., "
                "epochs=search.epochs, callbacks=[search])` first."
            )
        return self.ticket_of_round(len(self._masks) - 1)

    def ticket_of_round(self, round: int) -> Ticket:
        """Returns the ticket that a finished round trained.

        Args:
            round: 0 for the dense network.
        """
        if not 0 <= round < len(self._masks):
            raise ValueError(
                f"`round` must be one of the {len(self._masks)} finished "
                f"rounds. Received: round={round}. The first is 0."
            )
        return Ticket(
            mask=self._masks[round],
            snapshot=self.snapshot,
            settings=evidence.settings_of(self.model),
            info=dict(self.history[round]),
        )

    def on_train_begin(self, logs=None):
        """Plans the rounds, and refuses what cannot be done exactly."""
        self._clear()
        settings = evidence.settings_of(self.model)
        steps = self.params.get("steps")
        if not steps:
            raise ValueError(
                "The length of an epoch must be known. Received: a data set "
                "of unknown size. Pass `steps_per_epoch` to `fit`."
            )
        self._length = steps * self.epochs_per_round
        rewind = Step.parse(settings.rewind_to)
        self._rewind_step = rewind.to_steps(
            steps_per_epoch=steps, total_steps=self._length
        )
        if self._rewind_step >= self._length:
            raise ValueError(
                "`rewind_to` must be before the end of a round. Received: "
                f"rewind_to={settings.rewind_to!r}, which is step "
                f"{self._rewind_step} of {self._length}. Rewind to an earlier "
                "step or train longer."
            )
        per_execution = counting.steps_per_execution(self.model)
        later = self._round_length(1)
        self._total = self._length + self.rounds * later
        counting.check_stops_exactly(
            "rewind_to", self._rewind_step, steps, per_execution
        )
        for round in range(1, self.rounds):
            counting.check_stops_exactly(
                f"end of round {round}",
                self._length + round * later,
                steps,
                per_execution,
            )
        self._epochs_needed = math.ceil(self._total / steps)
        self._checked_epochs = False
        self._counter = counting.StepCounter(self.model)
        self._base = self._counter.at_most
        self._round_start = self._base
        if self._base and self.verbose:
            _logger.info(
                "The optimizer has made %d steps before this search; its "
                "steps are counted from here.",
                self._base,
            )
        evidence.set_mask(self.model, evidence.current_mask(self.model))
        self._initial = Snapshot.take(self.model)
        if self._rewind_step == 0:
            self.snapshot = self._initial
        _searches[self.model] = self

    def on_epoch_begin(self, epoch, logs=None):
        """Checks, once, that the epochs are enough for the rounds."""
        self._counter.epoch_began()
        if self._checked_epochs:
            return
        self._checked_epochs = True
        given = self.params["epochs"] - epoch
        if given < self._epochs_needed:
            raise ValueError(
                "`epochs` must be enough for all rounds. Received: epochs="
                f"{given}; {self.rounds} rounds after the dense one, rewound "
                f"to step {self._rewind_step}, need {self._epochs_needed}. "
                f"Pass epochs=search.epochs ({self.epochs}) to `fit`."
            )

    def on_train_batch_end(self, batch, logs=None):
        """Takes the snapshot, or ends the round, at their exact steps."""
        if self._done:
            return
        self._counter.batch_ended(batch)
        if self.snapshot is None and self._counter.reached(
            self._base + self._rewind_step
        ):
            self.snapshot = Snapshot.take(self.model)
        end = self._round_start + self._round_length(self._round)
        if self._counter.reached(end):
            self._end_round(dict(logs or {}))

    def on_epoch_end(self, epoch, logs=None):
        """Stops, in words, when the loss is not a number."""
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss) and not self._done:
            self._done = True
            self.model.stop_training = True
            _logger.error(self._not_finite(loss))

    def _not_finite(self, loss):
        return (
            f"Training stopped in round {self._round}: the loss is {loss}. "
            f"The {len(self._masks)} finished rounds and their tickets are "
            "kept. Lower the learning rate, clip gradients or check the data."
        )

    def _round_length(self, round: int) -> int:
        if round == 0 or self.policy.name == "continued_training":
            return self._length
        return self._length - self._rewind_step

    def _end_round(self, logs):
        mask = evidence.current_mask(self.model)
        row = {
            "round": self._round,
            "density": mask.density,
            "sparsity": evidence.sparsity(self.model),
            "steps": self._round_length(self._round),
            **{name: float(value) for name, value in logs.items()},
        }
        if self.validation_data is not None:
            found = _evaluate(self.model, self.validation_data)
            row.update((f"val_{k}", float(v)) for k, v in found.items())
        if not np.isfinite(row.get("loss", 0.0)):
            self._done = True
            self.model.stop_training = True
            _logger.error(self._not_finite(row["loss"]))
            return
        self.history.append(row)
        for listener in self.listeners:
            listener(row)
        self._masks.append(mask)
        if self.verbose:
            shown = {k: v for k, v in row.items() if isinstance(v, float)}
            print(
                f"\nround {self._round}/{self.rounds}: "
                + ", ".join(f"{k} {v:.4g}" for k, v in shown.items())
            )
        if self._round == self.rounds:
            self._done = True
            self.model.stop_training = True
            return
        self._round += 1
        prune.prune(
            self.model,
            prune.densities_after(self.model, self._round),
            initial=self._initial.weights(),
            data=self.saliency_data,
        )
        self._round_start = self.policy.apply(self.model, self.snapshot)
        self._counter.reset()
        self.model.reset_metrics()


def _evaluate(model, data):
    keywords = {"verbose": 0, "return_dict": True}
    if isinstance(data, tuple):
        return model.evaluate(*data, **keywords)
    return model.evaluate(data, **keywords)
