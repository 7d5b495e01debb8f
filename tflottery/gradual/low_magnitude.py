"""`prune_low_magnitude`: TF-MOT's verb, for models of either Keras."""

from __future__ import annotations

import logging
from typing import Any

from tflottery.core import checks
from tflottery.gradual import policy
from tflottery.layers import evidence, family, prunable, wrapping
from tflottery.layers.settings import PruningSettings
from tflottery.pruning import gradual, gradual_names
from tflottery.pruning.gradual import ConstantSparsity
from tflottery.pruning.structures import Block, NOfM

_logger = logging.getLogger("tflottery")
_POOLING = {"AVG": "average", "MAX": "max"}


def prune_low_magnitude(
    to_prune: Any,
    pruning_schedule: Any = None,
    block_size: tuple[int, int] = (1, 1),
    block_pooling_type: str = "AVG",
    pruning_policy: Any = None,
    sparsity_m_by_n: tuple[int, int] | None = None,
    **kwargs: Any,
) -> Any:
    """Wraps a model so that it gets sparser, by a schedule, while it trains.

    The same call as TF-MOT's, for Keras 3 and tf_keras models. Compile the
    result and train it with `tflottery.callbacks.UpdatePruningStep()`, or, in
    a loop of your own, call `tflottery.update_pruning_step(model)` before each
    batch. Each weight is pruned by itself to the schedule's sparsity. To find
    a winning ticket use `tflottery.prune_iteratively`.

    Pruned weights get no gradient, the stored weights are sparse after every
    step, and what is pruned does not return. Which weights are pruned is as
    in TF-MOT, so depthwise kernels are left dense, and layers that TF-MOT
    refuses are pruned by their kernels, or skipped if they have none.

    Args:
        to_prune: a model (Sequential, functional, nested; subclassed ones are
            changed in place), a layer, or a list of layers. Layers that are
            wrapped already are left as they are.
        pruning_schedule: a `ConstantSparsity`, a `PolynomialDecay`, a
            `PruningSchedule` of your own, or one of TF-MOT's. Default: 50 %
            from step 0, which is first applied at step 100.
        block_size: height and width of the blocks that are pruned whole, over
            the last two axes of a weight. Default (1, 1): single weights.
        block_pooling_type: `"AVG"` (default) ranks blocks by their mean
            magnitude, `"MAX"` by their largest.
        pruning_policy: a `PruningPolicy`, which may refuse the model and
            chooses the layers. Default: all that can be pruned.
        sparsity_m_by_n: (m, n): m *zeros* among n consecutive weights along
            the input axis; (2, 4) is the pattern that hardware knows. It is
            made at step 1, and the schedule has no say. Default: no pattern.
        **kwargs: `name` and `trainable` of the wrapper of a single layer;
            ignored otherwise, as in TF-MOT.

    Returns:
        The same kind of thing, wrapped, not compiled.

    Raises:
        ValueError: a bad value; a layer given by itself that has no weight to
            prune; the policy refuses the model.
        TypeError: not a Keras model, layer or list of layers, or not a
            schedule.

    Example:
        >>> import keras, numpy as np, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
        >>> model = tflottery.prune_low_magnitude(
        ...     model,
        ...     tflottery.PolynomialDecay(0.2, 0.8, begin_step=2, end_step=8,
        ...                               frequency=2))
        >>> model.compile("adam", "mse")
        >>> history = model.fit(
        ...     np.ones((8, 4)), np.ones((8, 5)), batch_size=1, verbose=0,
        ...     callbacks=[tflottery.callbacks.UpdatePruningStep()])
        >>> tflottery.sparsity(model)
        0.8

    Reference: Zhu and Gupta, To prune, or not to prune, 2017, section 3.
    """
    family.of(to_prune, "to_prune")
    settings = PruningSettings.create(
        scope="layerwise",
        structure=_structure(block_size, block_pooling_type, sparsity_m_by_n),
        schedule=ConstantSparsity(0.5, 0)
        if pruning_schedule is None
        else pruning_schedule,
    )
    gradual.evaluate(gradual_names.get(settings.schedule), 1)
    _note_wrapped(to_prune)
    predicate = None
    if pruning_policy is not None:
        pruning_policy = policy.check(pruning_policy)
        if hasattr(to_prune, "fit"):
            pruning_policy.ensure_model_supports_pruning(to_prune)
            predicate = _refused_by(pruning_policy)
    _check_prunable(to_prune)
    wrapped = wrapping.wrap(to_prune, settings, predicate)
    _apply(kwargs, to_prune, wrapped)
    return wrapped


def _structure(block_size, pooling, m_by_n):
    checks.check_choice("block_pooling_type", pooling, tuple(_POOLING))
    height, width = _two_integers("block_size", block_size, "(1, 4)")
    if m_by_n is not None:
        zeros, group = _two_integers("sparsity_m_by_n", m_by_n, "(2, 4)")
        if zeros >= group:
            raise ValueError(
                "`sparsity_m_by_n` must have fewer zeros than weights. "
                f"Received: sparsity_m_by_n={m_by_n!r}. It is m zeros among n "
                "consecutive weights; use (2, 4) for two of four."
            )
        if (height, width) != (1, 1):
            raise ValueError(
                "`block_size` and `sparsity_m_by_n` are two patterns; give "
                f"one. Received: block_size={block_size!r}, sparsity_m_by_n="
                f"{m_by_n!r}."
            )
        return NOfM(keep=group - zeros, group=group)
    if (height, width) == (1, 1):
        return None
    return Block(height, width, pooling=_POOLING[pooling])


def _two_integers(name, value, example):
    try:
        first, second = value
        checks.check_positive_int(f"{name}[0]", first)
        checks.check_positive_int(f"{name}[1]", second)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be two positive integers. Received: "
            f"{name}={value!r}. Use {name}={example}."
        ) from error
    return int(first), int(second)


def _refused_by(pruning_policy):
    def refused(layer):
        # Models within the model are no layers to decide on: their layers are.
        return not hasattr(layer, "fit") and not pruning_policy.allow_pruning(
            layer
        )

    return refused


def _note_wrapped(to_prune):
    found = evidence.wrappers(to_prune)
    if found:
        _logger.warning(
            "%d layers are wrapped already and keep their settings and masks. "
            "For other settings wrap `tflottery.strip_pruning(model)`.",
            len(found),
        )


def _check_prunable(to_prune):
    """Refuses a layer that was given by itself and has nothing to prune."""
    given = to_prune if isinstance(to_prune, (list, tuple)) else [to_prune]
    for layer in given:
        if hasattr(layer, "fit") or not layer.built or not layer.weights:
            continue
        if not prunable.prunable_weights(layer, frozen=True):
            raise ValueError(
                f"`to_prune` has nothing to prune. Received: `{layer.name}` of "
                f"class {type(layer).__name__}, which {prunable.why_not(layer)}"
                ". Leave it as it is, or give it `get_prunable_weights`."
            )


def _apply(kwargs, to_prune, wrapped):
    if isinstance(to_prune, (list, tuple)) or hasattr(to_prune, "fit"):
        return
    unknown = sorted(kwargs.keys() - {"name", "trainable"})
    if unknown:
        raise TypeError(
            "`prune_low_magnitude` takes `name` and `trainable` for the wrapper"
            f" of a single layer. Received: {unknown}."
        )
    if "trainable" in kwargs:
        wrapped.trainable = kwargs["trainable"]
    if "name" in kwargs:
        attribute = "_name" if "_name" in vars(wrapped) else "name"
        setattr(wrapped, attribute, kwargs["name"])
