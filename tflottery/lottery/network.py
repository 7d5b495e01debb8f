"""The network of a search: built, wrapped, compiled, and seeded anew.

One model object serves all replicates and rounds, so that its train function
is compiled once. A replicate begins by giving it the values of a network that
was built with the replicate's seed.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from tflottery import models
from tflottery.layers import evidence, paths, prunable, prune, state
from tflottery.lottery.config import SearchConfig


def builder(config: SearchConfig, data: Any) -> Callable[[int], Any]:
    """Returns the function that builds the zoo's model from a seed."""
    keras = importlib.import_module(config.keras)

    def build(seed):
        return models.build(
            config.model,
            keras,
            input_shape=data.input_shape,
            num_classes=data.num_classes,
            seed=seed,
            **config.model_options,
        )

    return build


def seeded(build: Callable[..., Any]) -> Callable[[int], Any]:
    """Makes a user's build function depend on nothing but a seed.

    Args:
        build: function that returns a new model; it may take `seed`.
    """
    takes_seed = "seed" in inspect.signature(build).parameters

    def build_with(seed):
        import keras

        keras.utils.set_random_seed(seed)
        model = build(seed=seed) if takes_seed else build()
        if not getattr(model, "built", False):
            raise ValueError(
                "`build` must return a built model. Received: "
                f"{getattr(model, 'name', model)!r}, whose weights do not "
                "exist yet. Begin it with an `Input`, or call it on data."
            )
        return model

    return build_with


def prepare(
    build: Callable[[int], Any], seed: int, config: SearchConfig
) -> Any:
    """Builds, wraps and compiles the model of a search.

    Args:
        build: function of a seed.
        seed: seed of the first replicate that is run.
        config: settings of the search.

    Returns:
        The compiled model; compiled as `build` did it, if it did.

    Raises:
        ValueError: the model has nothing to prune, or averages its weights
            (EMA) in a way that cannot be rewound exactly.
    """
    plain = build(seed)
    compiled = getattr(plain, "optimizer", None) is not None
    model = prune.wrap_with_settings(
        plain, config.settings(output_layer(plain))
    )
    if not evidence.wrappers(model):
        raise ValueError(
            "The model of a search must have something to prune. Received: "
            f"`{plain.name}` without any kernel of rank 2 or more."
        )
    optimizer = plain.optimizer if compiled else make_optimizer(config)
    if getattr(optimizer, "use_ema", False):
        raise ValueError(
            "The optimizer of a search must not average the weights: Keras "
            "overwrites them with the average at the end of each `fit`. "
            f"Received: {type(optimizer).__name__}(use_ema=True). Use "
            "use_ema=False."
        )
    keras = importlib.import_module(config.keras)
    arguments: dict[str, Any] = {}
    if compiled:
        arguments.update(
            loss=plain.loss, metrics=_metrics_of(plain), loss_weights=None
        )
    else:
        arguments.update(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
    model.compile(
        optimizer=optimizer,
        steps_per_execution=config.validate_every,
        jit_compile=config.jit_compile,
        **arguments,
    )
    return model


def reseed(model: Any, build: Callable[[int], Any], seed: int) -> None:
    """Gives the model the state of one newly built with another seed.

    Weights, seed generators and optimizer become those of a new network; the
    mask becomes all ones. Nothing is compiled anew.
    """
    fresh = build(seed)
    mask = evidence.current_mask(model)
    evidence.set_mask(model, type(mask).ones_like(mask))
    values = {
        state.WEIGHTS + path: variable.numpy()
        for path, variable in paths.variables(fresh).items()
    }
    state.write(model, values, state.WEIGHTS)
    state.renew_optimizer(model, 0)


def make_optimizer(config: SearchConfig) -> Any:
    """Returns the optimizer a config names."""
    keras = importlib.import_module(config.keras)
    return keras.optimizers.get(
        {
            "class_name": config.optimizer,
            "config": {
                "learning_rate": config.learning_rate,
                **config.optimizer_options,
            },
        }
    )


def output_layer(model: Any) -> str | None:
    """Returns the name of the last layer that has a prunable weight."""
    weights = prunable.prunable_weights(model)
    return weights[-1].path.split("/")[0] if weights else None


def _metrics_of(model: Any) -> list[Any]:
    return [
        metric
        for metric in getattr(model, "metrics", [])
        if metric.name not in ("loss", "compile_metrics")
    ] or ["accuracy"]
