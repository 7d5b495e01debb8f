"""The figures of a certificate, from what a search has found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tflottery.supermasks import error_bounds
from tflottery.supermasks.certificate import LayerCertificate
from tflottery.supermasks.error_bounds import LayerSize
from tflottery.supermasks.kept_edges import KeptEdges, weight_errors
from tflottery.supermasks.random_network import RandomLayer


def figures(
    drawn: Sequence[RandomLayer],
    kept: Sequence[KeptEdges],
    sizes: Sequence[LayerSize],
) -> dict[str, Any]:
    """Returns what a certificate says of the layers, and the bounds.

    Args:
        drawn: The layers of the random network.
        kept: What was kept of each.
        sizes: The sizes of the target's layers.

    Returns:
        Members of `Certificate` by name.
    """
    bounds = [layer.construction.error_bound(layer.need) for layer in drawn]
    errors = error_bounds.output_errors(sizes, bounds)
    reached = [
        weight_errors(edges, layer.need.signs)
        for edges, layer in zip(kept, drawn, strict=True)
    ]
    found = [reach.found for reach in reached]
    found_errors = error_bounds.found_errors(sizes, found)
    layers = tuple(
        _layer(*of_layer)
        for of_layer in zip(
            drawn, kept, sizes, bounds, errors, reached, strict=True
        )
    )
    return {
        "error_bound": errors[-1],
        "found_error_bound": found_errors[-1],
        "rounding_bound": error_bounds.rounding_errors(
            sizes, found, found_errors
        )[-1],
        "non_negative_inputs": drawn[0].need.signs == 1,
        "parameters": sum(layer.size for layer in drawn),
        "parameters_kept": sum(edges.size for edges in kept),
        "target_parameters": sum(layer.layer.size for layer in drawn),
        "layers": layers,
    }


def _layer(drawn, kept, size, bound, error, reached):
    layer = drawn.layer
    outputs = layer.filters * (layer.bias is not None)
    return LayerCertificate(
        name=layer.name,
        weights=layer.size,
        units_sampled=drawn.total_units,
        units_kept=kept.unit.size,
        edges_sampled=drawn.size,
        edges_kept=kept.size,
        largest_weight=layer.largest,
        largest_weight_error=reached.largest,
        weight_error_bound=bound,
        missing=int(kept.missing.sum()),
        requirements=layer.kernel.size * drawn.need.signs + outputs,
        largest_input=size.largest_input,
        output_error_bound=error,
        details=drawn.construction.details(drawn.need),
    )
