"""The search: one layer of the random network, block by block.

Only one block is in memory at a time; what is not kept is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tflottery.supermasks.construction import Selection
from tflottery.supermasks.kept_edges import KeptEdges
from tflottery.supermasks.random_network import RandomLayer

# Bytes for a kept edge and a kept unit, and again while blocks are joined.
_EDGE_BYTES, _UNIT_BYTES = 2 * 12, 2 * 16


def search_layers(
    drawn: Sequence[RandomLayer],
    may_hold: Callable[[int], None],
    on_block: Callable[[], None],
) -> list[KeptEdges]:
    """Searches all layers of G.

    Args:
        drawn: The layers.
        may_hold: As for `search_layer`, with the bytes of all layers so far.
        on_block: Called after every block.

    Returns:
        What is kept of each.
    """
    kept, before = [], 0
    for layer in drawn:
        last = 0

        def may_hold_more(size, before=before):
            nonlocal last
            last = size
            may_hold(before + size)

        kept.append(
            search_layer(layer, may_hold=may_hold_more, on_block=on_block)
        )
        before += last
    return kept


def counter(
    drawn: Sequence[RandomLayer],
    times: int,
    progress: Callable[[int, int], None] | None,
) -> Callable[[], None]:
    """Returns a function that tells `progress` of each block.

    Args:
        drawn: The layers.
        times: How often they are searched.
        progress: Called with (blocks done, blocks in all); None to be silent.
    """
    total = times * sum(layer.need.blocks for layer in drawn)
    done = 0

    def count():
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return count


def search_layer(
    drawn: RandomLayer,
    *,
    may_hold: Callable[[int], None],
    on_block: Callable[[], None],
) -> KeptEdges:
    """Draws a layer of G and keeps what makes up the target's weights.

    Args:
        drawn: The layer.
        may_hold: Called with the bytes that the kept edges take so far; it
            raises where that is too much.
        on_block: Called after every block.

    Returns:
        The kept units and edges, units without an edge left out.
    """
    missing = np.zeros((drawn.need.blocks, drawn.need.outputs), np.int32)
    parts, held = [], 0
    for j in range(drawn.need.blocks):
        part = _search_block(drawn, j, missing[j])
        held += _UNIT_BYTES * part[0].size + _EDGE_BYTES * part[3].size
        may_hold(held)
        parts.append(part)
        on_block()
    offsets = np.cumsum([0] + [part[0].size for part in parts[:-1]])
    columns = list(zip(*parts, strict=True))
    columns[3] = [
        edges + offset
        for edges, offset in zip(columns[3], offsets, strict=True)
    ]
    unit, block, weight_in, edge_unit, edge_output, weight_out = (
        np.concatenate(column) for column in columns
    )
    return KeptEdges(
        layer=drawn.layer,
        unit=unit,
        block=block,
        weight_in=weight_in,
        edge_unit=edge_unit.astype(np.int32),
        edge_output=edge_output,
        weight_out=weight_out,
        missing=missing,
    )


def _search_block(drawn, j, missing):
    """Returns the block's columns of `KeptEdges`; writes what is missing."""
    layer = drawn.layer
    is_bias = j == layer.inputs
    a, b = drawn.block(j)
    columns = layer.columns_of(j)
    weights = layer.weights_of(j)
    units, outputs = [], []
    for sign in (1, -1)[: 1 if is_bias else drawn.need.signs]:
        rows = np.flatnonzero(a * sign > 0)
        chosen: Selection = drawn.construction.select(
            a[rows] * np.float32(sign),
            b[rows, columns] * np.float32(sign),
            weights,
            drawn.need,
        )
        units.append(rows[chosen.units])
        outputs.append(chosen.outputs)
        missing[columns] += chosen.missing.astype(np.int32)
    unit = np.concatenate(units)
    output = np.concatenate(outputs) + (columns.start or 0)
    order = np.lexsort((output, unit))
    unit, output = unit[order], output[order]
    used, edge_unit = np.unique(unit, return_inverse=True)
    return (
        used.astype(np.int64) + j * drawn.units,
        np.full(used.size, j, np.int32),
        a[used],
        edge_unit.reshape(-1).astype(np.int64),
        output.astype(np.int32),
        b[unit, output],
    )
