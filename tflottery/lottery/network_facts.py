"""Facts about the network of a search: what it takes to build it again.

A search writes them into its tickets, so that whoever finds one needs neither
the settings nor the data to put it on a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tflottery import models
from tflottery.layers import family as families
from tflottery.lottery import network, recipes
from tflottery.lottery.config import SearchConfig

# Where they stand in the `info` of a ticket.
KEY = "network"


def collect(
    config: SearchConfig,
    identity: Mapping[str, Any],
    data: Any,
    *,
    seed: int,
    keras: str | None = None,
) -> dict[str, Any]:
    """Returns what it takes to build the network of a search again.

    Args:
        config: settings of the search.
        identity: as `RunDirectory` has it: `build` and `data` name what the
            user gave instead of the config's model and data set.
        data: a `tflottery.data.Dataset`.
        seed: seed of the starting weights.
        keras: family of the model. Default: the config's.

    Returns:
        A dict of plain values: `model` (`None` if the user built it),
        `model_options`, `build`, `keras`, `input_shape`, `num_classes`,
        `seed`, `dataset` (`None` if it was the user's) and `recipe` (`None`
        if no recipe has these settings).

    Example:
        >>> from tflottery import data
        >>> facts = collect(
        ...     SearchConfig(dataset="digits"), {}, data.load("digits"), seed=3)
        >>> facts["model"], facts["input_shape"], facts["num_classes"]
        ('mlp', [8, 8, 1], 10)
    """
    build = identity.get("build")
    own_data = identity.get("data") is not None
    return {
        "model": config.model if build is None else None,
        "model_options": dict(config.model_options) if build is None else {},
        "build": build,
        "keras": keras or config.keras,
        "input_shape": [int(axis) for axis in data.input_shape],
        "num_classes": int(data.num_classes),
        "seed": int(seed),
        "dataset": None if own_data else config.dataset,
        "recipe": next(
            (n for n in recipes.names() if recipes.get(n).config == config),
            None,
        ),
    }


def build_from(
    facts: Mapping[str, Any], build: Callable[..., Any] | None = None
) -> Any:
    """Builds the network that facts describe; its weights are new ones.

    Args:
        facts: as `collect` returns them.
        build: the user's function, where the search was given one; it may
            take `seed`. Default: the zoo's model.

    Returns:
        A built model, not wrapped.

    Raises:
        ValueError: the network was built by a function that is not given, or
            the one given returns no built model.

    Example:
        >>> facts = {"model": "mlp", "keras": "keras", "input_shape": [8],
        ...          "num_classes": 2, "seed": 0,
        ...          "model_options": {"hidden": [4]}}
        >>> build_from(facts).output_shape
        (None, 2)
    """
    seed = int(facts.get("seed", 0))
    if build is not None:
        return network.call_build(build, seed)
    if facts.get("model") is None:
        raise ValueError(
            "`build` must be given: the network was built by a function, "
            f"{facts.get('build')!r}, and not by a name. Received: build=None. "
            "Pass that function as `build`, from Python."
        )
    return models.build(
        facts["model"],
        families.get(facts["keras"]).keras,
        input_shape=tuple(facts["input_shape"]),
        num_classes=facts["num_classes"],
        seed=seed,
        **facts["model_options"],
    )
