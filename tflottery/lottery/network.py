"""The network of a search: built, wrapped, compiled, and seeded anew.

One model object serves all replicates and rounds, so that its train function
is compiled once. A replicate begins by giving it the values of a network that
was built with the replicate's seed.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tflottery import models
from tflottery.core import checks, garbage
from tflottery.layers import (
    evidence,
    prunable,
    prune,
    replicas,
    slots,
    state,
    wrapping,
)
from tflottery.layers import family as families
from tflottery.lottery import compiling
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.training_config import TrainingConfig

_logger = logging.getLogger("tflottery")


def builder(config: TrainingConfig, data: Any) -> Callable[[int], Any]:
    """Returns the function that builds the zoo's model from a seed."""
    keras = families.get(config.keras).keras

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

    def build_once(seed):
        known = _set_random_seed(seed)
        return call_build(build, seed), known

    def build_with(seed):
        model, known = build_once(seed)
        if families.family_of(model) not in (*known, None):
            # The build has imported a Keras that was not seeded.
            model, _ = build_once(seed)
        return model

    return build_with


def call_build(build: Callable[..., Any], seed: int) -> Any:
    """Calls a user's build function; seeds nothing but what takes `seed`.

    Args:
        build: function that returns a new model; it may take `seed`.
        seed: passed on if it does.

    Returns:
        The model, whose random layers keep their state in variables.

    Raises:
        ValueError: the model is not built.
    """
    takes_seed = "seed" in inspect.signature(build).parameters
    with _randomness_in_variables():
        model = build(seed=seed) if takes_seed else build()
    if not hasattr(model, "fit"):
        raise ValueError(
            "`build` must return a Keras model. Received: "
            f"{checks.described(model)}."
        )
    if not model.built:
        raise ValueError(
            "`build` must return a built model. Received: "
            f"{model.name!r}, whose weights do not "
            "exist yet. Begin it with an `Input`, or call it on data."
        )
    return model


def prepare(
    build: Callable[[int], Any],
    seed: int,
    config: SearchConfig,
    data: Any = None,
) -> Any:
    """Builds, wraps and compiles the model of a search.

    Called in the scope of a strategy, it compiles for what can be done there.

    Args:
        build: function of a seed.
        seed: seed of the first replicate that is run.
        config: settings of the search.
        data: the data set that it must fit to. Default: not looked at.

    Returns:
        The compiled model; with the optimizer, loss and metrics that `build`
        compiled it with, if it did.

    Raises:
        ValueError: the model has nothing to prune, is pruned already, or does
            not fit to the data; averages its weights (EMA) in a way that
            cannot be rewound exactly; or its Keras cannot train under the
            strategy.
    """
    plain = build(seed)
    _check_dense(plain)
    compiled = getattr(plain, "optimizer", None) is not None
    if data is not None:
        _check_input(plain, data)
        if not compiled:  # with a loss that this package has chosen
            _check_output(plain, data)
    keras = families.of(plain).keras
    wrapping.note_unmatched(
        plain, "layer_prune_fractions", [*config.layer_prune_fractions]
    )
    model = prune.wrap_with_settings(
        plain, config.settings(output_layer(plain))
    )
    if not evidence.wrappers(model):
        raise ValueError(
            "The model of a search must have something to prune. Received: "
            f"`{plain.name}` without any kernel of rank 2 or more."
        )
    optimizer = (
        plain.optimizer if compiled else compiling.make_optimizer(config, keras)
    )
    if not compiled and config.rate.unreached:
        _logger.warning(
            "The schedule of the learning rate does not fit steps=%d: %s lie "
            "beyond the end. Set schedule_options too.",
            config.steps,
            config.rate.unreached,
        )
    _check_optimizer(optimizer)
    arguments: dict[str, Any] = {}
    if compiled:
        arguments.update(compiling.compiled_with(plain))
    else:
        arguments.update(compiling.classification(plain))
    compiling.compile_for(model, config, optimizer=optimizer, **arguments)
    return model


def reseed(model: Any, build: Callable[[int], Any], seed: int) -> None:
    """Gives the model the state of one newly built with another seed.

    Weights, seed generators and optimizer become those of a new network; the
    mask becomes all ones. Nothing is compiled anew.
    """
    with replicas.scope_of(model.variables):
        fresh = build(seed)
    _check_dense(fresh)
    mask = evidence.current_mask(model)
    evidence.set_mask(model, type(mask).ones_like(mask))
    size = 0
    for part in (state.WEIGHTS, state.REPLICAS):
        values = state.variables(fresh, part)
        values = {name: values[name].numpy() for name in values}
        state.write(model, values, part)
        size += sum(value.nbytes for value in values.values())
    del fresh, values
    garbage.collect(size)
    state.renew_optimizer(model, 0)


def output_layer(model: Any) -> str | None:
    """Returns the name of the last layer that has a prunable weight."""
    weights = prunable.prunable_weights(model)
    return weights[-1].path.split("/")[0] if weights else None


def _check_dense(model):
    """Refuses a network that comes with a mask: a search begins dense."""
    if evidence.wrappers(model):
        mask = evidence.current_mask(model)
        if mask.kept < mask.size:
            raise ValueError(
                "`build` must return a network that is not pruned: a search "
                f"begins with the dense one. Received: `{model.name}`, of which"
                f" {mask.size - mask.kept} of {mask.size} weights are pruned. "
                "To prune it on, train it with "
                "`tflottery.callbacks.IterativePruning`."
            )


def _check_input(model, data):
    ours, theirs = getattr(model, "input_shape", None), (1, *data.input_shape)
    if not isinstance(ours, tuple) or isinstance(ours[0], tuple):
        return  # a class of the user's own, or several inputs
    # Keras adds and drops a last axis of length 1 where it must.
    pairs = itertools.zip_longest(_trimmed(ours), _trimmed(theirs), fillvalue=0)
    if any(a not in (None, b) for a, b in [*pairs][1:]):
        raise ValueError(
            f"`build` must return a model of inputs {data.input_shape}, as "
            f"the data are. Received: `{model.name}` of inputs {ours[1:]}."
        )


def _trimmed(shape):
    return shape[:-1] if shape[-1] == 1 and len(shape) > 1 else shape


def _check_output(model, data):
    shape = getattr(model, "output_shape", None)
    if not isinstance(shape, tuple) or isinstance(shape[0], tuple):
        return
    if shape[-1] is not None and shape[-1] < data.num_classes:
        raise ValueError(
            f"`build` must return a model of {data.num_classes} outputs, one "
            f"for each class of the data. Received: `{model.name}` of output "
            f"shape {shape}. Give its last layer {data.num_classes} units."
        )


def _check_optimizer(optimizer):
    for level in slots.inner_optimizers(optimizer):
        last = getattr(type(level), "finalize_variable_values", None)
        if getattr(level, "use_ema", False):
            received, way_out = "(use_ema=True)", "Use use_ema=False."
        elif getattr(last, "__module__", "keras").split(".")[0] not in (
            "keras",
            "tf_keras",
        ):
            received = ", which has a `finalize_variable_values` of its own"
            way_out = "Use another optimizer."
        else:
            continue
        raise ValueError(
            "The optimizer of a search must not average the weights: Keras "
            "overwrites them with the average at the end of each `fit`. "
            f"Received: {type(level).__name__}{received}. {way_out}"
        )


def _set_random_seed(seed: int) -> list[str]:
    """Seeds every Keras that is loaded; returns their names."""
    names = [name for name in ("keras", "tf_keras") if name in sys.modules]
    for name in names:
        families.get(name).keras.utils.set_random_seed(seed)
    return names


@contextlib.contextmanager
def _randomness_in_variables() -> Iterator[None]:
    """Has tf_keras layers draw from generators, as Keras 3 layers always do.

    Their state is a variable, which can be rewound. What tf_keras does else
    cannot, and compiled by XLA it does not even heed a seed.
    """
    tf_keras = sys.modules.get("tf_keras")
    switch = None if tf_keras is None else tf_keras.backend.experimental
    if switch is None or switch.is_tf_random_generator_enabled():
        yield
        return
    switch.enable_tf_random_generator()
    try:
        yield
    finally:
        switch.disable_tf_random_generator()
