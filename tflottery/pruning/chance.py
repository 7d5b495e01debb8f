"""The criterion that looks at nothing: weights are kept by lot."""

from __future__ import annotations

import dataclasses

import numpy as np

from tflottery.core import seeds
from tflottery.pruning.criterion import (
    Criterion,
    Evidence,
    criterion_registry,
)


@criterion_registry.register
@dataclasses.dataclass(frozen=True)
class RandomCriterion(Criterion):
    """Keeps weights by lot. A control.

    The lot of a weight depends on the seed, the path and the shape alone: the
    order of the tensors does not matter, and with one seed a smaller ticket
    lies inside a larger one.

    Args:
        seed: Any integer.

    Example:
        >>> lots = RandomCriterion(seed=0).scores(Evidence({"a": [1.0, 2.0]}))
        >>> lots["a"].shape
        (2,)
    """

    seed: int
    name = "random"

    def __post_init__(self):
        seeds.child_seed(self.seed)
        object.__setattr__(self, "seed", int(self.seed))

    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Returns uniform numbers in [0, 1), in float64."""
        found = evidence.select(self.name, "weights")
        return {
            path: seeds.rng(self.seed, "random_criterion", path).random(
                final.shape
            )
            for path, final in found
        }
