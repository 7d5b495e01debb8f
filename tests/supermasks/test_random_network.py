"""The random network, drawn block by block or whole."""

import dataclasses

import numpy as np
import pytest

from tflottery.supermasks.construction import Need
from tflottery.supermasks.logarithmic import Logarithmic
from tflottery.supermasks.random_network import RandomLayer
from tflottery.supermasks.weighted_layer import Strides, WeightedLayer


def _layer(conv=False, seed=0):
    shape = (2, 1, 3, 4) if conv else (3, 4)
    strides = Strides((1, 1), "valid", (0, 0)) if conv else None
    layer = WeightedLayer(
        "fc", np.ones(shape), np.ones(4), "relu", strides, (3,)
    )
    need = Need(layer.outputs, layer.blocks, 1, 1.0, 0.1, 0.05)
    return RandomLayer(0, layer, need, Logarithmic(), seed, units=50)


def test_a_block_is_the_same_whenever_it_is_drawn():
    drawn = _layer()
    before = drawn.block(2)
    drawn.block(0)
    for one, other in zip(before, drawn.block(2), strict=True):
        np.testing.assert_array_equal(one, other)


def test_blocks_layers_seeds_and_roles_have_chance_of_their_own():
    drawn = _layer()
    a, b = drawn.block(0)
    others = [
        drawn.block(1)[0],
        dataclasses.replace(drawn, index=1).block(0)[0],
        dataclasses.replace(drawn, seed=1).block(0)[0],
        b[:, 0],
    ]
    for other in others:
        assert not (a == other).any()


@pytest.mark.parametrize("conv", [False, True])
def test_the_whole_network_holds_the_blocks_where_they_belong(conv):
    drawn = _layer(conv)
    taps = 2 if conv else 1
    expansion = np.zeros((3, 200), np.float32)
    bias = np.zeros(200, np.float32)
    contraction = np.zeros((taps, 200, 4), np.float32)
    drawn.fill(expansion, bias, contraction)
    for values in (expansion, bias, contraction):
        # No weight is left out, none comes twice.
        assert np.unique(values).size == values.size
    assert expansion.size + bias.size + contraction.size == drawn.size
    for j in range(4):
        a, b = drawn.block(j)
        own = slice(50 * j, 50 * j + 50)
        into = bias[own] if j == 3 else expansion[j, own]
        np.testing.assert_array_equal(into, a)
        for tap in range(taps):
            np.testing.assert_array_equal(
                contraction[tap, own], b[:, 4 * tap : 4 * tap + 4]
            )
