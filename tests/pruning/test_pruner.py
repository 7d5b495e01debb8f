"""The pruner: its promises, against a slow oracle and against torch."""

import json
import tracemalloc

import numpy as np
import pytest

from tflottery.core.mask import Mask
from tflottery.pruning import criteria
from tflottery.pruning.criteria import Criterion, Evidence
from tflottery.pruning.pruner import Pruner
from tflottery.pruning.structures import Block, Channel, NOfM, Unstructured

SCOPES = ("global", "layerwise", "erk")
STRUCTURES = (
    None,
    Block(2, 3),
    Block(1, 2, pooling="max"),
    NOfM(1, 2),
    NOfM(2, 5, axis=-1),
    Channel(),
)


def random_case(seed):
    """Draws weights with ties, a mask and densities."""
    random = np.random.default_rng(seed)
    weights, kept = {}, {}
    levels = int(random.choice([1, 3, 50, 10**6]))
    for i in random.permutation(int(random.integers(1, 6))):
        shape = tuple(
            int(n) for n in random.integers(1, 7, random.integers(2, 4))
        )
        values = random.integers(-levels, levels + 1, shape)
        weights[f"layer{i}/kernel"] = values.astype(np.float32)
        kept[f"layer{i}/kernel"] = random.random(shape) < random.choice(
            [0.0, 0.5, 1.0, 1.0]
        )
    if random.random() < 0.5:
        densities = float(random.random())
    else:
        choices = [0.0, 0.1, 0.5, 0.9, 1.0]
        densities = {p: float(random.choice(choices)) for p in weights}
    return weights, Mask(kept), densities


def oracle(scope, mask, weights, densities, keep_at_least=1):
    """Prunes single weights by a sort of all of them, one at a time."""
    if not isinstance(densities, dict):
        densities = dict.fromkeys(weights, densities)
    entries = sorted(
        (-abs(float(weights[path].flat[i])), path, i)
        for path in weights
        for i in np.flatnonzero(mask[path])
    )
    result = {path: np.zeros(mask[path].size, bool) for path in weights}
    safe = dict.fromkeys(weights, keep_at_least)
    others = []
    for _, path, i in entries:
        if densities[path] == 1.0 or safe[path] > 0:
            result[path][i] = True
            safe[path] -= 1
        else:
            others.append((path, i))
    pooled = [path for path in weights if densities[path] < 1.0]
    if scope == "layerwise":
        pools = [[path] for path in pooled]
    else:
        pools = [pooled]
    for pool in pools:
        size = {path: mask[path].size for path in pool}
        parts = {d: 0 for d in (densities[p] for p in pool)}
        for path in pool:
            parts[densities[path]] += size[path]
        left = round(sum(d * n for d, n in parts.items()))
        left -= sum(int(result[path].sum()) for path in pool)
        for path, i in others:
            if path in pool and left > 0:
                result[path][i] = True
                left -= 1
    return Mask({p: k.reshape(mask[p].shape) for p, k in result.items()})


@pytest.mark.parametrize("scope", ["global", "layerwise"])
@pytest.mark.parametrize("keep_at_least", [0, 1, 3])
def test_masks_equal_those_of_a_sort(scope, keep_at_least):
    pruner = Pruner(scope=scope, keep_at_least=keep_at_least)
    for seed in range(150):
        weights, mask, densities = random_case(seed)
        found = pruner.prune(mask, Evidence(weights), densities)
        expected = oracle(scope, mask, weights, densities, keep_at_least)
        assert found == expected, seed


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_the_promises_hold_for_every_structure(scope, structure):
    for seed in range(40):
        check_promises(scope, structure, seed)


def check_promises(scope, structure, seed):
    weights, mask, densities = random_case(seed)
    pruner = Pruner(structure=structure, scope=scope)
    found = pruner.prune(mask, Evidence(weights), densities)
    assert list(found) == list(mask)
    assert found <= mask
    for path in mask:
        assert found[path].any() == mask[path].any()
    # In another order of the tensors: the same.
    paths = sorted(weights, reverse=True)
    mixed = Evidence({path: weights[path] for path in paths})
    if isinstance(densities, dict):
        densities = {path: densities[path] for path in paths}
    again = pruner.prune(
        Mask({path: mask[path] for path in paths}), mixed, densities
    )
    assert again == found
    # What the pruned entries hold does not matter, NaN included.
    noise = {p: np.where(mask[p], w, np.nan) for p, w in weights.items()}
    assert pruner.prune(mask, Evidence(noise), densities) == found
    # Asked once more it has nothing to do.
    assert pruner.prune(found, Evidence(weights), densities) == found


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_density_one_is_the_identity(scope, structure):
    for seed in range(20):
        weights, mask, _ = random_case(seed)
        pruner = Pruner(structure=structure, scope=scope)
        assert pruner.prune(mask, Evidence(weights), 1.0) == mask


@pytest.mark.parametrize("scope", SCOPES)
def test_rounds_are_exact_and_monotone_to_the_last_weight(scope):
    random = np.random.default_rng(0)
    shapes = {"a": (20, 30), "b": (3, 3, 4, 8), "c": (30, 10)}
    mask = Mask.ones_like(shapes)
    pruner = Pruner(scope=scope)
    for level in range(1, 45):
        weights = {p: random.standard_normal(s) for p, s in shapes.items()}
        smaller = pruner.prune(mask, Evidence(weights), 0.8**level)
        assert smaller <= mask
        if scope == "layerwise":
            for path, array in mask.items():
                wanted = max(1, round(0.8**level * array.size))
                assert np.count_nonzero(smaller[path]) == wanted
        else:
            assert smaller.kept == max(3, round(0.8**level * mask.size))
        mask = smaller
    assert mask.kept == 3
    assert all(array.any() for array in mask.values())


def test_ties_keep_the_lower_index_and_the_earlier_path():
    weights = {"b": np.ones((2, 2)), "a": -np.ones((2, 2))}
    mask = Mask.ones_like(weights)
    found = Pruner().prune(mask, Evidence(weights), 0.75)
    # Six of eight: all of "a", since it sorts first, and the first two of "b".
    assert found["a"].tolist() == [[True, True], [True, True]]
    assert found["b"].tolist() == [[True, True], [False, False]]
    found = Pruner(scope="layerwise").prune(mask, Evidence(weights), 0.5)
    assert found["a"].tolist() == [[True, True], [False, False]]


def test_flat_indices_are_those_of_c_order_whatever_the_memory():
    weights = {"a": np.asfortranarray(np.ones((3, 2), np.float32))}
    mask = Mask.ones_like(weights)
    found = Pruner().prune(mask, Evidence(weights), 0.5)
    assert found["a"].tolist() == [[True, True], [True, False], [False, False]]


@pytest.mark.parametrize("shape", [(2, 3), ()])
def test_masks_hold_arrays_in_c_order_whatever_a_structure_returns(shape):
    """Also of a tensor without axes, of which NumPy makes scalars."""

    class Transposed(Unstructured):
        def check_shape(self, path, shape):
            """Takes any."""

        def expand(self, kept, shape):
            return np.asfortranarray(kept.reshape(shape))

    weights = {"a": np.arange(np.prod(shape), dtype=np.float32).reshape(shape)}
    mask = Mask.ones_like(weights)
    found = Pruner(structure=Transposed()).prune(mask, Evidence(weights), 0.5)
    assert isinstance(found["a"], np.ndarray)
    assert found["a"].flags.c_contiguous and not found["a"].flags.writeable
    # The three largest of six; every tensor keeps one, so the only one of one.
    best = weights["a"] >= 3 if shape else np.True_
    np.testing.assert_array_equal(found["a"], best)


def test_the_smallest_magnitudes_go():
    # TF-MOT's example: 1 to 10 at a sparsity of 0.2 loses 1 and 2.
    weights = {"a": np.array([-1, 2, 3, -4, 5, 6, 7, 8, -9, 10], np.float32)}
    found = Pruner().prune(Mask.ones_like(weights), Evidence(weights), 0.8)
    assert np.flatnonzero(~found["a"]).tolist() == [0, 1]


def test_global_keeps_one_of_each_while_the_total_stays_exact():
    weights = {
        "tiny": np.full((4, 5), 1e-6),
        "large": np.arange(1.0, 101.0).reshape(10, 10),
    }
    mask = Mask.ones_like(weights)
    found = Pruner().prune(mask, Evidence(weights), 0.1)
    assert np.flatnonzero(found["tiny"]).tolist() == [0]
    assert np.flatnonzero(found["large"]).tolist() == list(range(89, 100))
    cut = Pruner(keep_at_least=0).prune(mask, Evidence(weights), 0.1)
    assert not cut["tiny"].any()
    assert cut.kept == found.kept == 12


def test_a_tensor_of_density_one_is_left_out_of_the_ranking():
    weights = {"head": np.full((2, 5), 0.01), "body": np.ones((10, 10))}
    mask = Mask.ones_like(weights)
    for scope in SCOPES:
        found = Pruner(scope=scope).prune(
            mask, Evidence(weights), {"head": 1.0, "body": 0.3}
        )
        assert found["head"].all()
        assert np.count_nonzero(found["body"]) == 30


def test_a_density_above_the_present_one_changes_nothing():
    weights = {"a": np.arange(10.0).reshape(2, 5)}
    mask = Mask({"a": np.arange(10).reshape(2, 5) >= 7})
    for scope in SCOPES:
        pruner = Pruner(scope=scope)
        assert pruner.prune(mask, Evidence(weights), 0.5) == mask


@pytest.mark.parametrize("scope", SCOPES)
def test_two_of_four_is_reached_and_never_passed(scope):
    random = np.random.default_rng(0)
    weights = {p: random.standard_normal((16, 6)) for p in "ab"}
    pruner = Pruner(structure=NOfM(2, 4), scope=scope)
    mask = Mask.ones_like(weights)
    for density, kept in ((0.75, 144), (0.5, 96), (0.2, 96)):
        mask = pruner.prune(mask, Evidence(weights), density)
        assert mask.kept == kept
    for array in mask.values():
        assert (array.reshape(4, 4, 6).sum(axis=1) == 2).all()


@pytest.mark.parametrize(
    ("keep", "kept"), [(1, [3]), (3, [1, 2, 3])], ids=["1 of 4", "3 of 4"]
)
def test_n_of_m_counts_what_is_kept(keep, kept):
    weights = {"a": np.array([[1.0, 2.0, 3.0, 4.0]])}
    pruner = Pruner(structure=NOfM(keep, 4, axis=-1))
    found = pruner.prune(Mask.ones_like(weights), Evidence(weights), 0.01)
    assert np.flatnonzero(found["a"]).tolist() == kept


def test_blocks_and_channels_are_counted_in_units():
    random = np.random.default_rng(1)
    weights = {"a": random.standard_normal((5, 7))}
    mask = Mask.ones_like(weights)
    # Blocks of 2 x 3 over 5 x 7: 3 x 3 of them; half of 9 rounds to 4.
    found = Pruner(structure=Block(2, 3)).prune(mask, Evidence(weights), 0.5)
    corners = found["a"][::2, ::3]
    assert corners.sum() == 4
    whole = corners.repeat(2, axis=0).repeat(3, axis=1)[:5, :7]
    np.testing.assert_array_equal(found["a"], whole)
    found = Pruner(structure=Channel()).prune(mask, Evidence(weights), 0.4)
    columns = found["a"].all(axis=0)
    assert columns.sum() == 3
    norms = np.abs(weights["a"]).mean(axis=0)
    assert norms[columns].min() > norms[~columns].max()
    np.testing.assert_array_equal(found["a"].any(axis=0), columns)


def test_scores_of_different_types_are_ranked_together_exactly():
    # 0.1 in float32 is 0.10000000149: above 0.1 in float64, not equal to it.
    weights = {"a": np.full((1, 2), 0.1), "b": np.full((1, 2), 0.1, np.float32)}
    mask = Mask.ones_like(weights)
    pruner = Pruner(keep_at_least=0)
    found = pruner.prune(mask, Evidence(weights), 0.5)
    assert found["b"].all()
    assert not found["a"].any()


def test_no_score_is_rounded_to_the_type_of_another_tensor():
    # 0.100000002 is above 0.1 in float32, but would be rounded to it.
    weights = {
        "a": np.full((1, 2), 0.1, np.float32),
        "b": np.full((1, 2), 0.100000002),
    }
    mask = Mask.ones_like(weights)
    found = Pruner(keep_at_least=0).prune(mask, Evidence(weights), 0.5)
    assert found["b"].all()
    assert not found["a"].any()


def test_keep_at_least_counts_what_the_structure_protects():
    weights = {
        "tiny": np.array([[1e-6, 2e-6, 3e-6, 4e-6]]),
        "large": np.array([[1.0, 2.0, 3.0, 4.0]]),
    }
    pruner = Pruner(structure=NOfM(1, 4, axis=-1), keep_at_least=3)
    mask = Mask.ones_like(weights)
    found = pruner.prune(mask, Evidence(weights), 0.5)
    # One of four is protected and two more stay, in both: six, not four.
    for array in found.values():
        assert array.tolist() == [[False, True, True, True]]


def test_pruning_takes_little_memory():
    weights = {f"t{i}": np.ones((500, 1000), np.float32) for i in range(4)}
    for array in weights.values():
        array[...] = np.random.default_rng(0).random(array.shape)
    mask = Mask.ones_like(weights)
    evidence = Evidence(weights)
    pruner = Pruner()
    tracemalloc.start()
    pruner.prune(mask, evidence, 0.2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 8 MB of scores and two masks of 2 MB, with room for small pieces. A sort
    # of two million entries would take 16 MB for the indices alone.
    assert peak < 16e6


def torch_masks(prune, torch, weights, amount, scope):
    """Returns the masks that torch finds for copies of the weights."""
    modules = {}
    for path, array in weights.items():
        modules[path] = torch.nn.Module()
        modules[path].weight = torch.nn.Parameter(torch.tensor(array))
    if scope == "global":
        prune.global_unstructured(
            [(module, "weight") for module in modules.values()],
            pruning_method=prune.L1Unstructured,
            amount=amount,
        )
    else:
        for module in modules.values():
            prune.l1_unstructured(module, "weight", amount=amount)
    return {p: m.weight_mask.numpy() for p, m in modules.items()}


@pytest.mark.parametrize("scope", ["global", "layerwise"])
@pytest.mark.parametrize("amount", [0.2, 0.5, 0.98])
def test_torch_keeps_the_same_weights(scope, amount):
    torch = pytest.importorskip("torch")
    prune = pytest.importorskip("torch.nn.utils.prune")
    random = np.random.default_rng(0)
    shapes = {"a": (30, 40), "b": (3, 3, 8, 16), "c": (40, 10)}
    # Distinct magnitudes, so that no tie rule matters.
    total = sum(int(np.prod(shape)) for shape in shapes.values())
    values = random.permutation(np.arange(1, total + 1))
    values = (values * random.choice([-1, 1], total)).astype(np.float32)
    weights = {}
    for path, shape in shapes.items():
        size = int(np.prod(shape))
        weights[path], values = values[:size].reshape(shape), values[size:]
    ours = Pruner(scope=scope).prune(
        Mask.ones_like(weights), Evidence(weights), 1 - amount
    )
    assert ours == Mask(torch_masks(prune, torch, weights, amount, scope))


def test_a_nan_is_an_error_that_names_the_tensor():
    weights = {"a": np.ones((2, 2)), "b": np.array([[1.0, np.nan]])}
    mask = Mask.ones_like(weights)
    for scope in SCOPES:
        for structure in STRUCTURES:
            pruner = Pruner(structure=structure, scope=scope)
            with pytest.raises(ValueError, match="`b` has .*1 NaN.*diverged"):
                pruner.prune(mask, Evidence(weights), 0.5)


def test_infinite_weights_are_ranked():
    weights = {"a": np.array([[1.0, -np.inf, np.inf, 2.0]])}
    found = Pruner().prune(Mask.ones_like(weights), Evidence(weights), 0.5)
    assert np.flatnonzero(found["a"]).tolist() == [1, 2]


def test_random_tickets_are_nested_and_fair():
    weights = {f"t{i}": np.zeros((50, 40)) for i in range(5)}
    pruner = Pruner(criteria.RandomCriterion(seed=5))
    mask = Mask.ones_like(weights)
    large = pruner.prune(mask, Evidence(weights), 0.5)
    small = pruner.prune(mask, Evidence(weights), 0.1)
    assert small <= large
    assert (large.kept, small.kept) == (5000, 1000)
    # 2,000 entries at 0.5: within 4 deviations (22 each) of a half.
    assert all(abs(d - 0.5) < 0.045 for d in large.densities().values())


def test_a_criterion_that_hands_its_evidence_on_does_not_lose_it():
    class Plain(Criterion):
        name = "plain_for_this_test"

        def scores(self, evidence):
            return evidence.weights

    weights = {"a": np.array([[3.0, -4.0]])}
    found = Pruner(Plain()).prune(
        Mask.ones_like(weights), Evidence(weights), 0.5
    )
    assert found["a"].tolist() == [[True, False]]
    assert weights["a"].tolist() == [[3.0, -4.0]]


def test_masks_without_tensors_or_entries_stay():
    for weights in ({}, {"a": np.zeros((0, 3))}):
        mask = Mask.ones_like(weights)
        for scope in SCOPES:
            assert (
                Pruner(scope=scope).prune(mask, Evidence(weights), 0.5) == mask
            )


def test_a_plain_dict_will_do_for_a_mask():
    weights = {"a": np.array([[3.0, -4.0]])}
    found = Pruner().prune({"a": np.array([[1, 1]])}, Evidence(weights), 0.5)
    assert found == Mask({"a": [[0, 1]]})


@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_a_pruner_survives_the_round_trip(structure):
    pruner = Pruner("movement", structure, "erk", 2)
    stored = json.loads(json.dumps(pruner.get_config()))
    again = Pruner.from_config(stored)
    assert again.get_config() == pruner.get_config()
    assert repr(again) == repr(pruner)
    assert again.structure == pruner.structure


@pytest.mark.parametrize(
    ("densities", "error", "text"),
    [
        (1.2, ValueError, r"`densities` must be in \[0, 1\].*=1.2.*a fifth"),
        (-0.1, ValueError, "`densities` must be in .*=-0.1"),
        (float("nan"), ValueError, "`densities` must be in .*=nan"),
        ("half", TypeError, "`densities` must be a number"),
        ({"a": 2.0}, ValueError, r"`densities\['a'\]` must be in .*=2.0"),
        ({}, ValueError, r"without \['a'\]"),
        ({"a": 0.5, "x": 0.5}, ValueError, r"unknown \['x'\]"),
    ],
)
def test_wrong_densities_are_refused(densities, error, text):
    weights = {"a": np.ones((2, 2))}
    with pytest.raises(error, match=text):
        Pruner().prune(Mask.ones_like(weights), Evidence(weights), densities)


def test_evidence_of_another_model_is_refused():
    mask = Mask.ones_like({"a": (2, 2)})
    with pytest.raises(ValueError, match=r"mask of `a` .*\(2, 2\).*\(2, 3\)"):
        Pruner().prune(mask, Evidence({"a": np.ones((2, 3))}), 0.5)
    with pytest.raises(ValueError, match="evidence lacks `a`"):
        Pruner().prune(mask, Evidence({"b": np.ones((2, 2))}), 0.5)
    with pytest.raises(TypeError, match="`evidence` must be of type Evidence"):
        Pruner().prune(mask, {"a": np.ones((2, 2))}, 0.5)


def test_a_tensor_that_the_structure_cannot_divide_is_named():
    weights = {"fc/bias": np.ones(4)}
    with pytest.raises(ValueError, match="`fc/bias` must have at least 2 axes"):
        Pruner(structure=Block(1, 2)).prune(
            Mask.ones_like(weights), Evidence(weights), 0.5
        )


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"criterion": "magnitud"}, ValueError, "Did you mean 'magnitude'"),
        ({"structure": "blok"}, ValueError, "Did you mean 'block'"),
        ({"scope": "globl"}, ValueError, "Did you mean 'global'"),
        (
            {"keep_at_least": -1},
            ValueError,
            "`keep_at_least` must be a non-neg",
        ),
        (
            {"keep_at_least": 1.0},
            TypeError,
            "`keep_at_least` must be a non-neg",
        ),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        Pruner(**arguments)
