"""Strategies: a `tf.distribute.Strategy` by name.

TensorFlow takes what it is given: it runs a device that does not exist on
another one, and finds out about a missing cluster or TPU late, in words of its
own. Here all is checked first, and refused with a way out.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from tflottery.core import checks
from tflottery.distribution import clusters, tpus
from tflottery.distribution import devices as devices_here

_logger = logging.getLogger("tflottery")

# Two mirrored strategies on the same devices would use the same numbers for
# their collective operations, and get each other's.
_mirrored_on: dict[tuple[str, ...], Any] = {}

_NAMES = ("none", "one_device", "mirrored", "multi_worker", "tpu")


def names() -> tuple[str, ...]:
    """Returns the names of the strategies.

    Example:
        >>> names()
        ('none', 'one_device', 'mirrored', 'multi_worker', 'tpu')
    """
    return _NAMES


def get(
    strategy: Any = None,
    *,
    tpu: str | None = None,
    devices: int | str | Sequence[str] | None = None,
) -> Any:
    """Returns a `tf.distribute.Strategy`.

    * "none": TensorFlow's default, without distribution.
    * "one_device": all on one device; the first GPU if there is one.
    * "mirrored": a copy of the model on each device of this machine; all
      GPUs if there are any.
    * "multi_worker": a process per worker, each with all its GPUs. The cluster
      is that of `TF_CONFIG` or of Slurm. It must be asked for before
      TensorFlow has run anything, and waits for all workers to start.
    * "tpu": the TPU of a TPU VM, or one named by `tpu` or `TPU_NAME`.

    Args:
        strategy: a name, a strategy of one of these kinds, or `None` for the
            one in whose scope this is called.
        tpu: name of a TPU, "local", or "grpc://host:port"; with "tpu" only.
        devices: with "one_device" and "mirrored" only: names as a sequence or
            in one text, separated by commas, or a number, which counts GPUs if
            there are any, else CPUs. CPUs that do not exist yet are made, if
            TensorFlow has not run anything.

    Returns:
        The strategy. Open its `scope()` to build a model under it.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an unknown name, devices, workers or a TPU that are not
            there, arguments that do not go together, or a kind of strategy
            that a search cannot run under.

    Example:
        >>> get("one_device", devices="CPU:0").num_replicas_in_sync
        1
    """
    if strategy is not None:
        kinds = (str, tf.distribute.Strategy)
        valid = "Valid names: " + ", ".join(map(repr, _NAMES)) + "."
        checks.check_instance("strategy", strategy, kinds, what=valid)
    if isinstance(strategy, str):
        checks.check_choice("strategy", strategy, _NAMES)
    if tpu is not None and strategy != "tpu":
        raise ValueError(
            "`tpu` must be given with strategy='tpu' only. Received: "
            f"tpu={tpu!r}, strategy={strategy!r}. Use strategy='tpu', or leave "
            "`tpu` out."
        )
    if devices is not None and strategy not in ("one_device", "mirrored"):
        raise ValueError(
            "`devices` must be given with strategy='one_device' or 'mirrored' "
            f"only. Received: devices={devices!r}, strategy={strategy!r}. "
            "Leave `devices` out: other strategies use what they find."
        )
    active = tf.distribute.get_strategy()
    if strategy is None:
        strategy = active
    if tf.distribute.has_strategy() and strategy is not active:
        raise ValueError(
            "`strategy` must be None inside the scope of a strategy. Received: "
            f"strategy={strategy!r} under {type(active).__name__}. Leave "
            "`strategy` out, or call outside the scope."
        )
    if strategy == "none":
        return active
    if strategy == "one_device":
        return _one_device(devices)
    if strategy == "mirrored":
        return _mirrored(devices)
    if strategy == "multi_worker":
        return _multi_worker()
    if strategy == "tpu":
        return _tpu(tpu)
    return _checked(strategy)


def _checked(strategy: Any) -> Any:
    kinds = (
        tf.distribute.OneDeviceStrategy,
        tf.distribute.MirroredStrategy,
        tf.distribute.MultiWorkerMirroredStrategy,
        tf.distribute.TPUStrategy,
    )
    is_default = not tf.distribute.has_strategy() and (
        strategy is tf.distribute.get_strategy()
    )
    if is_default or isinstance(strategy, kinds):
        return strategy
    raise ValueError(
        "`strategy` must keep a whole model on each device. Received: "
        f"{type(strategy).__name__}. Use OneDeviceStrategy, MirroredStrategy, "
        "MultiWorkerMirroredStrategy or TPUStrategy of tf.distribute, or a "
        f"name: {', '.join(map(repr, _NAMES))}."
    )


def _one_device(devices: Any) -> Any:
    gpus = devices_here.existing("GPU")
    found = devices_here.named(devices, (gpus or ["CPU:0"])[:1])
    if len(found) != 1:
        raise ValueError(
            "`devices` must name one device under strategy='one_device'. "
            f"Received: devices={devices!r}. Use 'mirrored' for several."
        )
    return tf.distribute.OneDeviceStrategy(found[0])


def _mirrored(devices: Any) -> Any:
    gpus = devices_here.existing("GPU")
    found = devices_here.named(devices, gpus or ["CPU:0"])
    key = tuple(found)
    if key not in _mirrored_on:
        _mirrored_on[key] = tf.distribute.MirroredStrategy(found)
    strategy = _mirrored_on[key]
    several = len(found) > 1
    _logger.log(
        logging.INFO if several else logging.WARNING,
        "Mirrored: %s, on %s.",
        f"{len(found)} replicas" if several else "one replica only",
        ", ".join(found),
    )
    return strategy


def _multi_worker() -> Any:
    cluster = clusters.find()
    resolver = clusters.resolver(cluster)
    if len(cluster.addresses) > 1:
        _logger.info(
            "Waiting for %d workers, up to an hour. This is %s.",
            len(cluster.addresses),
            cluster.describe(),
        )
    try:
        with _ended_by_signals():
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        said = " ".join(str(error).split())[:500]
        if "ollective ops" in said:
            raise ValueError(
                "`strategy='multi_worker'` must be made before TensorFlow has "
                f"run anything in this process. Received: {said}. Make it in "
                "the first lines of the program, before any tensor or model."
            ) from error
        raise ValueError(
            "`strategy='multi_worker'` must reach all workers of its cluster. "
            f"Received: {said}. This is {cluster.describe()}; see that all "
            "were started, that ports are free and hosts reach each other."
        ) from error


def _tpu(name: str | None) -> Any:
    if name is not None:
        checks.check_instance("tpu", name, str, what="Use 'local' on a TPU VM.")
    resolver = tpus.resolver(name)
    try:
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except Exception as error:  # Google's clients raise errors of many kinds.
        raise tpus.not_there(name, f"TensorFlow: {error}") from error


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM end the process while TensorFlow waits.

    Python would see them only after the wait, which can last an hour.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
