"""Case `search_peers`: a whole search beside what peers do for the same.

PyTorch runs the same rounds with `torch.nn.utils.prune`. TF-MOT, which has no
rounds, prunes to the same sparsity within as many steps; with XLA and without,
as neither is always faster. Each is in a process of its own; a peer that is not
installed is left out.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

from benchmarks import noise
from benchmarks.figure import Figure
from benchmarks.measuring import alternate
from benchmarks.optional import is_here
from benchmarks.other_process import OtherProcess
from benchmarks.searching import (
    LEARNING_RATE,
    lenet,
    seconds_of_search,
    start_of,
)
from benchmarks.tfmot_process import ENVIRONMENT

TINY = {
    "examples": noise.TINY,
    "batch_size": 4,
    "validate_every": 2,
    "steps": 4,
    "rounds": 1,
    "runs": 1,
}


@dataclasses.dataclass(frozen=True)
class _Peer:
    """A peer: its package, the module that is run, and how."""

    package: str
    module: str
    environment: dict[str, str]
    settings: dict[str, Any]
    at_least: float | None = None


_TFMOT = (
    "tensorflow_model_optimization",
    "benchmarks.tfmot_search_process",
    ENVIRONMENT,
)
_PEERS = {
    "torch": _Peer("torch", "benchmarks.torch_process", {}, {}),
    "TF-MOT": _Peer(*_TFMOT, {"jit_compile": True}, 2.0),
    "TF-MOT without XLA": _Peer(*_TFMOT, {"jit_compile": False}, 2.0),
}


def run(
    *,
    examples: noise.Noise | None = None,
    batch_size: int = 60,
    validate_every: int = 100,
    steps: int = 5000,
    rounds: int = 2,
    runs: int = 3,
) -> list[Figure]:
    """Returns the times of each peer over those of a search.

    Args:
        examples: How many examples there are. Default: as many as MNIST has.
        batch_size: Examples in a step.
        validate_every: Steps between two validations.
        steps: Steps in a round.
        rounds: Rounds after the dense one.
        runs: Measurements of each.
    """
    examples = examples or noise.Noise()
    data = examples.dataset()
    config = lenet(
        steps=steps,
        rounds=rounds,
        batch_size=batch_size,
        validate_every=validate_every,
    )
    settings = {
        "examples": dataclasses.asdict(examples),
        "learning_rate": LEARNING_RATE,
        "batch_size": batch_size,
        "validate_every": validate_every,
        "prune_fraction": config.prune_fraction,
    }
    here = {
        name: peer
        for name, peer in _PEERS.items()
        if is_here(peer.package, f"search_peers/{name}")
    }
    with contextlib.ExitStack() as stack:
        tasks: dict[str, Callable[[], float]] = {}
        for name, peer in here.items():
            process = stack.enter_context(
                OtherProcess(
                    peer.module,
                    {**settings, **peer.settings},
                    peer.environment,
                )
            )
            # Once in small, unmeasured: what is loaded late is then loaded.
            process.work(steps=validate_every, rounds=1)
            tasks[name] = lambda process=process: process.work(
                steps=steps, rounds=rounds
            )
        seconds_of_search(data, start_of(config))
        tasks["tflottery"] = lambda: seconds_of_search(data, config)
        found = alternate(tasks, runs=runs, warm_up=0)
    return [
        Figure(
            name=f"search_peers/{name} over tflottery",
            what=f"{steps * (rounds + 1)} steps of LeNet, pruned, {name} "
            "over a search",
            values=found[name].over(found["tflottery"]),
            at_least=peer.at_least,
            parts={key: found[key] for key in (name, "tflottery")},
        )
        for name, peer in here.items()
    ]
