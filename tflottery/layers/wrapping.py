"""Wrapping with a word to the user: what was skipped, what matched nothing.

`surgery` wraps and fills a report; here the report is read, logged, warned
about, or, where the user asked for strictness, made an error.
"""

from __future__ import annotations

import difflib
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tflottery.layers import (
    evidence,
    family,
    paths,
    prunable,
    state,
    subclassed,
    surgery,
)
from tflottery.layers.settings import (
    DEFAULT_FRACTION,
    PruningSettings,
    matches,
)

_logger = logging.getLogger("tflottery")


def wrap(
    model: Any,
    settings: PruningSettings,
    predicate: Callable[[Any], bool] | None = None,
    strict: bool = False,
    check_names: bool = True,
) -> Any:
    """Wraps a model, layer or list and says what was left out.

    Args:
        model: what to wrap.
        settings: carried by every wrapper.
        predicate: function of a layer, `True` leaves it dense.
        strict: raise where a warning would be given.
        check_names: whether a name in `skip` or `prune_fraction` that matches
            nothing is worth a warning.

    Returns:
        The same kind of thing, wrapped.

    Raises:
        TypeError: not a Keras model, layer or list of layers.
        ValueError: with `strict`, nothing to prune, a layer with weights was
            skipped unasked, or a name matches nothing.
    """
    family.of(model)
    if check_names:
        for argument, patterns in _patterns(settings).items():
            note_unmatched(model, argument, patterns, strict)
    report = surgery.Report()
    # As in TF-MOT, a schedule leaves alone what is wrapped already.
    wrapped = surgery.wrap(
        model, settings, predicate, report, renew=settings.schedule is None
    )
    if subclassed.saves_as_its_class(wrapped):
        subclassed.remember_wrapping(wrapped, settings)
    name = getattr(model, "name", type(model).__name__)
    for layer, reason in report.skipped.items():
        _logger.info("`%s`: `%s` is not pruned: it %s.", name, layer, reason)
    unasked = {
        layer: reason
        for layer, reason in report.skipped.items()
        if "kernel nor" in reason
        or "model itself" in reason
        or "cannot be masked" in reason
    }
    if not evidence.wrappers(wrapped):
        message = (
            f"`model` has nothing to prune. Received: `{name}`, in which "
            + (
                "; ".join(f"`{k}` {v}" for k, v in report.skipped.items())
                or "no layer has weights"
            )
            + ". A layer's `get_prunable_weights` can choose its weights."
        )
        if strict:
            raise ValueError(message)
        warnings.warn(message, stacklevel=3)
    elif strict and unasked:
        raise ValueError(
            "`strict` is on and layers with weights were skipped. Received: "
            + "; ".join(f"`{k}` {v}" for k, v in unasked.items())
            + ". Name them in `skip`, or give them `get_prunable_weights`."
        )
    return wrapped


def wrap_like(
    model: Any, settings: PruningSettings, masked: Mapping[str, Any]
) -> Any:
    """Wraps a built model so that just the weights of a mask are masked.

    Args:
        model: built model of the architecture that `masked` was found in.
        settings: as they were stored, as a ticket's are.
        masked: its keys are the paths of the masked weights.

    Returns:
        The wrapped model.
    """
    found = paths.variables(model)
    wanted = {id(found[path]) for path in masked if path in found}

    def was_dense(layer):
        return not any(id(v) in wanted for v in layer.variables)

    return wrap(model, settings, was_dense, check_names=False)


def note_unmatched(
    model: Any, argument: str, patterns: Sequence[str], strict: bool = False
) -> None:
    """Warns of a pattern that matches nothing: most likely misspelt.

    Args:
        model: model, layer or list of them; nothing is said before it is
            built.
        argument: what the patterns were given as, for the message.
        patterns: names or regexes of layers and prunable weights.
        strict: raise where a warning would be given.

    Raises:
        ValueError: with `strict`, a pattern matches nothing.
    """
    items = model if isinstance(model, (list, tuple)) else [model]
    if not patterns or not all(item.built for item in items):
        return
    names = _names_of(items)
    lost = [p for p in patterns if not matches([p], list(names))]
    if not lost:
        return
    near = [
        name
        for pattern in lost
        for name in difflib.get_close_matches(pattern, names, n=3)
    ]
    guess = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    message = (
        f"`{argument}` names what the model does not have. Received: {lost}, "
        f"which match no layer and no prunable weight.{guess} A regex must "
        "match the whole name."
    )
    if strict:
        raise ValueError(message)
    warnings.warn(message, stacklevel=4)


def note_frozen(model: Any) -> None:
    """Says so if layers are left dense because they are frozen."""
    names: dict[str, None] = {}
    for item in model if isinstance(model, (list, tuple)) else [model]:
        trained = {id(w.variable) for w in prunable.prunable_weights(item)}
        for weight in prunable.prunable_weights(item, frozen=True):
            if id(weight.variable) not in trained:
                names[weight.owner.name] = None
    if names:
        _logger.warning(
            "%d frozen layers are left dense: %s. To have them pruned, set "
            "`trainable = True` before wrapping.",
            len(names),
            ", ".join([f"`{name}`" for name in list(names)[:5]])
            + (", ..." if len(names) > 5 else ""),
        )


def note_unsaved_randomness(model: Any) -> None:
    """Says so if random numbers cannot be rewound with the rest."""
    items = model if isinstance(model, (list, tuple)) else [model]
    names = [name for item in items for name in state.unsaved_randomness(item)]
    if names:
        _logger.warning(
            "The random numbers of %s cannot be rewound: tf_keras keeps their "
            "state where nobody can read it. All else is rewound. For an "
            "exact rewind call `tf_keras.backend.experimental."
            "enable_tf_random_generator()` before building the model.",
            ", ".join(f"`{name}`" for name in names[:5]),
        )


def _patterns(settings):
    fractions = settings.prune_fraction
    named = fractions if isinstance(fractions, Mapping) else ()
    return {
        "skip": list(settings.skip),
        "prune_fraction": [p for p in named if p != DEFAULT_FRACTION],
    }


def _names_of(items):
    """Returns all that a layer or prunable weight may be called, in order."""
    names: dict[str, None] = {}
    seen: set[int] = set()

    def visit(layer):
        if id(layer) in seen:
            return
        seen.add(id(layer))
        names[layer.name] = None
        for weight in prunable.prunable_weights(layer):
            names.update(dict.fromkeys(weight.names))
            names[f"{layer.name}/{weight.path}"] = None
        for child in paths.children(layer):
            visit(child)

    for item in items:
        visit(item)
    return names
