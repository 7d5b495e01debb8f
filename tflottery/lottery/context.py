"""What all replicates and rounds of one search share.

Above all the trainer: one model, wrapped and compiled once, on which every
round of every replicate is trained.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from tflottery.core.seeds import child_seed
from tflottery.core.step import Step
from tflottery.distribution.workers import Workers
from tflottery.lottery import network
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.engines.engine import Engine
from tflottery.lottery.progress import Progress
from tflottery.lottery.run_directory import RunDirectory
from tflottery.lottery.training import RoundTrainer
from tflottery.rewinding import policy as policies


@dataclasses.dataclass
class SearchContext:
    """The shared parts of a search.

    Args:
        run: the run directory.
        config: the settings.
        build: function of a seed that returns a new model.
        data: a `tflottery.data.Dataset`.
        progress: is told what happens.
        checkpoint_seconds: least time between two checkpoints in a round.
        workers: the processes that run this search together.
        make_engine: makes what runs the steps of training; default: the
            fastest engine that can.
        prepared: networks that are ready and not in use yet.
    """

    run: RunDirectory
    config: SearchConfig
    build: Callable[[int], Any]
    data: Any
    progress: Progress
    checkpoint_seconds: float
    workers: Workers
    make_engine: Callable[..., Engine] | None = None
    prepared: list[Any] = dataclasses.field(default_factory=list)

    @functools.cached_property
    def trainer(self) -> RoundTrainer:
        """The trainer; built and compiled when it is first needed."""
        return self.make_trainer()

    def make_trainer(self) -> RoundTrainer:
        """Builds, wraps and compiles a network, and a trainer for it."""
        config = self.config
        if not self.prepared:
            self.prepared.append(
                first_network(config, self.build, self.data, self.workers)
            )
        model = self.prepared.pop()
        more = config.rounds * (config.steps - self.rewind_step)
        self.policy.check(model, config.steps, config.steps + more)
        return RoundTrainer(
            model,
            self.data,
            batch_size=config.batch_size,
            steps=config.steps,
            validate_every=config.validate_every,
            checkpoint_seconds=self.checkpoint_seconds,
            workers=self.workers,
            make_engine=self.make_engine,
        )

    def give_way(self) -> None:
        """Lets networks that are trained at the same time go on.

        To be called between things that take milliseconds each, when nothing
        is half done. With one network at a time it does nothing.
        """

    @functools.cached_property
    def policy(self) -> policies.RewindingPolicy:
        """What goes back between rounds."""
        name = self.config.policy
        if name in ("weight_rewinding", "learning_rate_rewinding"):
            optimizer = self.config.rewind_optimizer
            return policies.get({"name": name, "optimizer": optimizer})
        return policies.get(name)

    @functools.cached_property
    def rewind_step(self) -> int:
        """The rewind step k."""
        return rewind_step(self.config, self.data)

    def model_seed(self, replicate: int) -> int:
        """Returns the seed of a replicate's initial weights."""
        return model_seed(self.config, replicate)

    def order_seed(self, replicate: int) -> int:
        """Returns the seed of a replicate's order of the data."""
        return child_seed(self.config.seed, "replicate", replicate, "order")

    def saliency_batch(self) -> tuple[Any, Any]:
        """Returns one batch, for criteria that need gradients."""
        seed = child_seed(self.config.seed, "saliency")
        return next(
            iter(self.data.train_batches(self.config.batch_size, seed=seed))
        )


def first_network(
    config: SearchConfig,
    build: Callable[[int], Any],
    data: Any,
    workers: Workers,
) -> Any:
    """Builds, wraps and compiles a network as replicate 0 begins with it."""
    with workers.strategy.scope():
        return network.prepare(build, model_seed(config, 0), config, data)


def model_seed(config: SearchConfig, replicate: int) -> int:
    """Returns the seed of a replicate's initial weights."""
    return child_seed(config.seed, "replicate", replicate, "model")


def rewind_step(config: SearchConfig, data: Any) -> int:
    """Returns the rewind step k, or says why there is none.

    Raises:
        ValueError: k is not before the end of training.
    """
    step = Step.parse(config.rewind_to).to_steps(
        steps_per_epoch=data.steps_per_epoch(config.batch_size),
        total_steps=config.steps,
    )
    if step >= config.steps:
        raise ValueError(
            "`rewind_to` must be before the end of training. Received: "
            f"rewind_to={config.rewind_to!r}, which is step {step} of "
            f"{config.steps}. Rewind to an earlier step or train longer."
        )
    return step
