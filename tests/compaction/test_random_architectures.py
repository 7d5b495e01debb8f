"""`compact` on random architectures with random dead units.

What has to go is told by rules of the tests' own, which look at pairs or
chains of layers: no rule of the library is checked by itself.
"""

import networks
import numpy as np
import pytest
import random_chains
import random_networks
import random_weights

from tflottery.compaction.compact import compact
from tflottery.compaction.report import CompactionReport


def check(k, seed, short=False):
    """Holds one architecture to all it promises.

    Returns:
        (parameters, parameters left, units that are proven to be gone).
    """
    architect = random_networks.Architect(k, seed, short)
    model = random_weights.fill(architect.model(), seed, short)
    batches = [random_networks.batch(model, n, seed + n) for n in (2, 3)]
    expected = [networks.outputs(model, x) for x in batches]
    weights = [np.array(w.numpy()) for w in model.weights]
    config = model.to_json()

    small = compact(model)
    for x, want in zip(batches, expected, strict=True):
        check_close(want, networks.outputs(small, x))

    for one, other in zip(weights, model.weights, strict=True):
        np.testing.assert_array_equal(one, other.numpy())
    for one, other in zip(
        expected[0], networks.outputs(model, batches[0]), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert model.to_json() == config

    again = compact(small)
    assert shapes(again) == shapes(small)
    check_close(expected[0], networks.outputs(again, batches[0]))

    before, after = model.count_params(), small.count_params()
    assert after <= before
    if seed % 8 == 7:
        check_report(model, small)
    return before, after, check_links(model, small, architect.links)


def check_close(want, got):
    """Outputs are equal within 1e-5 of the largest."""
    assert len(want) == len(got)
    for one, other in zip(want, got, strict=True):
        assert one.shape == other.shape
        assert np.isfinite(one).all()
        error = np.abs(one - other).max()
        assert error <= 1e-5 * np.abs(one).max()


def check_report(model, small):
    """A report changes no result, and its numbers are those of the models."""
    first, second = CompactionReport(), CompactionReport()
    assert shapes(compact(model, report=first)) == shapes(small)
    compact(small, report=second)
    assert second.num_removed == 0
    assert (first.parameters_before, first.parameters_after) == (
        parameters(model),
        parameters(small),
    )
    assert second.parameters_after == first.parameters_after
    assert first.flops_after <= first.flops_before
    assert second.flops_after == second.flops_before == first.flops_after


def check_links(model, small, links):
    """Counts the units that are proven dead; all but the last have to go."""
    count = 0
    for link in links:
        dead = random_weights.removable(model, link)
        left = units(small.get_layer(link.before))
        assert left <= max(1, np.sum(~dead)), link
        count += min(np.sum(dead), len(dead) - 1)
    return count


def parameters(model):
    """Numbers held by a model, the states of random generators left out."""
    names = [random_weights.leaf(weight) for weight in model.weights]
    return sum(
        int(np.prod(weight.shape))
        for name, weight in zip(names, model.weights, strict=True)
        if "seed" not in name
    )


def shapes(model):
    return [tuple(weight.shape) for weight in model.weights]


def units(layer):
    return getattr(layer, "units", None) or layer.filters


def check_all(k, seeds, short=False):
    """Checks architectures; at least some of the rest was removable."""
    found = []
    for seed in seeds:
        try:
            found.append(check(k, seed, short))
        except Exception as error:
            pytest.fail(f"architecture {seed} of {k.__name__}: {error!r}")
    before, after, gone = np.transpose(found)
    # A copy of each model would be equal too. About half of the layers have
    # something dead in them.
    assert gone.sum() >= len(found) / 10
    assert np.mean(after / before) <= 0.9


@pytest.mark.slow
def test_a_few_architectures_compute_the_same(any_keras):
    check_all(any_keras, range(8, 13))


def test_a_few_short_ones_compute_the_same(any_keras):
    check_all(any_keras, range(10), short=True)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(13, 133, 20))
def test_many_architectures_compute_the_same(any_keras, first):
    check_all(any_keras, range(first, first + 20))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10, 210, 50))
def test_many_short_ones_compute_the_same(any_keras, first):
    check_all(any_keras, range(first, first + 50), short=True)


@pytest.mark.parametrize("seed", range(6))
def test_chains_lose_exactly_what_a_hand_rule_finds(any_keras, seed):
    chain = random_chains.Chain(any_keras, seed)
    small = compact(chain.model)
    left = {name: units(small.get_layer(name)) for name in chain.expected()}
    assert left == chain.expected()
    x = random_networks.batch(chain.model, 3, seed)
    check_close(networks.outputs(chain.model, x), networks.outputs(small, x))
