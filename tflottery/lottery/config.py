"""`SearchConfig`: the settings of a search, checked, and their digest.

Every field is also a command-line flag; its help text stands beside it. The
digest covers the settings that differ from the defaults, so that a setting
added later does not orphan the runs made before it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from tflottery.core import checks, documents
from tflottery.core.step import Step
from tflottery.layers.settings import DEFAULT_FRACTION, PruningSettings
from tflottery.lottery.learning_rates import LearningRate
from tflottery.rewinding import policy

# As `tflottery.data.augmentation` knows them, which is too heavy to import.
AUGMENTATIONS = ("none", "flip", "crop", "crop_flip", "stretch_flip")


def _field(default: Any, help: str) -> Any:
    if isinstance(default, dict):
        return dataclasses.field(
            default_factory=lambda: dict(default), metadata={"help": help}
        )
    return dataclasses.field(default=default, metadata={"help": help})


@dataclasses.dataclass(frozen=True)
class SearchConfig:
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

    dataset: str = _field("mnist1d", "Data: mnist1d, digits or tfds:NAME.")
    dataset_options: dict[str, Any] = _field(
        {}, "Further arguments of a tfds: set, such as image_size, as JSON."
    )
    augmentation: str = _field(
        "none",
        "Random changes to training images: none, flip, crop (pad by 4), "
        "crop_flip, stretch_flip.",
    )
    model: str = _field("mlp", "Model of the zoo, such as lenet_300_100.")
    model_options: dict[str, Any] = _field(
        {}, "Further arguments of the model's builder, as JSON."
    )
    keras: str = _field("keras", "Keras family of the model: keras, tf_keras.")
    batch_size: int = _field(60, "Examples per step.")
    steps: int = _field(2000, "Training length T of the dense network.")
    optimizer: str = _field("adam", "Optimizer, by its Keras name.")
    learning_rate: float = _field(1.2e-3, "Learning rate.")
    schedule: str = _field(
        "constant",
        "Learning rate over the steps: constant, step, linear, exponential or "
        "cosine.",
    )
    schedule_options: dict[str, Any] = _field(
        {},
        "Its arguments, as JSON: boundaries and factor (step), final (the last "
        "three), warmup (all); steps as 20000 or '50%'.",
    )
    optimizer_options: dict[str, Any] = _field(
        {}, "Further arguments of the optimizer, as JSON."
    )
    rounds: int = _field(12, "Rounds of pruning after the dense round 0.")
    prune_fraction: float = _field(
        0.2, "Share of the surviving weights removed each round."
    )
    output_prune_fraction: float | None = _field(
        None, "The same for the last layer; unset: as the others."
    )
    layer_prune_fractions: dict[str, float] = _field(
        {},
        "The same for some layers, by name or regular expression, as JSON; 0 "
        "never prunes.",
    )
    scope: str = _field("layerwise", "global, layerwise or erk.")
    criterion: str = _field("magnitude", "Which weights go first.")
    structure: str = _field(
        "unstructured", "unstructured, block, n_of_m or channel."
    )
    structure_options: dict[str, Any] = _field(
        {}, "Arguments of the structure, as JSON."
    )
    rewind_to: str = _field("0it", "Rewind point: 0it, 500it, 2ep or 2%.")
    policy: str = _field("weight_rewinding", "What goes back between rounds.")
    rewind_optimizer: str = _field(
        "fresh", "Optimizer slots on rewinding: restore or fresh."
    )
    validation_size: int | None = _field(
        None, "Examples held out of the training data; unset: the data's own."
    )
    validate_every: int = _field(100, "Steps between two validations.")
    replicates: int = _field(1, "Independent repetitions, each with its seed.")
    seed: int = _field(0, "Seed of all randomness.")
    jit_compile: bool = _field(True, "Compile the train step with XLA.")

    def __post_init__(self):
        for name in ("batch_size", "steps", "validate_every", "replicates"):
            checks.check_positive_int(name, getattr(self, name))
        checks.check_non_negative_int("rounds", self.rounds)
        checks.check_non_negative_int("seed", self.seed)
        checks.check_choice("keras", self.keras, ("keras", "tf_keras"))
        checks.check_choice("policy", self.policy, policy.names())
        checks.check_choice(
            "rewind_optimizer", self.rewind_optimizer, ("restore", "fresh")
        )
        if self.validation_size is not None:
            checks.check_positive_int("validation_size", self.validation_size)
        checks.check_choice("augmentation", self.augmentation, AUGMENTATIONS)
        if not self.learning_rate > 0:
            raise ValueError(
                "`learning_rate` must be greater than 0. Received: "
                f"learning_rate={self.learning_rate}. Adam is often run at "
                "0.001."
            )
        if self.steps % self.validate_every:
            every = self.validate_every
            raise ValueError(
                "`steps` must be a multiple of `validate_every`, so that the "
                f"last step is validated. Received: steps={self.steps}, "
                f"validate_every={self.validate_every}. Use steps="
                f"{max(self.steps - self.steps % every, every)}."
            )
        Step.parse(self.rewind_to)
        _ = self.rate  # refuses
        self.settings()

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
    def rate(self) -> LearningRate:
        """The learning rate as a function of the step."""
        return LearningRate(
            self.learning_rate,
            self.schedule,
            self.steps,
            self.schedule_options,
        )

    @property
    def rewind_step(self) -> int | None:
        """The rewind step k where it does not depend on the data's size."""
        step = Step.parse(self.rewind_to)
        if step.unit == "ep":
            return None
        return step.to_steps(total_steps=self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SearchConfig:
        """Makes a config; an unknown field is refused with nearest names."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            checks.check_choice("config field", name, known)
        return cls(**values)

    def replace(self, **changes: Any) -> SearchConfig:
        """Returns a copy with some fields changed."""
        return self.from_dict({**self.to_dict(), **changes})

    def changed(self) -> dict[str, Any]:
        """Returns the fields that differ from their defaults."""
        return {
            field.name: value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != default_of(field)
        }

    def digest(self) -> str:
        """Returns the name of the run: 12 hex digits over `changed()`."""
        text = documents.canonical_json(self.changed())
        return hashlib.sha256(text.encode()).hexdigest()[:12]


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


def default_of(field: dataclasses.Field) -> Any:
    """Returns the default value of a config field."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
