"""Training supermasks: each replicate once, written down as rounds are.

A supermask has one round: there is nothing to rewind. It is trained and stored
by the same parts as the rounds of a search, so it resumes in the same way.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from tflottery.core.seeds import child_seed
from tflottery.layers import evidence, prune, slots
from tflottery.layers import family as families
from tflottery.lottery import compiling, network, training
from tflottery.lottery.checkpoint import CheckpointFile
from tflottery.lottery.journal import ReplicateJournal, trained_name
from tflottery.lottery.loading import load_data
from tflottery.lottery.progress import Progress
from tflottery.lottery.rounds import weights_of
from tflottery.lottery.run_directory import RunDirectory
from tflottery.lottery.supermask_config import SupermaskConfig
from tflottery.rewinding.snapshot import Snapshot
from tflottery.supermasks.bernoulli import bernoulli_supermask
from tflottery.supermasks.edge_popup import edge_popup

_METHODS = {"edge_popup": edge_popup, "bernoulli": bernoulli_supermask}
_ROUND = 0


@dataclasses.dataclass(frozen=True)
class SupermaskResult:
    """What training found.

    Args:
        rows: a dict for each replicate, columns as in `results.csv`; `branch`
            is the method.
        model: of the last replicate, plain, with zeros in place.
    """

    rows: list[dict[str, Any]]
    model: Any


def train_supermask(
    config: SupermaskConfig,
    run_dir: Any,
    *,
    data_dir: str | None = None,
    progress: Progress | None = None,
    checkpoint_seconds: float = 30.0,
) -> SupermaskResult:
    """Trains which weights of a random network to use, and never the weights.

    Stopped at any moment, the same call goes on from the last checkpoint. In
    `run_dir`: `config.json`, `results.csv`, and for each replicate
    `replicate_N/branches/METHOD/draw_0/round_00/` with `mask`, `trained` (the
    model with its scores), `history.csv` and `result.json`.

    Args:
        config: the settings.
        run_dir: folder of all results, local or remote.
        data_dir: folder of TensorFlow Datasets.
        progress: hears how far it is.
        checkpoint_seconds: least time between two checkpoints.

    Raises:
        ValueError: a bad setting, or the folder holds other results.
        TrainingDivergedError: the loss is not a number.

    Example:
        >>> import tempfile
        >>> result = train_supermask(
        ...     SupermaskConfig(steps=20, validate_every=20, density=0.3),
        ...     tempfile.mkdtemp())
        >>> [round(row["density"], 2) for row in result.rows]
        [0.3]

    Reference: Ramanujan et al., What's Hidden in a Randomly Weighted Neural
    Network?, 2020; Zhou et al., Deconstructing Lottery Tickets, 2019.
    """
    data = load_data(config, data_dir)
    directory = RunDirectory(run_dir, config, {"what": "supermask"})
    progress = progress or Progress()
    progress.start(_ROUND, config.replicates)
    model = None
    for number in range(config.replicates):
        with directory.claimed(number) as journal:
            work = _Replicate(
                config, data, journal.of_branch(config.method, 0), progress
            )
            model = work.run(checkpoint_seconds)
    return SupermaskResult(directory.write_results(), model)


@dataclasses.dataclass(frozen=True)
class _Replicate:
    config: SupermaskConfig
    data: Any
    journal: ReplicateJournal
    progress: Progress

    def run(self, checkpoint_seconds):
        """Trains, or reads what was trained; returns the plain model."""
        model = self._build()
        trained = self.journal.snapshot(trained_name(_ROUND))
        if self.journal.result(_ROUND) is None or trained is None:
            self._train(model, checkpoint_seconds)
        else:
            trained.restore(model, "fresh")
        return prune.strip_pruning(model)

    def _build(self):
        config = self.config
        seed = child_seed(
            config.seed, "replicate", self.journal.number, "model"
        )
        model = _METHODS[config.method](
            network.builder(config, self.data)(seed),
            seed=child_seed(seed, "supermask"),
            **config.options(),
        )
        keras = families.get(config.keras).keras
        compiling.compile_for(
            model,
            config,
            optimizer=compiling.make_optimizer(config, keras),
            **compiling.classification(model),
        )
        slots.build(model.optimizer, model.trainable_variables)
        return model

    def _train(self, model, checkpoint_seconds):
        config, number = self.config, self.journal.number
        trainer = training.RoundTrainer(
            model,
            self.data,
            batch_size=config.batch_size,
            steps=config.steps,
            validate_every=config.validate_every,
            checkpoint_seconds=checkpoint_seconds,
        )
        self.progress.round_started(
            number, _ROUND, evidence.current_mask(model).density, config.steps
        )
        checkpoint = CheckpointFile(self.journal, "checkpoint")
        found = trainer.train(
            first_step=0,
            order_seed=child_seed(config.seed, "replicate", number, "order"),
            checkpoint=checkpoint,
            on_validation=lambda row: self.progress.step(
                number, _ROUND, row["step"], row
            ),
        )
        best = trainer.evaluate_at_best(found)
        final = trainer.evaluate("test")
        mask = evidence.current_mask(model)
        at_best = next(r for r in found.curve if r["step"] == found.best_step)
        row = {
            "replicate": number,
            "branch": config.method,
            "draw": 0,
            "round": _ROUND,
            "density": mask.density,
            "sparsity": mask.sparsity,
            "steps": config.steps,
            "best_step": found.best_step,
            "validation_loss": at_best["validation_loss"],
            "validation_accuracy": at_best["validation_accuracy"],
            "test_accuracy_best": training.accuracy_of(best),
            "test_accuracy_final": training.accuracy_of(final),
            "seconds": math.floor(found.seconds * 1000) / 1000,
        }
        self.journal.write_mask(_ROUND, mask)
        snapshot = weights_of(Snapshot.take(model))
        self.journal.write_snapshot(trained_name(_ROUND), snapshot)
        self.journal.write_result(_ROUND, row, found.curve)
        checkpoint.remove()
        self.progress.round_finished(row)
