"""`RoundSummaries`: the rounds of a search as TensorBoard event files.

A search has no `fit` callbacks, and a `fit` has no journal; both write the
same things through this class. One folder is one run of TensorBoard, which
groups tags by their first part, so every layer's sparsity stands together.

TensorBoard forgets what it has read beyond a step when that step is written
again. Every axis here therefore only grows: accuracy against density is drawn
over the share that is pruned. In return, a round that is written twice, as
after a search was killed, is shown once.
"""

from __future__ import annotations

import numbers
import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.callbacks import hparams, pictures, summaries
from tflottery.core import files
from tflottery.core.mask import Mask

AXIS_UNITS = 100_000

_DESCRIPTIONS = {
    "sparsity": "Share of zeros among the prunable weights as stored.",
    "surviving_weights": "Number of stored weights that are not zero.",
    "weakest_survivor": "Magnitude of the smallest stored weight that is not "
    "zero; 0 if there is none.",
    "mask_overlap": "Jaccard index of the survivors of this mask and the one "
    "before it; written when the mask has changed.",
    "dead_units": "Units with no way in: all weights that lead to them are 0.",
    "unread_inputs": "Inputs with no way out: all weights that read them are "
    "0.",
    "rounds": "Horizontal axis: the round; 0 is the dense network.",
    "against_density": "Density falls from left to right: the horizontal axis "
    "is the share of weights pruned, in thousandths of a percent. 80k is 80 % "
    "pruned, a density of 20 %.",
    "final": "At the end of the last round.",
    "first_layer_mask": "White is kept, black is pruned; the step is the "
    "round. `matrix`: inputs down, units across. `inputs`: how many units "
    "read each input, white for the most. `filters`: a cell per filter.",
}


def check_log_dir(log_dir: Any) -> str:
    """Returns the folder for event files as a text.

    Raises:
        TypeError: it is neither a text nor a path.
        ValueError: it is empty, or a file.
    """
    way_out = "Use a folder such as 'logs', or 'gs://bucket/logs'."
    if not isinstance(log_dir, (str, os.PathLike)):
        raise TypeError(
            "`log_dir` must be a text or a path. Received: "
            f"log_dir={log_dir!r} of type {type(log_dir).__name__}. {way_out}"
        )
    text = os.fspath(log_dir)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(
            "`log_dir` must name a folder. Received: "
            f"log_dir={log_dir!r}. {way_out}"
        )
    path = files.as_path(log_dir)
    if path.exists() and not path.is_dir():
        raise ValueError(
            "`log_dir` must name a folder. Received: "
            f"log_dir={log_dir!r}, which is a file. {way_out}"
        )
    return text


class RoundSummaries:
    """Writes a search's rounds for TensorBoard; one folder, one run.

    Nothing is written before the first call, and each call ends with all of
    it on disk, so a killed search loses no round it has written.

    Args:
        log_dir: folder of this run. Give each replicate its own, with a
            common parent to point TensorBoard at: `tb/replicate_0`, ...
        images: draw the first layer's mask each round. Default `True`.
        hyper_parameters: `{name: value}` for this run's line in the HParams
            table, which `close` writes. Default: no line. See `hparams`.

    Raises:
        TypeError: `log_dir` is neither a text nor a path, or
            `hyper_parameters` not a mapping.
        ValueError: `log_dir` is empty, or a file.

    Example:
        >>> import keras, tempfile, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> model = tflottery.prune_once(model, sparsity=0.5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rounds = RoundSummaries(
        ...         folder, hyper_parameters={"scope": "global"})
        ...     rounds.write(model, 0, {"test_accuracy": 0.9})
        ...     rounds.close()
    """

    def __init__(
        self,
        log_dir: Any,
        images: bool = True,
        hyper_parameters: Mapping[str, Any] | None = None,
    ):
        self.log_dir = check_log_dir(log_dir)
        self.images = images
        self.hyper_parameters = hparams.plain_values(hyper_parameters or {})
        self._last_round: dict[str, float] = {}
        self._line_written = False
        self._started = time.time()
        self._previous: Mask | None = None
        self._open = None

    def write(
        self,
        model: Any,
        round: int,
        metrics: Mapping[str, Any],
        previous: Mask | None = None,
    ) -> None:
        """Writes all about a finished round; every axis is the round.

        Call it while the model is as the round has left it, before the next
        mask is set, and before the round is noted as finished.

        Args:
            model: the wrapped model.
            round: 0 for the dense network.
            metrics: `{name: number}`; what is not a number is left out.
            previous: the mask of the round before. Needed only for a round
                before which this object has written none, as after a resume.
        """
        measurement = summaries.measure(model)
        if previous is not None:
            self._previous = previous
        self.write_layers(measurement, step=round)
        self.write_round(
            measurement, round, metrics, summaries.input_shape_of(model)
        )

    def write_layers(
        self, measurement: summaries.Measurement, step: int
    ) -> None:
        """Writes what is known of each layer and of the whole.

        Args:
            measurement: from `tflottery.callbacks.summaries.measure`.
            step: place on the horizontal axis, never less than before.
        """
        scalars = measurement.scalars(self._previous)
        self._previous = measurement.mask
        self._write_scalars(scalars, step)

    def write_round(
        self,
        measurement: summaries.Measurement,
        round: int,
        metrics: Mapping[str, Any],
        input_shape: tuple[int, ...] | None = None,
    ) -> None:
        """Writes a round's density and metrics, and its mask as a picture.

        Args:
            measurement: of the model as the round has left it.
            round: 0 for the dense network.
            metrics: as in `write`.
            input_shape: shape of one example, if known.
        """
        known = {"round", "density", "sparsity", "steps"}
        shown = {k: v for k, v in _numbers(metrics).items() if k not in known}
        by_round = {
            "density": measurement.density,
            "sparsity": measurement.sparsity,
            **shown,
        }
        self._last_round = by_round
        self._write_scalars(
            {f"rounds/{name}": v for name, v in by_round.items()}, round
        )
        self._write_scalars(
            {f"against_density/{name}": v for name, v in shown.items()},
            axis_step(measurement.density),
        )
        if not self.images:
            return
        path, mask = next(iter(measurement.mask.items()))
        tf, writer = self._writer()
        with writer.as_default(step=round):
            for name, picture in pictures.of_mask(mask, input_shape).items():
                tf.summary.image(
                    f"first_layer_mask/{name}",
                    picture[None],
                    description=f"`{path}`, shape {mask.shape}. "
                    + _DESCRIPTIONS["first_layer_mask"],
                )

    def hparams(
        self,
        hyper_parameters: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> None:
        """Writes the run's line in the HParams table, at the end.

        Args:
            hyper_parameters: `{name: value}`, added to those given at first;
                numbers, booleans and texts as they are, anything else as
                JSON. Runs with equal ones are shown as repeats of one trial.
            metrics: `{name: number}` at the end, also written as the scalars
                `final/<name>`. Default: those of the last round written.

        Raises:
            TypeError: `hyper_parameters` is not a mapping.
        """
        values = self.hyper_parameters | hparams.plain_values(
            hyper_parameters or {}
        )
        metrics = self._last_round if metrics is None else metrics
        finals = {f"final/{k}": v for k, v in _numbers(metrics).items()}
        self._write_scalars(finals, 0)
        tf, writer = self._writer()
        with writer.as_default(step=0):
            for message in hparams.messages(values, finals, self._started):
                tf.summary.experimental.write_raw_pb(message)
        self._line_written = True

    def close(self) -> None:
        """Writes the line of the HParams table, once, and closes the file."""
        wanted = self.hyper_parameters and not self._line_written
        if wanted and self._last_round:
            self.hparams()
        if self._open is not None:
            self._open.close()
            self._open = None

    def __enter__(self) -> RoundSummaries:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def _writer(self):
        import tensorflow as tf

        # Leaving its `as_default` flushes the writer: no round is lost.
        if self._open is None:
            self._open = tf.summary.create_file_writer(self.log_dir)
        return tf, self._open

    def _write_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        tf, writer = self._writer()
        with writer.as_default(step=step):
            for tag, value in scalars.items():
                description = _DESCRIPTIONS[tag.split("/", 1)[0]]
                tf.summary.scalar(tag, value, description=description)


def axis_step(density: float) -> int:
    """Returns the place of a density on the axis of `against_density`.

    Args:
        density: in [0, 1].

    Returns:
        The share pruned in thousandths of a percent, 0 to 100,000.

    Example:
        >>> axis_step(1.0), axis_step(0.2), axis_step(0.00354)
        (0, 80000, 99646)
    """
    return AXIS_UNITS - round(AXIS_UNITS * density)


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in metrics.items()
        if isinstance(value, (numbers.Real, np.number, np.ndarray))
        and not isinstance(value, bool)
        and np.ndim(value) == 0
    }
