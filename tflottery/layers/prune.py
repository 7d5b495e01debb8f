"""The verbs: wrap a model for iterative pruning, prune it once, strip it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tflottery.core import checks
from tflottery.core.mask import Mask
from tflottery.layers import (
    evidence,
    saliency,
    subclassed,
    surgery,
    wrapping,
)
from tflottery.layers.settings import PruningSettings, split_skip
from tflottery.pruning import criteria, structures
from tflottery.pruning.pruner import Pruner
from tflottery.pruning.schedules import Geometric


def prune_iteratively(
    model: Any,
    prune_fraction: float | dict[str, float] = 0.2,
    scope: str = "global",
    criterion: Any = "magnitude",
    structure: Any = None,
    rewind_to: Any = "2%",
    skip: str | Sequence[str] | Callable[[Any], bool] = (),
    strict: bool = False,
) -> Any:
    """Wraps a model so that it can be pruned and rewound round by round.

    Every layer with a kernel or an embedding table, at any depth, is put into
    a wrapper that masks its weights where they are used. Nothing is pruned
    yet: until the first round the wrapped model computes and trains exactly
    as before (but for optimizers that treat the rows of an embedding table
    that a batch does not visit apart). The rounds are run by
    `tflottery.callbacks.IterativePruning` inside one `fit`, by
    `tflottery.find_ticket`, or by a loop of your own (`tflottery.prune`,
    `tflottery.Snapshot`).

    Args:
        model: a model of Keras 3 or tf_keras (Sequential, functional, nested,
            subclassed), a layer, or a list of layers; also a tf_keras model
            that TF-MOT has wrapped. What is wrapped already, by whichever
            verb or as part of a loaded model, keeps its masks and gets these
            settings instead of its own. A subclassed model is changed in
            place; otherwise the result shares its layers' weights with the
            original. Compile it afterwards.
        prune_fraction: share of the *surviving* weights removed each round,
            in [0, 1); a float, or `{layer name, weight path or regex: float}`
            with `"default"` for the rest. Default 0.2.
        scope: `"global"` ranks all weights together, `"layerwise"` takes the
            fraction from each weight, `"erk"` gives small layers more.
        criterion: which weights go first; a name of
            `tflottery.pruning.criteria.names()` or a `Criterion`. Random
            needs a seed: `tflottery.pruning.criteria.RandomCriterion(0)`.
        structure: `None` for single weights, or a structure such as
            `tflottery.Block(1, 4)`, `tflottery.NOfM(2, 4)`,
            `tflottery.Channel()`.
        rewind_to: point of training the survivors return to: `"0it"` (the
            original weights), `"500it"`, `"2ep"`, or a share of the planned
            training such as `"2%"` (the default).
        skip: names or regexes of layers to leave dense, or a function of a
            layer. Not for what is pruned already; a `prune_fraction` of 0
            keeps a mask as it is.
        strict: raise, rather than warn, if nothing can be pruned, and if a
            layer with weights was skipped without being named in `skip`.

    Returns:
        What was given, wrapped.

    Raises:
        ValueError: a bad value; a supermask; `skip` names what is pruned
            already; with `strict`, nothing to prune.
        TypeError: not a Keras model, layer or list of layers.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> model = tflottery.prune_iteratively(model, prune_fraction=0.5)
        >>> tflottery.sparsity(model)
        0.0

    Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019,
    section 1; Frankle et al., Stabilizing the Lottery Ticket Hypothesis,
    2019, algorithm 1 (rewinding).
    """
    patterns, predicate = split_skip(skip)
    settings = PruningSettings.create(
        prune_fraction=prune_fraction,
        scope=scope,
        criterion=criterion,
        structure=structure,
        rewind_to=rewind_to,
        skip=patterns,
    )
    wrapped = wrapping.wrap(model, settings, predicate, strict)
    wrapping.note_frozen(wrapped)
    wrapping.note_unsaved_randomness(wrapped)
    return wrapped


def prune_once(
    model: Any,
    sparsity: float,
    scope: str = "global",
    criterion: Any = "magnitude",
    structure: Any = None,
    skip: str | Sequence[str] | Callable[[Any], bool] = (),
    strict: bool = False,
    data: Any = None,
    loss: Any = None,
) -> Any:
    """Prunes a model to a sparsity at once, without training.

    Args:
        model: a model, layer or list of layers; wrapped already or not.
        sparsity: share of the prunable weights to set to zero, in [0, 1); of
            the units (blocks, channels) where a `structure` is given. A model
            that is sparser already stays as it is.
        scope: `"global"`, `"layerwise"` or `"erk"`.
        criterion: as in `prune_iteratively`. `"snip"` and `"grasp"` need
            `data`; `"synflow"` needs none and is applied in 100 small steps.
        structure: as in `prune_iteratively`.
        skip: as in `prune_iteratively`.
        strict: as in `prune_iteratively`.
        data: one batch `(x, y)` of arrays for criteria that need gradients.
        loss: loss function for them; default: the compiled one.

    Returns:
        What was given, wrapped and masked; `strip_pruning` makes it plain.

    Raises:
        ValueError: a bad value, or `data` is missing.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
        >>> pruned = tflottery.prune_once(model, sparsity=0.8)
        >>> tflottery.sparsity(pruned)
        0.8
    """
    sparsity = checks.check_fraction(
        "sparsity",
        sparsity,
        what="It is the share of weights set to zero; use 0.8 for 80 percent.",
    )
    if evidence.wrappers(model):
        if callable(skip) or len(skip):
            raise ValueError(
                "`skip` is for a model that is not wrapped yet. Received: "
                f"skip={skip!r} and a model whose layers are chosen already. "
                "Leave it out, or wrap anew with `strip_pruning` first."
            )
    else:
        evidence.check_built(model)
        patterns, predicate = split_skip(skip)
        settings = PruningSettings.create(
            scope=scope,
            criterion=criterion,
            structure=structure,
            skip=patterns,
        )
        if loss is None and saliency.is_compiled(model):
            # What is wrapped is not compiled; the original's loss will do.
            loss = functools.partial(_compiled_loss, model)
        model = wrapping.wrap(model, settings, predicate, strict)
        if not evidence.wrappers(model):
            return model
    criterion = criteria.get(criterion)
    if structure is not None:
        structure = structures.get(structure)
    pruner = Pruner(criterion=criterion, structure=structure, scope=scope)
    steps = 100 if criterion.name == "synflow" else 1
    for step in range(1, steps + 1):
        mask = evidence.current_mask(model)
        found = saliency.gather(model, criterion, data=data, loss=loss)
        density = (1.0 - sparsity) ** (step / steps)
        evidence.set_mask(model, pruner.prune(mask, found, density))
    return model


def _compiled_loss(model, y, output):
    return model.compute_loss(x=None, y=y, y_pred=output)


def strip_pruning(model: Any) -> Any:
    """Takes the wrappers out: a plain Keras model with zeros in place.

    Args:
        model: what `prune_iteratively` or `prune_once` returned.

    Returns:
        The same kind of thing without wrappers. It shares its weights with
        the wrapped one. A subclassed model is changed in place. Nothing holds
        the zeros any more: to train on, train the wrapped model.

    Raises:
        ValueError: nothing in it is wrapped.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
        >>> plain = tflottery.strip_pruning(tflottery.prune_once(model, 0.8))
        >>> type(plain.layers[0]).__name__, tflottery.sparsity(plain)
        ('Dense', 0.8)
    """
    if not evidence.wrappers(model):
        raise ValueError(evidence.not_wrapped(model))
    stripped = surgery.unwrap(model)
    if subclassed.saves_as_its_class(stripped):
        subclassed.forget_wrapping(stripped)
    return stripped


def wrap_with_settings(model: Any, settings: PruningSettings) -> Any:
    """Wraps a model by settings that were stored, as a ticket's are."""
    return wrapping.wrap(model, settings, check_names=False)


def prune(
    model: Any,
    densities: float | dict[str, float],
    *,
    initial: dict[str, Any] | None = None,
    data: Any = None,
) -> Any:
    """Shrinks the mask of a wrapped model by the model's own settings.

    For training loops of your own: call it between rounds, then rewind with
    `Snapshot.restore`.

    Args:
        model: wrapped by `prune_iteratively`.
        densities: share of each weight's *full* size to keep, in [0, 1]; a
            float, or `{path: float}` by the keys of `masks` for every weight.
            After r rounds at fraction p it is (1 - p)**r. What is pruned
            already stays pruned, and one entry of each weight stays.
        initial: `{path: array}` of the initial weights, for criteria that
            compare with them (`Snapshot.weights()`).
        data: one batch `(x, y)` for criteria that need gradients.

    Returns:
        The new `Mask`, which the model now has.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
        >>> model = tflottery.prune_iteratively(model, prune_fraction=0.2)
        >>> mask = tflottery.prune(model, 0.8)
        >>> mask = tflottery.prune(model, 0.8**2)
        >>> mask.kept
        13
    """
    settings = evidence.settings_of(model)
    criterion = criteria.get(settings.criterion)
    structure = settings.structure
    pruner = Pruner(
        criterion=criterion,
        structure=None if structure is None else structures.get(structure),
        scope=settings.scope,
    )
    found = saliency.gather(model, criterion, initial=initial, data=data)
    if isinstance(densities, Mapping):
        densities = evidence.by_structure(model, densities)
    mask = pruner.prune(evidence.current_mask(model), found, densities)
    evidence.set_mask(model, mask)
    return mask


def densities_after(
    model: Any, rounds: int, start: Mask | None = None
) -> dict[str, float]:
    """Returns the target density of each weight after so many rounds.

    Args:
        model: wrapped model.
        rounds: number of prunings, 0 for dense.
        start: mask before the first of them; default: dense.

    Returns:
        `{path: start density * (1 - prune_fraction) ** rounds}`; 1.0, which
        leaves a weight as it is, where the fraction is 0.
    """
    found = {
        path: Geometric(fraction).density(rounds)
        for path, fraction in evidence.fractions(model).items()
    }
    if start is None:
        return found
    before = start.densities()
    return {
        path: density if density == 1.0 else density * before[path]
        for path, density in found.items()
    }
