"""What a recipe is: the settings of a search, and where they are from."""

from __future__ import annotations

import dataclasses

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
        differences: where the paper, its public code and this library differ,
            and what had to be chosen because nothing is printed.

    Example:
        >>> recipe = Recipe("mine", SearchConfig(), "Mine.", "Me.", "Much.")
        >>> recipe.differences
        ''
    """

    name: str
    config: SearchConfig
    description: str
    source: str
    expected: str
    differences: str = ""
