"""Recipes: complete settings of a search, by name, with their source.

Published settings live here and nowhere else; models and data know nothing of
experiments. Inception-v3 and SqueezeNet, of which Stabilizing the Lottery
Ticket Hypothesis gives settings too, are left out: the zoo does not have them.
"""

from __future__ import annotations

from tflottery.core import checks
from tflottery.lottery.recipes import (
    conv_nets,
    deep_nets,
    open_lth,
    rewinding,
    small,
)
from tflottery.lottery.recipes.recipe import Recipe

__all__ = ["Recipe", "get", "names"]

_RECIPES = {
    recipe.name: recipe
    for family in (small, conv_nets, deep_nets, rewinding, open_lth)
    for recipe in family.RECIPES
}


def names() -> tuple[str, ...]:
    """Returns the names of the recipes; the first is the default.

    Example:
        >>> names()[:2]
        ('mnist1d_mlp', 'mnist1d_rewinding')
    """
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
        >>> get("resnet20_cifar10_rewinding").config.rewind_to
        '500it'
    """
    checks.check_choice("recipe", name, names())
    return _RECIPES[name]
