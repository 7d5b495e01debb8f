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
# With these, the loss of a data set is the mean over its examples.
_MEANS = ("sum_over_batch_size", "auto", "mean", "mean_with_sample_weight")


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
        **arguments: the other arguments of `compile`. With `run_eagerly`
            nothing is compiled.
    """
    steps_per_execution, jit_compile = limits.choose(
        tf.distribute.get_strategy(),
        families.family_of(model),
        config.validate_every,
        is_faster_with_xla(model)
        if config.jit_compile is None
        else config.jit_compile,
    )
    if arguments.get("run_eagerly"):
        steps_per_execution, jit_compile = 1, False
    model.compile(
        optimizer=optimizer,
        steps_per_execution=steps_per_execution,
        jit_compile=jit_compile,
        **arguments,
    )
    slots.build(model.optimizer, model.trainable_variables)


def is_faster_with_xla(model: Any) -> bool:
    """Tells how to compile a model if its user leaves it open.

    On two CPU cores XLA's convolutions took as long as TensorFlow's own
    (ResNet-20), 1.5 times (Conv-2, Conv-4) or 5 times (VGG-16) as long, with
    TensorFlow 2.21.

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
    if not _has_penalties(model):
        return []
    metric = keras.metrics.SparseCategoricalCrossentropy
    return [metric(name=_LOSS_ALONE, from_logits=True)]


def _compiled_loss_alone(
    model: Any, keras: Any, loss_weights: Any
) -> list[Any]:
    """Returns the same for a model that was compiled with a loss."""
    loss = model.loss
    if isinstance(loss, str):
        of_examples = keras.losses.get(loss)
    elif isinstance(loss, keras.losses.Loss) and loss.reduction in _MEANS:
        of_examples = loss.call
    else:  # what a function or a sum returns cannot be told apart
        return []
    if not _has_penalties(model) or loss_weights is not None:
        return []
    return [keras.metrics.MeanMetricWrapper(of_examples, name=_LOSS_ALONE)]


def _has_penalties(model):
    return bool(model.losses) or any(
        getattr(layer, "activity_regularizer", None) is not None
        for layer in model._flatten_layers()
    )


def compiled_with(model: Any) -> dict[str, Any]:
    """Returns what a model was compiled with, but for the optimizer.

    Args:
        model: Compiled model of either family.

    Returns:
        Arguments of `compile`. Accuracy, by which tickets are compared, is
        among the metrics also where the model was compiled without, and so is
        the loss without penalties, if there are any. How it is compiled
        (`jit_compile`, `steps_per_execution`) is the search's choice and not
        among them.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
        >>> model.compile("sgd", "mse", loss_weights=[0.5], metrics=["mae"])
        >>> found = compiled_with(model)
        >>> found["loss"], found["loss_weights"], found["metrics"]
        ('mse', [0.5], ['mae', 'accuracy'])
    """
    if families.family_of(model) == "keras":
        loss, metrics = model._compile_loss, model._compile_metrics
        # The optimizer is as `compile` left it.
        found = {"auto_scale_loss": False}
    else:
        loss, metrics = model.compiled_loss, model.compiled_metrics
        found = {}
    if model.run_eagerly:
        found["run_eagerly"] = True
    weights = getattr(loss, "_user_loss_weights", None)
    measured = [
        *_with_accuracy(getattr(metrics, "_user_metrics", None)),
        *_compiled_loss_alone(model, families.of(model).keras, weights),
    ]
    return {
        "loss": getattr(model, "loss", None),
        "loss_weights": weights,
        "metrics": measured,
        "weighted_metrics": getattr(metrics, "_user_weighted_metrics", None),
        **found,
    }


def _with_accuracy(metrics):
    metrics = tf.nest.flatten(metrics or [])
    names = [getattr(metric, "name", metric) for metric in metrics]
    return metrics if "accuracy" in names else [*metrics, "accuracy"]
