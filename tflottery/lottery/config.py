"""`SearchConfig`: the settings of a search, checked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from tflottery.core import checks
from tflottery.core.step import Step
from tflottery.layers.settings import DEFAULT_FRACTION, PruningSettings
from tflottery.lottery.training_config import TrainingConfig, setting
from tflottery.rewinding import policy


@dataclasses.dataclass(frozen=True)
class SearchConfig(TrainingConfig):
    """What a search does; all values are plain.

    Fields are documented by their `help` metadata, which is also the text of
    the command-line flags (`tflottery find --help`).

    Raises:
        ValueError: on making one with a value out of range; the message
            names the field, the value and the way out.

    Example:
        >>> config = SearchConfig(steps=200, rounds=3)
        >>> config.rewind_step, config.validate_every
        (0, 100)
        >>> config.digest() == SearchConfig(rounds=3, steps=200).digest()
        True
    """

    rounds: int = setting(12, "Rounds of pruning after the dense round 0.")
    prune_fraction: float = setting(
        0.2, "Share of the surviving weights removed each round."
    )
    output_prune_fraction: float | None = setting(
        None, "The same for the last layer; unset: as the others."
    )
    layer_prune_fractions: dict[str, float] = setting(
        {},
        "The same for some layers, by name or regular expression, as JSON; 0 "
        "never prunes.",
    )
    scope: str = setting("layerwise", "global, layerwise or erk.")
    criterion: str = setting("magnitude", "Which weights go first.")
    structure: str = setting(
        "unstructured", "unstructured, block, n_of_m or channel."
    )
    structure_options: dict[str, Any] = setting(
        {}, "Arguments of the structure, as JSON."
    )
    rewind_to: str = setting("0it", "Rewind point: 0it, 500it, 2ep or 2%.")
    policy: str = setting("weight_rewinding", "What goes back between rounds.")
    rewind_optimizer: str = setting(
        "fresh", "Optimizer slots on rewinding: restore or fresh."
    )

    def __post_init__(self):
        super().__post_init__()
        checks.check_non_negative_int("rounds", self.rounds)
        checks.check_choice("policy", self.policy, policy.names())
        checks.check_choice(
            "rewind_optimizer", self.rewind_optimizer, ("restore", "fresh")
        )
        Step.parse(self.rewind_to)
        self.settings()

    @classmethod
    def stored(cls, run_dir: Any, facts: Mapping[str, Any]) -> SearchConfig:
        """Returns the settings of a search as its `config.json` has them.

        Args:
            run_dir: the folder, for the message.
            facts: what the file says.

        Raises:
            ValueError: the folder is not that of a search.
        """
        if facts.get("identity", {}).get("what") == "supermask":
            raise ValueError(
                "`run_dir` must be the folder of a search. Received: run_dir="
                f"{str(run_dir)!r}, where supermasks were trained. Give the "
                "same `tflottery supermask` line with --output=NAME.keras, and "
                "use that file."
            )
        return cls.from_dict(facts["config"])

    def settings(self, output_layer: str | None = None) -> PruningSettings:
        """Returns how the model is pruned.

        Args:
            output_layer: name of the last layer, if it has a fraction of its
                own.
        """
        fractions = dict(_by_precision(self.layer_prune_fractions))
        if self.output_prune_fraction is not None:
            checks.check_fraction(
                "output_prune_fraction",
                self.output_prune_fraction,
                what=(
                    "It is the share of the last layer's surviving weights "
                    "removed each round; use 0.1 to remove a tenth."
                ),
            )
            if output_layer is not None:
                fractions.setdefault(output_layer, self.output_prune_fraction)
                fractions = dict(_by_precision(fractions))
        default: Any = self.prune_fraction
        return PruningSettings.create(
            prune_fraction={**fractions, DEFAULT_FRACTION: default}
            if fractions
            else default,
            scope=self.scope,
            criterion=self._criterion(),
            structure=self._structure(),
            rewind_to=self.rewind_to,
        )

    def _criterion(self) -> Any:
        if self.criterion == "random":
            return {"name": "random", "config": {"seed": self.seed}}
        return self.criterion

    def _structure(self) -> Any:
        if self.structure == "unstructured" and not self.structure_options:
            return None
        if not self.structure_options:
            return self.structure
        return {"name": self.structure, "config": self.structure_options}

    @property
    def ticket_rounds(self) -> range:
        """The rounds of the search, the dense round 0 among them."""
        return range(self.rounds + 1)

    @property
    def rewind_step(self) -> int | None:
        """The rewind step k where it does not depend on the data's size."""
        step = Step.parse(self.rewind_to)
        if step.unit == "ep":
            return None
        return step.to_steps(total_steps=self.steps)


def _by_precision(fractions: Mapping[str, float]) -> list[tuple[str, float]]:
    """Returns items with names before regexes, each kind by the alphabet.

    The first that matches a layer counts, and the order of a JSON object must
    not matter.
    """
    if DEFAULT_FRACTION in fractions:
        raise ValueError(
            "`layer_prune_fractions` must name layers. Received: "
            f"layer_prune_fractions={dict(fractions)}. What holds for all "
            "others is `prune_fraction`."
        )
    return sorted(
        fractions.items(),
        key=lambda item: (not re.fullmatch(r"[\w/-]+", item[0]), item[0]),
    )
