"""`SupermaskConfig`: the settings of a search for a trained supermask."""

from __future__ import annotations

import dataclasses
from typing import Any

from tflottery.core import checks
from tflottery.lottery.training_config import TrainingConfig, setting

# Method and its learning rate: MNIST with SGD, momentum 0.9.
METHODS = {"edge_popup": 0.4, "bernoulli": 100.0}


@dataclasses.dataclass(frozen=True)
class SupermaskConfig(TrainingConfig):
    """How the mask of a random network is trained; all values are plain.

    Fields are documented by their `help` metadata, which is also the text of
    the command-line flags (`tflottery supermask --help`).

    Raises:
        ValueError: on making one with a value out of range; the message
            names the field, the value and the way out.

    Example:
        >>> SupermaskConfig(density=0.3).changed()
        {'learning_rate': 0.4, 'density': 0.3}
    """

    optimizer: str = setting("sgd", "Optimizer, by its Keras name.")
    learning_rate: float | None = setting(  # type: ignore[assignment]
        None,
        "Learning rate; scores want large ones. Unset: 0.4 for edge_popup, "
        "100 for bernoulli.",
    )
    schedule: str = setting(
        "cosine",
        "Learning rate over the steps: constant, step, linear, exponential or "
        "cosine.",
    )
    optimizer_options: dict[str, Any] = setting(
        {"momentum": 0.9}, "Further arguments of the optimizer, as JSON."
    )
    method: str = setting(
        "edge_popup",
        "edge_popup: the weights with the largest scores; bernoulli: each "
        "weight with a learned probability.",
    )
    density: float = setting(
        0.5, "Share of the weights that edge_popup uses, in (0, 1]."
    )
    scope: str = setting("layerwise", "Of edge_popup: layerwise, global, erk.")
    initial_weights: str | None = setting(
        None,
        "signed_constant, signed_std, kaiming_normal, or keep: as the model "
        "draws them; unset: as the method's paper.",
    )

    def __post_init__(self):
        checks.check_choice("method", self.method, METHODS)
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", METHODS[self.method])
        super().__post_init__()
        if self.method == "bernoulli":
            for name, default in (("density", 0.5), ("scope", "layerwise")):
                value = getattr(self, name)
                if value != default:
                    raise ValueError(
                        f"`{name}` is for edge_popup: bernoulli learns how "
                        f"many weights to use. Received: {name}={value} with "
                        "method=bernoulli. Leave it out."
                    )

    def options(self) -> dict[str, Any]:
        """Returns the arguments of the method's function."""
        options: dict[str, Any] = {}
        if self.method == "edge_popup":
            options.update(density=self.density, scope=self.scope)
        if self.initial_weights is not None:
            options["initial_weights"] = self.initial_weights
        return options
