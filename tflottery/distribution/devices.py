"""Devices: those that are here, by the names that users give them.

TensorFlow runs what is meant for a device that does not exist on another one.
Here it is refused, before TensorFlow is started: once started, it can no longer
split the CPU or join a cluster.
"""

from __future__ import annotations

import collections
import os
import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tflottery.core import checks

_DEVICE = re.compile(
    r"(?:/job:localhost/replica:0/task:0)?/?(?:device:)?([a-z_]+):(\d+)",
    re.IGNORECASE,
)
_DEVICES_FORM = "Use for example 'GPU:0,GPU:1', 'CPU:0,CPU:1' or a number."


def existing(kind: str | None = None) -> list[str]:
    """Names of logical devices, found without starting TensorFlow.

    Once started, it can no longer split the CPU or join a cluster.
    """
    counts: collections.Counter[str] = collections.Counter()
    for device in tf.config.get_visible_devices():
        parts = tf.config.get_logical_device_configuration(device)
        counts[device.device_type] += len(parts) if parts else 1
    return [
        f"{name}:{number}"
        for name, count in counts.items()
        for number in range(count)
        if kind in (None, name)
    ]


def named(devices: Any, default: list[str]) -> list[str]:
    """Names of the devices asked for, which exist when this returns.

    Args:
        devices: names, a text of names, or a number; `None` for the default.
        default: names of devices that exist.

    Raises:
        ValueError: one does not exist, and cannot be made.
    """
    if devices is None:
        return default
    found = _parsed(devices)
    kinds = {name.partition(":")[0] for name in found}
    received = f"Received: devices={devices!r}."
    if len(set(found)) < len(found) or len(kinds) > 1:
        raise ValueError(
            "`devices` must name different devices of one kind. "
            f"{received} {_DEVICES_FORM}"
        )
    here = existing()
    missing = [name for name in found if name not in here]
    failure = ""
    if missing and kinds == {"CPU"}:
        failure = _split_cpu(found)
        missing = [name for name in found if name not in existing()]
    if missing:
        raise ValueError(
            f"`devices` must exist. {received} {missing[0]} does not;{failure} "
            f"the devices here are {', '.join(here)}. {_DEVICES_FORM}"
        )
    return found


def _parsed(devices: Any) -> list[str]:
    if isinstance(devices, str):
        is_count = devices.strip().isdecimal()
        devices = int(devices) if is_count else devices.split(",")
    if not isinstance(devices, Sequence):
        count = checks.check_positive_int(
            "devices", devices, what=_DEVICES_FORM
        )
        kind = "GPU" if existing("GPU") else "CPU"
        return [f"{kind}:{number}" for number in range(count)]
    matches = [_DEVICE.fullmatch(str(part).strip()) for part in devices]
    if not matches or None in matches:
        raise ValueError(
            "`devices` must be names of devices. Received: "
            f"devices={devices!r}. {_DEVICES_FORM}"
        )
    return [f"{m.group(1).upper()}:{int(m.group(2))}" for m in matches]


def _split_cpu(wanted: list[str]) -> str:
    """Makes logical CPUs, or returns why they could not be made."""
    count = 1 + max(int(name.partition(":")[2]) for name in wanted)
    most = max(8, os.cpu_count() or 1)
    if count > most:
        return f" at most {most} CPUs can be made here;"
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError:
        return " CPUs can be made only before TensorFlow has run anything;"
    return ""
