"""Case `vectorize`: five replicates trained at once over one after the other.

Two networks: LeNet-300-100, whose products alone keep two cores busy, and the
MLP of the recipe `mnist1d_mlp`, which is so small that it leaves them idle.
"""

from __future__ import annotations

from typing import Any

from benchmarks import noise
from benchmarks.figure import Figure
from benchmarks.measuring import alternate
from benchmarks.searching import (
    WARM,
    lenet,
    seconds_of_search,
    start_of,
    without_start,
)
from tflottery.lottery import loading, recipes

TINY = {
    "examples": noise.TINY,
    "batch_size": 4,
    "validate_every": 2,
    "lenet_steps": 4,
    "replicates": 2,
    "mlp_rounds": 1,
    "mlp_changes": {
        "model_options": {"hidden": [8]},
        "steps": 4,
        "validate_every": 2,
    },
    "runs": 1,
}
_AIMS = {"mnist1d_mlp": 2.0}


def run(
    *,
    examples: noise.Noise | None = None,
    batch_size: int = 60,
    validate_every: int = 100,
    lenet_steps: int = 1000,
    replicates: int = 5,
    mlp_rounds: int = 3,
    mlp_changes: dict[str, Any] | None = None,
    runs: int = 5,
) -> list[Figure]:
    """Returns the times one after the other over those at once.

    Args:
        examples: How many examples LeNet has. Default: as many as MNIST has.
        batch_size: Examples in a step of LeNet.
        validate_every: Steps between two validations of LeNet.
        lenet_steps: Steps in each of its two rounds.
        replicates: Networks of each kind.
        mlp_rounds: Rounds of the MLP after the dense one.
        mlp_changes: Further settings of the recipe to change.
        runs: Measurements of each.
    """
    of_lenet = lenet(
        steps=lenet_steps,
        rounds=1,
        batch_size=batch_size,
        validate_every=validate_every,
        replicates=replicates,
    )
    recipe = recipes.get("mnist1d_mlp").config.replace(
        replicates=replicates, rounds=mlp_rounds, **(mlp_changes or {})
    )
    return [
        *_compare(
            "lenet", (examples or noise.Noise()).dataset(), of_lenet, runs
        ),
        *_compare("mnist1d_mlp", loading.load_data(recipe, None), recipe, runs),
    ]


def _compare(name, data, config, runs):
    tasks = {}
    for key, vectorize in (("in turn", 1), ("at once", config.replicates)):
        for words, settings in (("", config), (", start", start_of(config))):
            tasks[key + words] = lambda settings=settings, count=vectorize: (
                seconds_of_search(data, settings, count)
            )
    for key in ("in turn, start", "at once, start"):
        tasks[key]()
    found = alternate(tasks, runs=runs, warm_up=0)
    warm = {key: without_start(found, key) for key in ("in turn", "at once")}
    return [
        Figure(
            name=f"vectorize/{name}{words}",
            what=(
                f"{config.replicates} replicates of {name}, {config.rounds + 1}"
                f" rounds of {config.steps} steps, in turn over at once{words}"
            ),
            values=times["in turn"].over(times["at once"]),
            at_least=_AIMS.get(name),
            parts={key: times[key] for key in ("in turn", "at once")},
        )
        for times, words in ((found, ""), (warm, WARM))
    ]
