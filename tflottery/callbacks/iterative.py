"""`IterativePruning`: train, prune, rewind, repeat, inside one `fit`.

The rounds are counted in optimizer steps, so a round ends exactly at its last
step even where that is not the end of an epoch. The compiled train function is
never touched: between two steps only variables change.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from tflottery.callbacks import counting, searches
from tflottery.callbacks.callback import Callback, check_evaluation_data
from tflottery.callbacks.rounds import RoundPlan
from tflottery.callbacks.unscheduled import UnscheduledRate
from tflottery.core import checks, measurements
from tflottery.core.mask import Mask
from tflottery.layers import evidence, prune, saliency
from tflottery.rewinding import policy as policies
from tflottery.rewinding.snapshot import Snapshot
from tflottery.rewinding.ticket import Ticket

_logger = logging.getLogger("tflottery")


class IterativePruning(Callback):
    """Runs iterative magnitude pruning with rewinding inside one `fit`.

    Round 0 trains the dense network for T = `epochs_per_round` epochs and
    keeps a snapshot of step k, the model's `rewind_to`. Then, `rounds` times,
    the share `prune_fraction` of the surviving weights goes, the survivors
    and the whole training state return to step k, and T - k more steps
    follow. How the model is pruned was said to `tflottery.prune_iteratively`.
    A model that is sparse already keeps its mask in round 0 and is pruned on
    from there. A step is an update of the optimizer: with
    `gradient_accumulation_steps=n`, n batches.

    The order of the data is your data set's: `fit` runs on through it, and
    does not go back to the batch of step k. `tflottery.find_ticket` rewinds
    the data order too, survives being killed, and writes everything down.
    Callbacks that stop `fit`, put back weights of another epoch
    (`EarlyStopping`) or write the learning rate (`LearningRateScheduler`) work
    against the search; schedules of the optimizer are rewound. Under a strategy
    the replicas share one mask; several workers each have the ticket.

    Args:
        rounds: number of prunings after the dense round, at least 1.
        epochs_per_round: length T of the dense round in epochs.
        validation_data: evaluated at the end of each round and recorded under
            `val_*`: `(x, y)`, `(x, y, sample_weight)` or a data set.
        policy: what goes back; `"weight_rewinding"` (default),
            `"learning_rate_rewinding"`, `"fine_tuning"`,
            `"continued_training"`, or a `RewindingPolicy`.
        saliency_data: one batch `(x, y)` for criteria that need gradients.
        verbose: 1 (default) prints a line per round, 0 nothing.

    Attributes:
        epochs: number to pass to `fit`; enough for all rounds. `fit` ends by
            itself with the last round.
        history: a dict per finished round: `round`, `density`, `sparsity`,
            `steps`, and the metrics; those of training are, as Keras has
            them, means since the last epoch began.
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
        check_evaluation_data("validation_data", validation_data)
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
            settings=self._settings,
            info=dict(self.history[round]),
        )

    def on_train_begin(self, logs=None):
        """Plans the rounds, and refuses what cannot be done exactly."""
        self._clear()
        self._settings = settings = evidence.settings_of(self.model)
        self._plan = RoundPlan.of(
            self.model,
            settings,
            batches=self.params.get("steps"),
            rounds=self.rounds,
            epochs_per_round=self.epochs_per_round,
            starts_over=self.policy.starts_over,
        )
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
        self._first_mask = evidence.current_mask(self.model)
        self._check_same(self._first_mask)
        evidence.set_mask(self.model, self._first_mask)
        self._initial = Snapshot.take(self.model)
        if self._plan.rewind_step == 0:
            self.snapshot = self._initial
        saliency.try_out(
            self.model,
            settings,
            "saliency_data",
            self.saliency_data,
            self._initial.weights(),
        )
        ends = self._base + self._plan.length, self._base + self._plan.total
        self.policy.check(self.model, *ends)
        self._rate = UnscheduledRate(self.model, self.policy.rewinds_rate)
        searches.register(self.model, self)

    def on_epoch_begin(self, epoch, logs=None):
        """Checks, once, that the epochs are enough for the rounds."""
        self._counter.epoch_began()
        if self._checked_epochs:
            return
        self._checked_epochs = True
        self._plan.check_epochs(self.params["epochs"], epoch, self.epochs)

    def on_train_batch_end(self, batch, logs=None):
        """Takes the snapshot, or ends the round, at their exact steps."""
        if self._done:
            return
        self._counter.batch_ended(batch)
        if self.snapshot is None and self._counter.reached(
            self._base + self._plan.rewind_step
        ):
            self.snapshot = Snapshot.take(self.model)
        end = self._round_start + self._plan.round_length(self._round)
        if self._counter.reached(end):
            self._end_round(dict(logs or {}))

    def on_train_end(self, logs=None):
        """Says so if `fit` was ended, or weights were put back, by another."""
        if not self._done:
            _logger.warning(
                "`fit` ended in round %d of %d, before the search did: %d "
                "rounds are finished. If another callback (EarlyStopping?) "
                "stopped it, leave that out; if loss scaling skipped updates, "
                "pass more `epochs`: the search ends `fit` by itself.",
                self._round,
                self.rounds,
                len(self._masks),
            )
        elif len(self._masks) > self.rounds and (
            evidence.current_mask(self.model) != self._masks[-1]
        ):
            _logger.warning(
                "The model has another mask than the last round left: another "
                "callback (`restore_best_weights`?) has put weights of an "
                "earlier round back. The tickets are not affected."
            )

    def on_epoch_end(self, epoch, logs=None):
        """Stops, in words, when the loss is not a number."""
        self._rate.compare()
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss) and not self._done:
            self._done = True
            self.stop_training()
            _logger.error(self._not_finite(loss))

    def _check_same(self, mask):
        self.workers.check_same(f"mask of round {self._round}", mask.digest())

    def _not_finite(self, loss):
        return (
            f"Training stopped in round {self._round}: the loss is {loss}. "
            f"The {len(self._masks)} finished rounds and their tickets are "
            "kept. Lower the learning rate, clip gradients or check the data."
        )

    def _end_round(self, logs):
        self.settle_execution()
        mask = evidence.current_mask(self.model)
        row = {
            "round": self._round,
            "density": mask.density,
            "sparsity": evidence.sparsity(self.model),
            "steps": self._plan.round_length(self._round),
            **measurements.as_numbers(logs),
        }
        if self.validation_data is not None:
            found = self.evaluate(self.validation_data)
            row.update((f"val_{k}", v) for k, v in found.items())
        if not np.isfinite(row.get("loss", 0.0)):
            self._done = True
            self.stop_training()
            _logger.error(self._not_finite(row["loss"]))
            return
        self.history.append(row)
        for listener in self.listeners:
            listener(row)
        self._masks.append(mask)
        if self.verbose and self.workers.is_chief:
            shown = {k: v for k, v in row.items() if isinstance(v, float)}
            print(
                f"\nround {self._round}/{self.rounds}: "
                + ", ".join(f"{k} {v:.4g}" for k, v in shown.items())
            )
        if self._round == self.rounds:
            self._done = True
            self.stop_training()
            return
        self._round += 1
        mask = prune.prune(
            self.model,
            prune.densities_after(self.model, self._round, self._first_mask),
            initial=self._initial.weights(),
            data=self.saliency_data,
        )
        self._check_same(mask)
        self._rate.compare()
        self._round_start = self.policy.apply(self.model, self.snapshot)
        self._rate.rewound()
        self._counter.reset()
        self.model.reset_metrics()
