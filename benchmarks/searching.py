"""Whole searches, timed: what the cases about `find_ticket` share.

A search is only timed if it did all of its work, which is looked at here.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

import tflottery
from benchmarks.measuring import Sample
from tflottery.lottery.progress import Progress

LEARNING_RATE = 1.2e-3
WARM = ", compilation left out"


def lenet(
    *, steps: int, rounds: int, batch_size: int, validate_every: int, **more
) -> tflottery.SearchConfig:
    """Returns the settings of a search with LeNet-300-100.

    Args:
        steps: Steps in a round.
        rounds: Rounds after the dense one.
        batch_size: Examples in a step.
        validate_every: Steps between two validations.
        **more: Other settings.
    """
    return tflottery.SearchConfig(
        **{
            "model": "lenet_300_100",
            "learning_rate": LEARNING_RATE,
            "steps": steps,
            "rounds": rounds,
            "batch_size": batch_size,
            "validate_every": validate_every,
            **more,
        }
    )


def start_of(config: tflottery.SearchConfig) -> tflottery.SearchConfig:
    """Returns the settings of the shortest search that compiles the same."""
    return config.replace(rounds=0, steps=config.validate_every)


def seconds_of_search(
    data: Any, config: tflottery.SearchConfig, vectorize: int = 1
) -> float:
    """Returns how long a whole search takes, in a folder of its own.

    Args:
        data: The data set; `None` for that of the settings.
        config: The settings.
        vectorize: Networks that are trained at once.
    """
    return _follow(data, config, vectorize).seconds


def seconds_of_a_round(data: Any, config: tflottery.SearchConfig) -> float:
    """Returns how long a round takes: training, pruning, files.

    The first round, in which programs are compiled, is left out.

    Args:
        data: The data set.
        config: The settings; there must be two rounds or more.
    """
    ends = _follow(data, config, vectorize=1).ends
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def _follow(data, config, vectorize):
    watch = _Watch()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = tflottery.find_ticket(
            data=data,
            config=config,
            run_dir=folder,
            progress=watch,
            summaries=False,
            vectorize=vectorize,
        )
        watch.seconds = time.perf_counter() - start
        _check(config, result, watch, vectorize)
    return watch


class _Watch(Progress):
    """Keeps when rounds ended, and how often it was validated."""

    def __init__(self):
        self.seconds = 0.0
        self.ends: list[float] = []
        self.validations = 0

    def step(self, replicate, round, step, metrics):
        self.validations += 1

    def round_finished(self, row):
        self.ends.append(time.perf_counter())


def _check(config, result, watch, vectorize):
    rounds = config.rounds + 1
    # Of networks that are trained together one lane tells its steps.
    told = -(-config.replicates // vectorize)
    found = {
        "rounds": len(result.rows),
        "steps": sum(row["steps"] for row in result.rows),
        "validations": watch.validations,
    }
    wanted = {
        "rounds": config.replicates * rounds,
        "steps": config.replicates * rounds * config.steps,
        "validations": told * rounds * (config.steps // config.validate_every),
    }
    density = result.rows[-1]["density"]
    asked = (1 - config.prune_fraction) ** config.rounds
    if found != wanted or abs(density - asked) > 0.02:
        raise RuntimeError(
            f"The search was to make {wanted} and end at density {asked:.3f}. "
            f"Received: {found}, density={density:.3f}. What was timed did "
            "not do the work."
        )


def without_start(
    found: dict[str, Sample], name: str, start: str = "start"
) -> Sample:
    """Returns times of whole runs less those of the shortest runs.

    Args:
        found: Times by name.
        name: Of the whole runs.
        start: What the names of the shortest runs have in addition.
    """
    return found[name].minus(found[f"{name}, {start}"])
