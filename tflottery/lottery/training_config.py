"""`TrainingConfig`: how a network is built and trained, checked; its digest.

What all experiments have in common. Every field is also a command-line flag;
its help text stands beside it. The digest covers the settings that differ from
the defaults, so that a setting added later does not orphan the runs made
before it. A default that has changed does neither: the digest leaves out the
earlier one too, and a run directory compares the settings themselves.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

from tflottery.core import checks, documents
from tflottery.lottery.learning_rates import LearningRate

# As `tflottery.data.augmentation` knows them, which is too heavy to import.
AUGMENTATIONS = ("none", "flip", "crop", "crop_flip", "stretch_flip")

_Config = TypeVar("_Config", bound="TrainingConfig")


def setting(default: Any, help: str, earlier: Any = None) -> Any:
    """Returns the field of a setting.

    Args:
        default: its default value.
        help: one sentence; the text of its command-line flag.
        earlier: its default in earlier versions, if it was another. Digests
            leave it out as they did.
    """
    metadata = {
        "help": help,
        "earlier": default if earlier is None else earlier,
    }
    if isinstance(default, dict):
        return dataclasses.field(
            default_factory=lambda: dict(default), metadata=metadata
        )
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Data, model, optimizer, length and seed; all values are plain.

    Fields are documented by their `help` metadata.

    Raises:
        ValueError: on making one with a value out of range; the message
            names the field, the value and the way out.

    Example:
        >>> TrainingConfig(steps=200).changed()
        {'steps': 200}
    """

    dataset: str = setting("mnist1d", "Data: mnist1d, digits or tfds:NAME.")
    dataset_options: dict[str, Any] = setting(
        {}, "Further arguments of a tfds: set, such as image_size, as JSON."
    )
    augmentation: str = setting(
        "none",
        "Random changes to training images: none, flip, crop (pad by 4), "
        "crop_flip, stretch_flip.",
    )
    model: str = setting("mlp", "Model of the zoo, such as lenet_300_100.")
    model_options: dict[str, Any] = setting(
        {}, "Further arguments of the model's builder, as JSON."
    )
    keras: str = setting("keras", "Keras family of the model: keras, tf_keras.")
    batch_size: int = setting(60, "Examples per step.")
    steps: int = setting(2000, "Training length T of the dense network.")
    optimizer: str = setting("adam", "Optimizer, by its Keras name.")
    learning_rate: float = setting(1.2e-3, "Learning rate.")
    schedule: str = setting(
        "constant",
        "Learning rate over the steps: constant, step, linear, exponential or "
        "cosine.",
    )
    schedule_options: dict[str, Any] = setting(
        {},
        "Its arguments, as JSON: boundaries and factor (step), final (the last "
        "three), warmup (all); steps as 20000 or '50%'.",
    )
    optimizer_options: dict[str, Any] = setting(
        {}, "Further arguments of the optimizer, as JSON."
    )
    validation_size: int | None = setting(
        None, "Examples held out of the training data; unset: the data's own."
    )
    validate_every: int = setting(100, "Steps between two validations.")
    replicates: int = setting(1, "Independent repetitions, each with its seed.")
    seed: int = setting(0, "Seed of all randomness.")
    jit_compile: bool | None = setting(
        None,
        "Compile the train step with XLA; unset: yes, but not for networks "
        "with convolutional layers on CPUs, which are faster without.",
        earlier=True,
    )

    def __post_init__(self):
        for name in ("batch_size", "steps", "validate_every", "replicates"):
            checks.check_positive_int(name, getattr(self, name))
        checks.check_non_negative_int("seed", self.seed)
        checks.check_choice("keras", self.keras, ("keras", "tf_keras"))
        if self.validation_size is not None:
            checks.check_positive_int("validation_size", self.validation_size)
        checks.check_choice("augmentation", self.augmentation, AUGMENTATIONS)
        checks.check_finite(
            "learning_rate", self.learning_rate, what="Write it as 0.1."
        )
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
        _ = self.rate  # refuses

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
    def ticket_rounds(self) -> range:
        """The rounds of a ticket, if the experiment searches one."""
        return range(0)

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls: type[_Config], values: Mapping[str, Any]) -> _Config:
        """Makes a config; an unknown field is refused with nearest names."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            checks.check_choice("config field", name, known)
        return cls(**values)

    def replace(self: _Config, **changes: Any) -> _Config:
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
        """Returns the name of the run: 12 hex digits over `changed()`.

        A setting at an earlier default is left out as well.
        """
        changed = self.changed()
        for field in dataclasses.fields(self):
            if changed.get(field.name) == field.metadata["earlier"]:
                changed.pop(field.name, None)
        text = documents.canonical_json(changed)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def default_of(field: dataclasses.Field) -> Any:
    """Returns the default value of a config field."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
