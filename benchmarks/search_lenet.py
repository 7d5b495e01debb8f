"""Case `search_lenet`: a whole search beside training of as many steps.

A search trains, validates, prunes, rewinds and writes files. Beside it stand
the same steps without any of that: written by hand in TensorFlow, and by
Keras' own `fit`. Each of the three builds and compiles anew in every run.
"""

from __future__ import annotations

from typing import Any

from benchmarks import noise
from benchmarks.bare_lenet import BareLenet
from benchmarks.figure import Figure
from benchmarks.measuring import alternate, seconds_of
from benchmarks.searching import (
    WARM,
    lenet,
    seconds_of_search,
    start_of,
    without_start,
)
from benchmarks.stepping import compiled, dense, fit

TINY = {
    "examples": noise.TINY,
    "batch_size": 4,
    "validate_every": 2,
    "steps": 4,
    "rounds": 1,
    "runs": 1,
}
_AIMS = {"bare": 1.25, "bare, validated": None, "fit": 1.0}
_WORDS = {
    "bare": "bare XLA training",
    "bare, validated": "bare XLA training that validates as often",
    "fit": "dense `fit`",
}


def run(
    *,
    examples: noise.Noise | None = None,
    batch_size: int = 60,
    validate_every: int = 100,
    steps: int = 5000,
    rounds: int = 2,
    runs: int = 5,
) -> list[Figure]:
    """Returns the times of a search over those of training alone.

    Args:
        examples: How many examples there are. Default: as many as MNIST has.
        batch_size: Examples in a step.
        validate_every: Steps between two validations of the search; the
            others take as many steps as one program.
        steps: Steps in a round.
        rounds: Rounds after the dense one.
        runs: Measurements of each.
    """
    data = (examples or noise.Noise()).dataset()
    config = lenet(
        steps=steps,
        rounds=rounds,
        batch_size=batch_size,
        validate_every=validate_every,
    )
    total = steps * (rounds + 1)

    def bare(steps, validate=False):
        network = BareLenet(data, batch_size, validate_every)
        network.train(steps, validate)

    starts = {
        "search, start": lambda: seconds_of_search(data, start_of(config)),
        "bare, start": lambda: seconds_of(lambda: bare(validate_every)),
        "bare, validated, start": lambda: seconds_of(
            lambda: bare(validate_every, validate=True)
        ),
        "fit, start": lambda: seconds_of(
            lambda: _fit(data, config, validate_every)
        ),
    }
    for prepare in starts.values():
        prepare()
    found = alternate(
        {
            "search": lambda: seconds_of_search(data, config),
            "bare": lambda: seconds_of(lambda: bare(total)),
            "bare, validated": lambda: seconds_of(
                lambda: bare(total, validate=True)
            ),
            "fit": lambda: seconds_of(lambda: _fit(data, config, total)),
            **starts,
        },
        runs=runs,
        warm_up=0,
    )
    return _figures(found, total)


def _fit(data: Any, config: Any, steps: int) -> None:
    model = compiled(
        config.model,
        data.input_shape,
        wrap=dense,
        jit_compile=True,
        steps_per_execution=config.validate_every,
    )
    fit(model, data.train_batches(config.batch_size, seed=0), steps)
    if int(model.optimizer.iterations.numpy()) != steps:
        raise RuntimeError(
            f"`fit` was to take {steps} steps. Received: "
            f"{int(model.optimizer.iterations.numpy())}. What was timed did "
            "not do the work."
        )


def _figures(found, total):
    warm = {name: without_start(found, name) for name in ("search", *_AIMS)}
    return [
        Figure(
            name=f"search_lenet/over {other}{words}",
            what=f"a search of {total} steps over {_WORDS[other]}{words}",
            values=times["search"].over(times[other]),
            at_most=aim,
            parts={name: times[name] for name in ("search", other)},
        )
        for times, words in ((found, ""), (warm, WARM))
        for other, aim in _AIMS.items()
    ]
