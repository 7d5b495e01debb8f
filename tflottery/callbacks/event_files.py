"""`RoundSummaries`: the rounds of a search as TensorBoard event files.

A search has no `fit` callbacks, and a `fit` has no journal; both write the
same things through this class. One folder is one run of TensorBoard, which
groups tags by their first part and sorts them by name: first come the metrics
of the rounds, `by_...`, then a group for each thing measured of the layers.

TensorBoard forgets what it has read beyond a step when that step is written
again. Every axis here therefore only grows: accuracy against density is drawn
over the share that is pruned. In return, a round that is written twice, as
after a search was killed, is shown once.
"""

from __future__ import annotations

import numbers
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from etils import epath

from tflottery.callbacks import (
    descriptions,
    event_writer,
    hparams,
    pictures,
    summaries,
)
from tflottery.callbacks.descriptions import BY_PRUNED, BY_ROUND, MASK
from tflottery.core import files
from tflottery.core.mask import Mask

AXIS_UNITS = 100_000

# No metrics: what a round is, and what it has taken.
_ABOUT_THE_ROUND = ("round", "density", "sparsity", "steps", "seconds")


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
    is_epath = isinstance(log_dir, epath.Path)  # which may be no local path
    text = str(log_dir) if is_epath else os.fspath(log_dir)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(
            "`log_dir` must name a folder. Received: "
            f"log_dir={log_dir!r}. {way_out}"
        )
    path = files.as_path(log_dir)
    if files.exists(path) and not path.is_dir():
        raise ValueError(
            "`log_dir` must name a folder. Received: "
            f"log_dir={log_dir!r}, which is a file. {way_out}"
        )
    return text


class RoundSummaries:
    """Writes a search's rounds for TensorBoard; one folder, one run.

    Nothing is written before the first call, and each call ends with all of
    it on disk, so a killed search loses no round it has written. (Remotely
    this holds for rounds; `write_layers` alone may wait half a minute.)

    Args:
        log_dir: folder of this run, local or remote. Give each replicate its
            own, with a common parent to point TensorBoard at:
            `tb/replicate_0`, ...
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
        self._place = files.as_path(log_dir)
        self.images = images
        self.hyper_parameters = hparams.plain_values(hyper_parameters or {})
        self._metric_tags: list[str] = []
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
        found = _numbers(metrics)
        shown = {k: v for k, v in found.items() if k not in _ABOUT_THE_ROUND}
        by_round = {"density": measurement.density, **shown}
        if "seconds" in found:
            by_round["seconds"] = found["seconds"]
        self._metric_tags = [f"{BY_ROUND}/{name}" for name in by_round]
        self._write_scalars(
            dict(zip(self._metric_tags, by_round.values(), strict=True)), round
        )
        self._write_scalars(
            {f"{BY_PRUNED}/{name}": v for name, v in shown.items()},
            axis_step(measurement.density),
        )
        if self.images:
            self._write_pictures(measurement.mask, round, input_shape)
        self._writer()[1].flush()

    def _write_pictures(self, masks, round, input_shape):
        path, mask = next(iter(masks.items()))
        tf, writer = self._writer()
        with writer.as_default(step=round):
            for name, picture in pictures.of_mask(mask, input_shape).items():
                tag = f"{MASK}/{name}"
                tf.summary.image(
                    tag,
                    picture[None],
                    description=f"`{path}`, shape {mask.shape}. "
                    + descriptions.of(tag),
                )

    def hparams(
        self,
        hyper_parameters: Mapping[str, Any] | None = None,
        leading: Iterable[str] = hparams.LEADING,
    ) -> None:
        """Writes the run's line in the HParams table, at the end.

        Its metrics are those of the last round written, and can be unfolded
        into their course over the rounds.

        Args:
            hyper_parameters: `{name: value}`, added to those given at first;
                numbers, booleans and texts as they are, anything else as
                JSON. Runs with equal ones are shown as repeats of one trial.
            leading: names of those whose columns come first.

        Raises:
            TypeError: `hyper_parameters` is not a mapping.
        """
        values = self.hyper_parameters | hparams.plain_values(
            hyper_parameters or {}
        )
        tf, writer = self._writer()
        with writer.as_default(step=0):
            for message in hparams.messages(
                values, self._metric_tags, self._started, leading
            ):
                tf.summary.experimental.write_raw_pb(message)
        writer.flush()
        self._line_written = True

    def close(self) -> None:
        """Writes the line of the HParams table, once, and closes the file."""
        wanted = self.hyper_parameters and not self._line_written
        if wanted and self._metric_tags:
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
            self._open = event_writer.open_writer(self._place)
        return tf, self._open

    def _write_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        tf, writer = self._writer()
        with writer.as_default(step=step):
            for tag, value in scalars.items():
                description = descriptions.of(tag)
                tf.summary.scalar(tag, value, description=description)


def axis_step(density: float) -> int:
    """Returns the place of a density on the axis of `by_pruned_per_100k`.

    Args:
        density: in [0, 1].

    Returns:
        How many of 100,000 weights are pruned.

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
