"""Recipes: complete settings of a search, by name, with their source.

Published settings live here and nowhere else; models and data know nothing of
experiments.
"""

from __future__ import annotations

import dataclasses

from tflottery.core import checks
from tflottery.lottery.config import SearchConfig


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Settings under a name.

    Args:
        name: what `--recipe` takes.
        config: the settings.
        description: one line.
        source: paper and section, or where else the settings are from.
        expected: what is to be seen, so that a run can be judged.
    """

    name: str
    config: SearchConfig
    description: str
    source: str
    expected: str


_RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="mnist1d_mlp",
            config=SearchConfig(
                dataset="mnist1d",
                model="mlp",
                steps=1500,
                rounds=10,
                replicates=3,
                validate_every=50,
                output_prune_fraction=0.1,
            ),
            description="MLP 40-300-100-10 on MNIST-1D; a few minutes.",
            source="This library; settings after lenet_300_100_mnist.",
            expected=(
                "Tickets reach their lowest validation loss at a higher test "
                "accuracy than the dense network."
            ),
        ),
        Recipe(
            name="lenet_300_100_mnist",
            config=SearchConfig(
                dataset="tfds:mnist",
                model="lenet_300_100",
                batch_size=60,
                steps=50_000,
                optimizer="adam",
                learning_rate=1.2e-3,
                rounds=16,
                prune_fraction=0.2,
                output_prune_fraction=0.1,
                scope="layerwise",
                criterion="magnitude",
                rewind_to="0it",
                rewind_optimizer="fresh",
                validation_size=5000,
                validate_every=100,
            ),
            description="LeNet-300-100 on MNIST, the paper's settings exactly.",
            source=(
                "Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, "
                "figure 2 and appendix G (Adam 1.2e-3, batch 60, 50,000 "
                "iterations, Gaussian Glorot, 55,000/5,000 split)."
            ),
            expected=(
                "Dense test accuracy 98.0 +- 0.2 %; earliest stop at about "
                "21 % density; dense accuracy again at 3.6 % density."
            ),
        ),
    )
}


def names() -> tuple[str, ...]:
    """Returns the names of the recipes; the first is the default."""
    return tuple(_RECIPES)


def get(name: str) -> Recipe:
    """Returns a recipe.

    Args:
        name: one of `names()`.

    Raises:
        ValueError: unknown name; the message gives the nearest.

    Example:
        >>> get("lenet_300_100_mnist").config.steps
        50000
    """
    checks.check_choice("recipe", name, names())
    return _RECIPES[name]
