"""`PruningSummaries`: what TensorBoard shows of a `fit` that prunes.

The numbers are measured in `summaries` and written by `event_files`; here is
only the question when.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tflottery.callbacks import (
    counting,
    hparams,
    iterative,
    searches,
    summaries,
)
from tflottery.callbacks.callback import Callback
from tflottery.callbacks.event_files import RoundSummaries, check_log_dir
from tflottery.core import checks, files
from tflottery.layers import evidence

__all__ = ["PruningSummaries", "RoundSummaries"]


class PruningSummaries(Callback):
    """Writes TensorBoard summaries of a wrapped model in training.

    Every `fit` is a run of its own: `log_dir/fit_0`, `log_dir/fit_1`, ...

    * Over the steps of the `fit`, all rounds one after another, for each
      weight, as in `sparsity/dense.kernel`, and for the `whole`: `sparsity`,
      `surviving_weights`, `weakest_survivor`, `dead_units`, `unread_inputs`,
      and `mask_overlap` with the mask before. All but the last are measured
      on the weights as stored.
    * Over the rounds: `by_round/density` and each metric,
      `by_round/<metric>`; `first_layer_mask` as images.
    * Over the share pruned: `by_pruned_per_100k/<metric>`.
    * The settings in the HParams table, with the last round's metrics.

    A round's numbers are those of the trained network, just before the next
    pruning. A `fit` without `IterativePruning` counts as one round. Where
    several workers train one model, the chief writes, and no other.

    Args:
        log_dir: folder for the runs, local or remote.
        update_freq: when the weights are measured, besides each end of a
            round: `"epoch"` (default) or a number of steps.
        images: draw the first layer's mask each round. Default `True`.
        hyper_parameters: `{name: value}` to add to the HParams table, such as
            `{"learning_rate": 0.001}`.

    Attributes:
        run_dir: folder of the present or last `fit`; `None` before, and for
            a worker that is not the chief.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: `log_dir` is empty, or a file; on the begin of `fit`,
            nothing in the model is wrapped.

    Example:
        >>> import keras, numpy as np, os, tempfile, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
        >>> model = tflottery.prune_once(model, sparsity=0.5)
        >>> model.compile("adam", "mse")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tensorboard = tflottery.callbacks.PruningSummaries(folder)
        ...     history = model.fit(np.ones((8, 4)), np.ones((8, 5)),
        ...                         verbose=0, callbacks=[tensorboard])
        ...     os.listdir(folder)
        ['fit_0']
    """

    def __init__(
        self,
        log_dir: Any,
        update_freq: str | int = "epoch",
        images: bool = True,
        hyper_parameters: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        check_log_dir(log_dir)
        self.log_dir = log_dir
        if update_freq != "epoch":
            checks.check_positive_int(
                "update_freq",
                update_freq,
                what="It is 'epoch', or the steps between two measurements.",
            )
        self.update_freq = update_freq
        self.images = images
        self.hyper_parameters = hparams.plain_values(hyper_parameters or {})
        self.run_dir: str | None = None
        self._rounds: RoundSummaries | None = None
        self._epoch_start = self._step = 0
        self._measured_at = -1

    def on_train_begin(self, logs=None):
        """Opens a run and measures the model as it is given."""
        if not self.workers.is_chief:
            return
        place = _new_run_dir(self.log_dir)
        self.run_dir = str(place)
        self._rounds = RoundSummaries(place, images=self.images)
        self._input_shape = summaries.input_shape_of(self.model)
        self._search: iterative.IterativePruning | None = None
        self._logs: dict[str, Any] = {}
        self._epoch_start = self._step = 0
        self._measured_at = -1
        self._measure()

    def on_epoch_begin(self, epoch, logs=None):
        """Finds the search, which may stand after this callback in `fit`."""
        if self._rounds is None:  # a loop of the user's own began without us
            self.on_train_begin()
        if self._rounds is None:
            return
        self._epoch_start = self._step
        search = searches.search_of(self.model)
        if search is None or search.params is not self.params:
            return  # none, or that of an earlier fit
        self._search = search
        if self._round_ended not in search.listeners:
            search.listeners.append(self._round_ended)

    def on_train_batch_begin(self, batch, logs=None):
        """Counts the steps of this `fit`; they never go back."""
        steps = batch + counting.steps_per_execution(self.model)
        planned = self.params.get("steps")
        self._step = self._epoch_start + min(steps, planned or steps)

    def on_train_batch_end(self, batch, logs=None):
        """Measures, if that many steps have passed."""
        if (
            self.update_freq != "epoch"
            and self._step - max(self._measured_at, 0) >= self.update_freq
        ):
            self._measure()

    def on_epoch_end(self, epoch, logs=None):
        """Measures at the end of an epoch."""
        self._logs = dict(logs or {})
        if self.update_freq == "epoch":
            self._measure()

    def on_train_end(self, logs=None):
        """Writes the HParams table and closes the run."""
        if self._rounds is None:
            return
        self._measure()
        if self._search is None:
            self._write_round(0, self._logs)
        self._rounds.hparams(
            {**self._settings(), **self.hyper_parameters},
            leading=(*hparams.LEADING, *self.hyper_parameters),
        )
        self._rounds.close()
        if self._search is not None:
            self._search.listeners.remove(self._round_ended)

    def _measure(self):
        if self._rounds is not None and self._measured_at != self._step:
            self._latest = summaries.measure(self.model)
            self._rounds.write_layers(self._latest, self._step)
            self._measured_at = self._step

    def _round_ended(self, row):
        self._measure()
        self._write_round(row["round"], row)

    def _write_round(self, round, metrics):
        self._rounds.write_round(
            self._latest, round, metrics, self._input_shape
        )

    def _settings(self):
        found = {}
        if any(w.settings is not None for w in evidence.wrappers(self.model)):
            found = evidence.settings_of(self.model).get_config()
        if self._search is not None:
            found["rounds"] = self._search.rounds
            found["epochs_per_round"] = self._search.epochs_per_round
            found["policy"] = self._search.policy.name
        return found


def _new_run_dir(log_dir):
    number = 0
    folder = files.as_path(log_dir)
    while (folder / f"fit_{number}").exists():
        number += 1
    return folder / f"fit_{number}"
