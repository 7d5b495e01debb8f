"""Surgery: getting mask wrappers into any Keras model, and out again.

Functional and Sequential models are rebuilt around the same layers, so the
wrapped model shares its weights with the original. Subclassed models are
changed in place (`attributes`).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from tflottery.layers import (
    attributes,
    evidence,
    family,
    keras_family,
    paths,
    placement,
    prunable,
    renewal,
)
from tflottery.layers.settings import (
    PruningSettings,
    matches,
    prunes_frozen,
)

keras_family.register()


@dataclasses.dataclass
class Report:
    """What wrapping did: masked weights and skipped layers, with reasons."""

    masked: list[str] = dataclasses.field(default_factory=list)
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)

    def __str__(self):
        lines = [f"masked {len(self.masked)} weights: {self.masked}"]
        lines += [f"skipped {k}: {v}" for k, v in self.skipped.items()]
        return "\n".join(lines)


def wrap(
    target: Any,
    settings: PruningSettings,
    predicate: Callable[[Any], bool] | None = None,
    report: Report | None = None,
    renew: bool = False,
) -> Any:
    """Wraps every layer with prunable weights.

    Args:
        target: a Keras model, layer, or list or tuple of layers.
        settings: carried by every wrapper; its `skip` leaves layers dense.
        predicate: function of a layer, `True` leaves it dense.
        report: filled with what was done.
        renew: whether layers that are wrapped already get these settings too;
            their masks are kept.

    Returns:
        The same kind of thing, wrapped, under the strategy that it was made
        under. A subclassed model is changed in place and returned.
    """
    report = Report() if report is None else report
    of = family.of(target)
    with placement.scope_of(target):
        wrapped = _wrap(of, target, settings, predicate, report, renew)
        settings.finish(wrapped)
        return wrapped


def _wrap(of, target, settings, predicate, report, renew):
    done: dict[int, Any] = {}
    if renew:
        for wrapper in evidence.wrappers(target):
            renewal.check(wrapper, settings, predicate)  # before any change

    def visit(layer):
        if id(layer) not in done:
            done[id(layer)] = visit_once(layer)
        return done[id(layer)]

    def visit_once(layer):
        if not isinstance(layer, of.keras.layers.Layer):
            return layer  # an operation of `keras.ops` in a functional graph
        if isinstance(layer, of.keras.layers.InputLayer):
            return layer
        if paths.is_mask_wrapper(layer):
            if renew:
                layer = renewal.renew(of, layer, settings, predicate)
            if paths.is_mask_wrapper(layer):
                report.masked += _masked_names(layer)
            else:
                report.skipped[layer.name] = settings.why_dense
            return layer
        adopted = of.adopted(layer)
        if adopted is not None:
            return adopt(*adopted)
        reason = _skip_reason(layer, settings, predicate)
        if reason is not None:
            report.skipped[layer.name] = reason
            return layer
        if of.is_graph(layer):
            return rebuild(of, layer, visit)
        if not layer.built:
            if _builds_nothing(layer):
                return layer
            return of.masked(layer, settings=settings)
        weights = prunable.prunable_weights(layer, prunes_frozen(settings))
        chosen = [
            weight.path
            for weight in weights
            if settings.covers(weight, layer)
            and not (predicate is not None and predicate(weight.owner))
        ]
        if not chosen:
            if prunable.variables_of(layer):
                report.skipped[layer.name] = (
                    settings.why_dense if weights else prunable.why_not(layer)
                )
            return layer
        try:
            wrapped = of.masked(layer, weights=chosen, settings=settings)
        except family.CannotMaskError as error:
            report.skipped[layer.name] = f"cannot be masked: {error}"
            return layer
        report.masked += _masked_names(wrapped)
        return wrapped

    def adopt(layer, weights, masks):
        reason = _skip_reason(layer, settings, predicate)
        if reason is not None or not masks:
            return visit(layer)
        wrapped = of.masked(layer, weights=weights, settings=settings)
        for path, mask in masks.items():
            wrapped.set_mask(path, mask)
        report.masked += _masked_names(wrapped)
        return wrapped

    if isinstance(target, (list, tuple)):
        return type(target)(visit(layer) for layer in target)
    if isinstance(target, of.keras.Model) and not of.is_graph(target):
        _report_own_weights(target, report)
        attributes.replace_layers(target, visit)
        return target
    return visit(target)


def unwrap(target: Any) -> Any:
    """Takes every mask wrapper out; pruned entries stay exactly zero.

    Args:
        target: what `wrap` returned.

    Returns:
        The same kind of thing without wrappers, sharing the weights.
    """
    of = family.of(target)
    with placement.scope_of(target):
        return _unwrap(of, target)


def _unwrap(of, target):
    done: dict[int, Any] = {}

    def visit(layer):
        if id(layer) not in done:
            if paths.is_mask_wrapper(layer):
                done[id(layer)] = layer.release()
            elif of.is_graph(layer):
                done[id(layer)] = rebuild(of, layer, visit)
            else:
                done[id(layer)] = layer
        return done[id(layer)]

    if isinstance(target, (list, tuple)):
        return type(target)(visit(layer) for layer in target)
    if isinstance(target, of.keras.Model) and not of.is_graph(target):
        attributes.replace_layers(target, visit)
        return target
    return visit(target)


def rebuild(
    of: Any, model: Any, visit: Callable[[Any], Any], always: bool = False
) -> Any:
    """Clones a functional or Sequential model around the given layers.

    Args:
        of: family of the model.
        model: what to clone; it is left as it is.
        visit: function of a layer that returns what to put there.
        always: whether to clone although every layer stays.

    Returns:
        The clone, not compiled, or the model itself if every layer stays.
    """
    if not always and not any(
        visit(layer) is not layer for layer in model.layers
    ):
        return model
    with _seen_as_not_compiled(model):
        rebuilt = of.keras.models.clone_model(model, clone_function=visit)
    if type(rebuilt) is not type(model):
        attributes.keep_class(rebuilt, model, visit)
    return rebuilt


@contextlib.contextmanager
def _seen_as_not_compiled(model: Any) -> Iterator[None]:
    """Keeps Keras 3 from compiling the clone with copies of all it can copy.

    The slots of the optimizer would be lost, and a loss that is a plain
    function cannot be copied at all. tf_keras does not compile clones.
    """
    compiled = vars(model).get("compiled")
    if compiled:
        model.compiled = False
    try:
        yield
    finally:
        if compiled:
            model.compiled = True


def _skip_reason(layer, settings, predicate) -> str | None:
    if predicate is not None and predicate(layer):
        return "is left dense by `skip`"
    if matches(settings.skip, [layer.name]):
        return "is left dense by `skip`"
    return None


def _builds_nothing(layer: Any) -> bool:
    """Tells whether an unbuilt layer will have no weights once it is built.

    A layer made of layers may leave its building to their first call, and
    `MultiHeadAttention` of tf_keras has not even those until then.
    """
    return (
        getattr(type(layer).build, "_is_default", False)
        and not paths.children(layer)
        and not hasattr(layer, "_build_from_signature")
    )


def _masked_names(wrapper: Any) -> list[str]:
    return [f"{wrapper.name}/{path}" for path in wrapper.masked_weights]


def _report_own_weights(model: Any, report: Report) -> None:
    for name, variable in paths.own_variables(model):
        if variable.trainable and len(variable.shape) >= 2:
            report.skipped[name] = (
                "is a weight of the model itself; put it into a layer to "
                "have it pruned"
            )
