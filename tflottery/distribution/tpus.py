"""TPUs: the one of this machine, or one that has a name.

TensorFlow finds out late that there is none, some of the time by waiting. Here
that is found out first, and refused in words.
"""

from __future__ import annotations

import glob
import os
import socket
import threading
from typing import Any

import tensorflow as tf

_TPU_INSTEAD = (
    "Use a TPU VM, where the name is 'local', or another strategy, such as "
    "'mirrored'."
)
# Where an answer does not come in a few seconds, there is no TPU.
_REACH_SECONDS = 5.0


def resolver(name: str | None = None) -> Any:
    """Returns TensorFlow's resolver of a TPU.

    Args:
        name: "local" for the TPU of a TPU VM, a TPU's name, or its address,
            "grpc://host:port". Default: what the environment says
            (`KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS`, `TPU_NAME`, `TPU_CONFIG`), and
            "local" where it says nothing.

    Raises:
        ValueError: there is no such TPU, or it does not answer in seconds.
    """
    for variable in ("KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS", "TPU_NAME"):
        name = name or os.environ.get(variable)
    if not name:
        name = "" if os.environ.get("TPU_CONFIG") else "local"
    if name == "local":
        # libtpu looks for its TPU for minutes where there is none.
        files = glob.glob("/dev/accel*") + glob.glob("/dev/vfio/[0-9]*")
        if not files and not tf.config.list_physical_devices("TPU"):
            raise not_there(name, "This machine has no TPU device.")
    else:
        host, port = _contact(name)
        failure = _unreachable(host, port)
        if failure:
            raise not_there(
                name, f"{host}:{port} cannot be reached: {failure}."
            )
    try:
        return tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
    except Exception as error:  # Google's clients raise errors of many kinds.
        raise not_there(name, f"TensorFlow: {error}") from error


def not_there(name: str | None, why: str) -> ValueError:
    """Returns the error that says there is no TPU, and what to use instead."""
    return ValueError(
        "`strategy='tpu'` must find a TPU. Received: "
        f"tpu={name or None!r}. {' '.join(why.split())[:500]} {_TPU_INSTEAD}"
    )


def _contact(name: str) -> tuple[str, int]:
    if name.startswith("grpc://"):
        place, default = name.split(",")[0].removeprefix("grpc://"), 8470
    else:  # A name is looked up through the metadata of Google's machines.
        place, default = "metadata.google.internal", 80
        for variable in ("GCE_METADATA_IP", "GCE_METADATA_HOST"):
            place = os.environ.get(variable) or place
    host, _, port = place.partition(":")
    return host, int(port) if port.isdecimal() else default


def _unreachable(host: str, port: int) -> str:
    """Returns why there is no connection to an address, or nothing."""
    answers: list[str] = []

    def connect() -> None:
        try:
            with socket.create_connection((host, port), _REACH_SECONDS):
                answers.append("")
        except (OSError, ValueError, OverflowError) as error:
            answers.append(str(error))

    # In a thread, because looking a name up knows no time limit.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_REACH_SECONDS)
    return answers[0] if answers else f"no answer in {_REACH_SECONDS:.0f} s"
