"""Peak memory of training a large MLP: plainly, or by a whole search.

The peak of a process can only grow, so each measurement has a process of its
own.
"""

from __future__ import annotations

import pathlib
import re
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks.other_process import serve


def peak_bytes() -> int:
    """Returns the most memory this process has had resident so far.

    Not from `resource.getrusage` where it can be helped: on Linux that begins
    with the peak of the process that has started this one.
    """
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.M)
        if found:
            return int(found[1]) * 1024
    import resource

    # Bytes where there is no /proc, on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _make(
    width: int, depth: int, steps: int, rounds: int, batch_size: int
) -> Callable[..., float]:
    """Makes data; returns the function that trains and tells the peak."""
    from benchmarks.noise import Noise
    from tflottery.lottery.config import SearchConfig

    data = Noise(
        train=20 * batch_size,
        validation=10 * batch_size,
        test=batch_size,
        shape=(width,),
    ).dataset()
    config = SearchConfig(
        model="mlp",
        model_options={"hidden": [width] * depth},
        steps=steps,
        validate_every=max(steps // 2, 1),
        rounds=rounds,
        batch_size=batch_size,
    )

    def work(kind: str) -> float:
        if kind != "nothing":
            {"fit": _fit, "search": _search}[kind](data, config)
        return peak_bytes()

    return work


def _search(data: Any, config: Any) -> None:
    import tflottery

    with tempfile.TemporaryDirectory() as folder:
        result = tflottery.find_ticket(
            data=data, config=config, run_dir=folder, summaries=False
        )
    density = result.rows[-1]["density"]
    if abs(density - 0.8**config.rounds) > 0.02:
        raise RuntimeError(
            f"The search was to make {config.rounds} rounds. Received: a last "
            f"density of {density}. What was measured did not do the work."
        )


def _fit(data: Any, config: Any) -> None:
    import keras

    from tflottery import models

    model = models.build(
        config.model,
        keras,
        input_shape=data.input_shape,
        num_classes=data.num_classes,
        **config.model_options,
    )
    model.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=True,
        steps_per_execution=config.validate_every,
    )
    steps = config.steps * (config.rounds + 1)
    model.fit(
        data.train_batches(config.batch_size, seed=0),
        steps_per_epoch=steps,
        epochs=1,
        shuffle=False,
        verbose=0,
    )
    if int(model.optimizer.iterations.numpy()) != steps:
        raise RuntimeError(
            f"`fit` was to take {steps} steps. Received: "
            f"{int(model.optimizer.iterations.numpy())}. What was measured "
            "did not do the work."
        )


if __name__ == "__main__":
    serve(_make)
