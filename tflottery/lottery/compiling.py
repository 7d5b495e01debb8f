"""Compiling a network for training: optimizer, loss, metrics, speed."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tflottery.distribution import limits
from tflottery.layers import family as families
from tflottery.layers import slots
from tflottery.lottery import learning_rate_schedules
from tflottery.lottery.training_config import TrainingConfig

_LOSS_ALONE = "cross_entropy"


def classification(model: Any) -> dict[str, Any]:
    """Returns loss and metrics for a model that returns logits of classes."""
    keras = families.of(model).keras
    return {
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "metrics": ["accuracy", *_loss_alone(model, keras)],
    }


def compile_for(
    model: Any, config: TrainingConfig, *, optimizer: Any, **arguments: Any
) -> None:
    """Compiles a model as its strategy and family allow, and builds slots.

    Args:
        model: built.
        config: settings; its `validate_every` and `jit_compile` count.
        optimizer: of the model's family.
        **arguments: the other arguments of `compile`.
    """
    steps_per_execution, jit_compile = limits.choose(
        tf.distribute.get_strategy(),
        families.family_of(model),
        config.validate_every,
        is_faster_with_xla(model)
        if config.jit_compile is None
        else config.jit_compile,
    )
    model.compile(
        optimizer=optimizer,
        steps_per_execution=steps_per_execution,
        jit_compile=jit_compile,
        **arguments,
    )
    slots.build(model.optimizer, model.trainable_variables)


def is_faster_with_xla(model: Any) -> bool:
    """Tells how to compile a model if its user leaves it open.

    On two CPU cores XLA's convolutions took 1.5 (Conv-2, Conv-4) to 5 times
    (VGG-16) as long as TensorFlow's own, with TensorFlow 2.21.

    Args:
        model: Built model of either family.
    """
    where = [tf.convert_to_tensor(v).device for v in model.variables[:1]]
    if not all("CPU" in device for device in where):
        return True
    return not any(
        "Conv" in base.__name__
        for layer in model._flatten_layers()
        for base in type(layer).__mro__
        if base.__module__.split(".")[0] in ("keras", "tf_keras")
    )


def make_optimizer(config: TrainingConfig, keras: Any = None) -> Any:
    """Returns the optimizer a config names.

    Args:
        config: settings of the training.
        keras: module of the model's family; default: the one the config
            names, which is not that of a user's own model.
    """
    if keras is None:
        keras = families.get(config.keras).keras
    # By its class: from a config without a module, tf_keras would make its
    # legacy optimizer, whose arithmetic is another.
    classes = {
        name.lower(): value
        for name, value in vars(keras.optimizers).items()
        if inspect.isclass(value)
    }
    cls = classes.get(config.optimizer.lower())
    if cls is None:  # a registered one of the user's, or an error that says so
        cls = type(keras.optimizers.get(config.optimizer))
    rate = learning_rate_schedules.make(config.rate, keras)
    return cls.from_config({"learning_rate": rate, **config.optimizer_options})


def loss_of(metrics: Mapping[str, float]) -> float:
    """Returns the loss among metrics, without penalties where that is known.

    Example:
        >>> loss_of({"loss": 0.7, "cross_entropy": 0.5, "accuracy": 0.8})
        0.5
    """
    return metrics.get(_LOSS_ALONE, metrics["loss"])


def _loss_alone(model: Any, keras: Any) -> list[Any]:
    """Returns a metric of the loss without weight decay, if there is any.

    Early stopping is judged by it: Keras adds the penalties to the loss in
    validation too, where they would hide that the network has overfitted.
    """
    if not model.losses:
        return []
    metric = keras.metrics.SparseCategoricalCrossentropy
    return [metric(name=_LOSS_ALONE, from_logits=True)]


def metrics_of(model: Any) -> list[Any]:
    """Returns the metrics a model was compiled with, accuracy without any."""
    of_tf_keras = getattr(model, "compiled_metrics", None)
    if hasattr(of_tf_keras, "_user_metrics"):  # lists none before it trains
        return of_tf_keras._user_metrics or ["accuracy"]
    return [
        metric
        for metric in getattr(model, "metrics", [])
        if metric.name not in ("loss", "compile_metrics")
    ] or ["accuracy"]
