"""A run's line in TensorBoard's HParams table, as the messages it consists of.

`tensorboard.plugins.hparams.api` would import whatever Keras `tf.keras` stands
for in this process, so the messages are built from the modules below it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tflottery.callbacks import descriptions

# The table opens on five columns: those that tell searches apart.
LEADING = ("dataset", "model", "prune_fraction", "rewind_to", "scope")


def plain_values(
    hyper_parameters: Mapping[str, Any],
) -> dict[str, bool | int | float | str]:
    """Returns hyper-parameters as values that the HParams table can hold.

    Args:
        hyper_parameters: `{name: value}`. Numbers, booleans and texts stay as
            they are, `None` becomes `"none"`, anything else JSON.

    Raises:
        TypeError: it is not a mapping.

    Example:
        >>> plain_values({"rate": 0.1, "structure": None, "hidden": (30, 10)})
        {'rate': 0.1, 'structure': 'none', 'hidden': '[30, 10]'}
    """
    if not isinstance(hyper_parameters, Mapping):
        raise TypeError(
            "`hyper_parameters` must map names to values. Received: "
            f"hyper_parameters={hyper_parameters!r}. Use "
            "{'learning_rate': 0.001}."
        )
    return {str(name): _plain(v) for name, v in hyper_parameters.items()}


def _plain(value: Any) -> bool | int | float | str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None:
        return "none"
    return json.dumps(value, sort_keys=True, default=str)


def messages(
    values: Mapping[str, bool | int | float | str],
    metric_tags: Iterable[str],
    started: float,
    leading: Iterable[str] = LEADING,
) -> list[bytes]:
    """Returns the summaries that make a run one line of the table.

    They say which columns there are, which values this run has, and that it
    has ended well. Runs with equal values are repeats of one trial.

    Args:
        values: as `plain_values` returns them.
        metric_tags: scalar tags, `<group>/<name>`; the table shows their last
            value under `<name>`.
        started: when the run began, in seconds since the epoch.
        leading: names of values whose columns come first. The table sorts
            these by name, and then the others, and shows only the first few
            until asked for more.

    Returns:
        Serialised `Summary` messages, to be written in this order.

    Example:
        >>> len(messages({"rate": 0.1}, ["by_round/accuracy"], started=0.0))
        3
    """
    from tensorboard.plugins.hparams import api_pb2, summary, summary_v2

    leading = set(leading)
    types = {bool: api_pb2.DATA_TYPE_BOOL, str: api_pb2.DATA_TYPE_STRING}
    columns = [
        api_pb2.HParamInfo(
            name=name,
            type=types.get(type(value), api_pb2.DATA_TYPE_FLOAT64),
            # TensorBoard puts these first, and knows no other order.
            differs=name in leading,
        )
        for name, value in sorted(values.items())
    ]
    metrics = [
        api_pb2.MetricInfo(
            name=api_pb2.MetricName(tag=tag),
            display_name=tag.split("/", 1)[-1],
            description=descriptions.of(tag),
        )
        for tag in metric_tags
    ]
    found = (
        summary.experiment_pb(columns, metrics, time_created_secs=started),
        summary_v2.hparams_pb(dict(values), start_time_secs=started),
        summary.session_end_pb(api_pb2.STATUS_SUCCESS, time.time()),
    )
    return [message.SerializeToString() for message in found]
