"""`compact`: an exactly equivalent, smaller, dense model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.compaction import costs, linear, passing
from tflottery.compaction.rebuild import CannotCloneError, Rebuild
from tflottery.compaction.removal import Plan
from tflottery.compaction.report import CompactionReport, LayerChange
from tflottery.compaction.values import Values, is_wrapped
from tflottery.layers import evidence, family, graph, placement, randomness


def compact(
    model: Any,
    masks: Mapping[str, Any] | None = None,
    *,
    report: CompactionReport | None = None,
) -> Any:
    """Removes dead units, channels and embedding rows from a model.

    A unit is dead if nothing reads it (no way out) or if nothing that varies
    reaches it (no way in): it gives a constant then, which is added to the
    biases behind it. Both are followed through the whole network, so that
    one removal leads to the next. What is left is a plain dense network that
    computes the same at inference, up to rounding, and is smaller and faster
    on any machine. What cannot be proven is left alone and reported.

    Weights that are exactly zero have no influence; every tensor keeps at
    least one channel, the inputs and outputs of the model keep all.

    Args:
        model: a functional or Sequential model of either Keras family, built,
            wrapped (by this library or TF-MOT) or stripped. It is not
            changed.
        masks: `{path: array}` to apply first, for any of its weights, as
            `tflottery.masks(model)` gives them or by structural paths; a
            `tflottery.Mask` too. Default: the masks of its wrappers, and the
            zeros that are stored.
        report: a `CompactionReport` to fill in. Counting operations takes a
            moment, and is not done without one.

    Returns:
        A new model of the same family without wrappers, not compiled. Layers
        have the same names; inputs and outputs the same names and structure.
        A subclassed model has no graph to look at and is itself returned.
        Where the zero rows of an embedding were merged, a layer `RowMap`
        stands before it: an index out of range is refused as before on a
        CPU, and becomes index 0 (the zero row, but with `mask_zero` the
        masked step) on devices that read zero there.

    Raises:
        TypeError: not a Keras model.
        ValueError: it is not built, a weight is NaN or infinite, or a mask
            fits no weight.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((4,)), keras.layers.Dense(6, activation="relu"),
        ...     keras.layers.Dense(2)])
        >>> mask = np.ones((4, 6))
        >>> mask[:, :4] = 0  # four of six units get nothing
        >>> small = compact(model, {"dense/kernel": mask})
        >>> [layer.units for layer in small.layers]
        [2, 2]
    """
    of = family.of(model)
    if not hasattr(model, "fit"):
        raise TypeError(
            f"`model` must be a Keras model. Received: {model!r}, a single "
            "layer. Put it into a model, such as a Sequential one."
        )
    evidence.check_built(model)
    wanted = report
    report = CompactionReport() if report is None else report
    report.model = model.name
    if not graph.has_graph(model):
        return _left_as_it_is(model, masks, report)
    values = Values(model, masks)
    network = graph.flatten(model)
    unsorted = [use.name for use in network.nested if not use.is_sorted]
    with placement.scope_of(model), randomness.kept():
        plan = Plan(network, values, keep_all=bool(unsorted))
        rebuild, small = _rebuilt(of, model, plan, values, report)
        if wanted is not None:
            _fill(report, plan, rebuild)
            _note(report, of, model, unsorted)
            _count(report, of, model, small, values)
    return small


def _rebuilt(of, model, plan, values, report):
    """Builds the new model; shares the layers that cannot be cloned."""
    shared = {id(layer) for layer in plan.layers() if hasattr(layer, "adapt")}
    while True:
        rebuild = Rebuild(of, plan, values, shared)
        try:
            return rebuild, rebuild.run(model)
        except CannotCloneError as error:
            layer = error.layer
            if id(layer) in shared or plan.of_layer(layer).role.is_sized:
                raise
            if values.changes(layer):
                raise ValueError(
                    f"Layer `{layer.name}` must be made from its config to be "
                    f"masked. Received: {type(layer).__name__}, where that "
                    f"fails: {error}. Give it a `get_config` from which "
                    "`from_config` makes its like."
                ) from error
            shared.add(id(layer))
            report.left_alone[layer.name] = (
                "it cannot be cloned from its config, so the new model has "
                f"the same weights as the given one: {error}"
            )


def _left_as_it_is(model, masks, report):
    if masks is not None:
        raise ValueError(
            "`masks` needs a functional or Sequential model. Received: "
            f"`{model.name}`, which has no graph of layers. Use "
            "`tflottery.set_mask(model, masks)` on the wrapped model."
        )
    report.left_alone[model.name] = (
        "a subclassed model, or one with a `call` of its own, has no graph of "
        "layers; it is returned as it is"
    )
    report.parameters_before = costs.parameters(model)
    report.parameters_after = report.parameters_before
    report.kernel_before = costs.kernel_entries(model)
    report.kernel_after = report.kernel_before
    return model


def _fill(report, plan, rebuild):
    """Writes down what became of each layer."""
    names = {}
    for role in plan.roles:
        names.setdefault(id(role.layer), role.node.name)
        reason = getattr(role, "reason", None)
        is_end = all(
            t in plan.network.output_tensors for t in role.node.outputs
        )
        if reason and not (is_end and isinstance(role, linear.Linear)):
            report.left_alone.setdefault(role.node.name, reason)
    for layer in plan.layers():
        part = plan.of_layer(layer)
        if not isinstance(
            part.role, (linear.Linear, linear.Embedding, passing.Depthwise)
        ):
            continue
        gone = ~part.outputs
        folded, rows = 0, (0, 0)
        if isinstance(part.role, linear.Linear):
            used = part.role.used[:, part.needed_outputs].any(axis=1)
            folded = int((part.role.folded(part) & used).sum())
        if id(layer) in rebuild.rows:
            found = rebuild.rows[id(layer)]
            rows = (len(found.lookup), len(found.table))
        elif isinstance(part.role, linear.Embedding):
            rows = (len(part.role.table),) * 2
        report.layers.append(
            LayerChange(
                names[id(layer)],
                gone.size,
                int(part.outputs.sum()),
                int((gone & ~np.isnan(part.outgoing)).sum()),
                int((gone & np.isnan(part.outgoing)).sum()),
                folded,
                *rows,
            )
        )


def _note(report, of, model, unsorted):
    for name in unsorted:
        report.left_alone[name] = (
            "it lists its inputs in another way than it was given them, so "
            "nothing was removed anywhere"
        )
    if type(model).__module__.split(".")[0] != of.name:
        report.notes.append(
            f"The new model is a plain one, not of class "
            f"{type(model).__name__}."
        )


def _count(report, of, model, small, values):
    plain = model
    if is_wrapped(model):
        # Masks, and multiplying with them, are no cost of the network itself.
        plan = Plan(graph.flatten(model), values, keep_all=True)
        _, plain = _rebuilt(of, model, plan, values, CompactionReport())
    report.parameters_before = costs.parameters(plain)
    report.parameters_after = costs.parameters(small)
    report.kernel_before = costs.kernel_entries(plain)
    report.kernel_after = costs.kernel_entries(small)
    report.flops_before = costs.flops(plain)
    report.flops_after = costs.flops(small)
