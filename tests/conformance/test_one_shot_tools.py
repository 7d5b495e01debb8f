"""Tools: a mask at once, for benchmarks of models that nobody trained."""

import numpy as np
import pytest
import side_by_side as sides

import tflottery


def plain(family):
    layers = family.layers
    return family.Sequential(
        [
            family.Input((8, 8, 3)),
            layers.Conv2D(4, 3),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )


def nested(family):
    inner = family.Sequential(
        [family.Input((6,)), family.layers.Dense(8), family.layers.Dense(4)]
    )
    inputs = family.Input((6,))
    return family.Model(inputs, family.layers.Dense(5)(inner(inputs)))


@pytest.mark.parametrize("make, count", [(plain, 2), (nested, 3)])
def test_every_kernel_is_as_sparse_as_asked(any_keras, make, count):
    model = make(any_keras)
    pruned = tflottery.prune_once(model, 0.75, scope="layerwise")
    found = sides.masked_arrays(pruned)
    assert len(found) == count
    for array in found:
        assert np.count_nonzero(array) == round(array.size * 0.25)
    stripped = tflottery.strip_pruning(pruned)
    zeros = [np.mean(w == 0) for w in stripped.get_weights() if w.ndim > 1]
    assert zeros == pytest.approx([0.75] * count, abs=0.01)


@pytest.mark.parametrize("make", [plain, nested])
def test_a_whole_model_is_ranked_together(any_keras, make):
    pruned = tflottery.prune_once(make(any_keras), 0.5)
    assert sides.overall(pruned) == pytest.approx(0.5, abs=1e-3)
    with pytest.raises(ValueError, match="`sparsity`"):
        tflottery.prune_once(make(any_keras), 1.0)


def test_patterns_at_once(any_keras):
    pruned = tflottery.prune_once(
        nested(any_keras),
        0.5,
        scope="layerwise",
        structure=tflottery.NOfM(2, 4),
    )
    for path, mask in sides.mask_of(pruned).items():
        groups = mask[: mask.shape[0] // 4 * 4].reshape(-1, 4, mask.shape[1])
        assert groups.size and (groups.sum(axis=1) == 2).all(), path
