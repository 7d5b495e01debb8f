"""edge-popup: only scores learn, by the gradient that the paper gives them."""

import keras
import numpy as np
import pytest
import scored_networks
import tensorflow as tf
import torch

import tflottery
from tflottery.core.mask import Mask
from tflottery.layers import evidence
from tflottery.pruning.criteria import get as criterion
from tflottery.pruning.criterion import Evidence
from tflottery.pruning.pruner import Pruner
from tflottery.supermasks.edge_popup import edge_popup


def _scores(model):
    return {
        path: wrapper.scores[relative].numpy()
        for path, wrapper, relative in evidence.masked_weights(model)
    }


def _chosen_by(scores, density, scope="layerwise"):
    """What the library's own pruner makes of |score|: the oracle."""
    return Pruner(criterion=criterion("magnitude"), scope=scope).prune(
        Mask.ones_like(scores), Evidence(weights=scores), density
    )


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_training_moves_scores_and_no_bit_of_a_weight(any_keras, scope):
    model = scored_networks.dense(any_keras, use_bias=True)
    model = edge_popup(model, 0.3, scope=scope)
    before = scored_networks.everything(model)
    scores, mask = _scores(model), tflottery.masks(model)
    scored_networks.compiled(any_keras, model)
    x, y = scored_networks.batch()
    losses = model.fit(x, y, batch_size=16, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    after = scored_networks.everything(model)
    assert before.keys() == after.keys() and len(before) == 4
    for path, value in before.items():
        np.testing.assert_array_equal(value, after[path], err_msg=path)
    moved = _scores(model)
    assert all((moved[path] != scores[path]).any() for path in scores)
    found = tflottery.masks(model)
    assert any((found[path] != mask[path]).any() for path in found)
    expected = _chosen_by(moved, 0.3, scope)
    assert evidence.current_mask(model) == expected
    assert expected.kept in (43, 29 + 14)  # 0.3 * 144; 0.3 * 96 and 0.3 * 48
    assert tflottery.sparsity(model) == 1 - expected.density


@pytest.mark.parametrize("rank_by", ["magnitude", "score"])
def test_the_gradient_of_a_score_is_that_of_its_weight_times_the_weight(
    any_keras, rank_by
):
    model = edge_popup(
        scored_networks.dense(any_keras), 0.4, rank_by=rank_by, seed=3
    )
    x, y = scored_networks.batch()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x))
        )
    variables = model.trainable_variables
    if any_keras is keras:
        variables = [variable.value for variable in variables]
    found = tape.gradient(loss, variables)
    # The same network in torch, straight-through estimator and all.
    hidden, scores = torch.tensor(x), []
    for layer in evidence.wrappers(model):
        weight = torch.tensor(layer.layer.kernel.numpy())
        score = torch.tensor(layer.scores["kernel"].numpy(), requires_grad=True)
        scores.append(score)
        ranked = score.abs() if rank_by == "magnitude" else score
        mask = torch.zeros(score.numel())
        count = round(0.4 * score.numel())
        mask[torch.topk(ranked.flatten(), count).indices] = 1
        mask = mask.reshape(score.shape) + ranked - ranked.detach()
        hidden = hidden @ (weight * mask)
        if layer is not evidence.wrappers(model)[-1]:
            hidden = torch.relu(hidden)
    expected = torch.nn.functional.cross_entropy(hidden, torch.tensor(y).long())
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-5)
    assert len(found) == len(scores) == 2
    for gradient, score in zip(found, scores, strict=True):
        np.testing.assert_allclose(
            gradient.numpy(), score.grad.numpy(), rtol=1e-4, atol=1e-7
        )
        assert (gradient.numpy() != 0).mean() > 0.5  # not of the mask alone


def test_both_families_find_the_same_mask():
    import tf_keras

    masks = []
    for family in (keras, tf_keras):
        model = edge_popup(scored_networks.dense(family), 0.3, seed=5)
        scored_networks.compiled(family, model, jit_compile=False)
        x, y = scored_networks.batch()
        model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
        masks.append(evidence.current_mask(model))
    assert masks[0] == masks[1]


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_a_saved_supermask_computes_and_trains_on_the_same(
    any_keras, tmp_path, scope
):
    x, y = scored_networks.batch()
    model = edge_popup(scored_networks.dense(any_keras), 0.3, scope=scope)
    scored_networks.compiled(any_keras, model, jit_compile=False)
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    model.save_weights(str(tmp_path / "values.weights.h5"))
    loaded = any_keras.models.load_model(tmp_path / "model.keras")
    fresh = edge_popup(
        scored_networks.dense(any_keras), 0.3, scope=scope, seed=9
    )
    fresh.load_weights(str(tmp_path / "values.weights.h5"))
    for other in (loaded, fresh):
        np.testing.assert_array_equal(
            np.asarray(model(x)), np.asarray(other(x))
        )
        assert evidence.current_mask(other) == evidence.current_mask(model)
        assert len(other.trainable_variables) == 2
    for one in (model, loaded):
        one.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    for path, scores in _scores(model).items():
        np.testing.assert_array_equal(scores, _scores(loaded)[path])


def test_a_clone_ranks_its_own_scores(any_keras):
    model = edge_popup(scored_networks.dense(any_keras), 0.3, scope="global")
    twin = any_keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    before = evidence.current_mask(twin)
    first = evidence.wrappers(model)[0].scores["kernel"]
    first.assign(100.0 + first.numpy() ** 2)
    # All of the larger layer, at the cost of all but one of the other.
    assert evidence.current_mask(model)["fc2/kernel"].sum() == 1
    assert evidence.current_mask(twin) == before


def test_one_layer_alone_does_not_know_how_to_rank(any_keras):
    model = edge_popup(scored_networks.dense(any_keras), 0.3, scope="global")
    layer = evidence.wrappers(model)[1]
    alone = type(layer).from_config(layer.get_config())
    with pytest.raises(RuntimeError, match="Clone|clone the whole network"):
        alone(np.zeros((1, scored_networks.SIZES[1]), np.float32))


def test_stripped_it_is_the_plain_network_with_zeros(any_keras):
    x, _ = scored_networks.batch()
    model = edge_popup(scored_networks.dense(any_keras), 0.25)
    outputs = np.asarray(model(x))
    weights = tflottery.masks(model)
    plain = tflottery.strip_pruning(model)
    assert [type(layer).__name__ for layer in plain.layers[1:]] == ["Dense"] * 2
    np.testing.assert_array_equal(np.asarray(plain(x)), outputs)
    assert tflottery.sparsity(plain) == 0.75
    assert [layer.trainable for layer in plain.layers[1:]] == [True, True]
    for layer, mask in zip(plain.layers[1:], weights.values(), strict=True):
        np.testing.assert_array_equal(layer.kernel.numpy() != 0, mask)
    np.testing.assert_array_equal(np.asarray(model(x)), outputs)


def test_switching_training_off_and_on_frees_no_weight(any_keras):
    model = edge_popup(scored_networks.dense(any_keras, use_bias=True))
    model.trainable = False
    assert model.trainable_variables == []
    model.trainable = True
    names = [variable.name for variable in model.trainable_variables]
    assert [name.split(":")[0] for name in names] == ["kernel_scores"] * 2
    assert len(model.non_trainable_variables) >= 4


@pytest.mark.parametrize("law", ["signed_constant", "kaiming_normal"])
def test_drawn_weights_have_the_scale_of_what_is_used(law):
    inputs = keras.Input((20, 20, 3))
    x = keras.layers.Conv2D(50, 5, name="conv")(inputs)
    x = keras.layers.DepthwiseConv2D(4, depth_multiplier=20, name="depth")(x)
    model = keras.Model(inputs, keras.layers.Dense(9, name="fc")(x))
    model = edge_popup(
        model, {"conv": 0.25, "default": 0.5}, initial_weights=law
    )
    weights = evidence.current_weights(model)
    fans = {"conv/kernel": 75 * 0.25, "depth/kernel": 8.0, "fc/kernel": 500.0}
    assert weights.keys() == fans.keys()
    for path, used in fans.items():
        deviation = np.sqrt(2 / used)
        assert weights[path].std() == pytest.approx(deviation, rel=0.04), path
        constants = np.unique(np.abs(weights[path]))
        assert (len(constants) == 1) == (law == "signed_constant")
    counts = {p: int(m.sum()) for p, m in evidence.current_mask(model).items()}
    assert counts["conv/kernel"] == round(0.25 * weights["conv/kernel"].size)
    unscaled = keras.Sequential([keras.Input((50,)), keras.layers.Dense(9)])
    unscaled = edge_popup(unscaled, 0.1, scale_weights=False)
    [values] = evidence.current_weights(unscaled).values()
    np.testing.assert_allclose(np.abs(values), 0.2, rtol=1e-6)


def test_weights_that_are_kept_keep_their_biases_too(any_keras):
    model = scored_networks.dense(any_keras, use_bias=True)
    model.set_weights([value + 0.5 for value in model.get_weights()])
    before = scored_networks.everything(model)
    kept = edge_popup(model, initial_weights="keep")
    for path, value in scored_networks.everything(kept).items():
        np.testing.assert_array_equal(value, before[path])
    model = scored_networks.dense(any_keras, use_bias=True)
    model.set_weights([value + 0.5 for value in model.get_weights()])
    drawn = scored_networks.everything(edge_popup(model))
    assert not drawn["fc1/bias"].any() and not drawn["fc2/bias"].any()


def test_normalisation_goes_on_without_its_scale_and_shift(any_keras, caplog):
    layers = any_keras.layers
    x = any_keras.Input((6,))
    y = layers.Dense(8, use_bias=False, name="fc")(x)
    y = layers.BatchNormalization(name="bn", momentum=0.5)(y)
    y = layers.Dense(3, name="head")(y)
    model = edge_popup(any_keras.Model(x, y), skip="head")
    assert "lose their trainable scale and shift" in caplog.text
    names = [v.name.split(":")[0] for v in model.trainable_variables]
    assert names == ["kernel_scores"]
    head = model.get_layer("head").get_weights()
    scored_networks.compiled(any_keras, model)
    x, y = scored_networks.batch()
    model.fit(x, y, epochs=2, verbose=0)
    mean, variance = model.get_layer("bn").get_weights()
    assert (mean != 0).all() and (variance != 1).all()  # it saw the batches
    for before, after in zip(
        head, model.get_layer("head").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(before, after)


def test_a_mask_cannot_be_set_but_as_it_is(any_keras):
    model = edge_popup(scored_networks.dense(any_keras))
    masks = tflottery.masks(model)
    before = scored_networks.everything(model)
    tflottery.set_mask(model, masks)
    path = next(iter(masks))
    with pytest.raises(ValueError, match="follows from its scores.*48 entries"):
        tflottery.set_mask(model, {**masks, path: np.ones_like(masks[path])})
    for name, value in scored_networks.everything(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_a_snapshot_brings_scores_and_momentum_back(any_keras):
    x, y = scored_networks.batch()
    model = edge_popup(scored_networks.dense(any_keras), 0.3)
    scored_networks.compiled(any_keras, model, jit_compile=False)
    model.fit(x, y, batch_size=16, verbose=0)
    snapshot = tflottery.Snapshot.take(model)
    mask = evidence.current_mask(model)
    ends = []
    for _ in range(2):
        model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
        ends.append(_scores(model))
        snapshot.restore(model)
        assert evidence.current_mask(model) == mask
    for path, scores in ends[0].items():
        np.testing.assert_array_equal(scores, ends[1][path])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"density": 0.0}, "`density` must be more than 0"),
        ({"density": 1.5}, "`density` must be in"),
        ({"density": {"fc": 0.5}}, "Received: density='fc'.*fc1/kernel"),
        ({"scope": "local"}, "layerwise"),
        ({"initial_weights": "constant"}, "signed_constant"),
        ({"rank_by": "size"}, "magnitude"),
    ],
)
def test_bad_values_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        edge_popup(scored_networks.dense(keras), **arguments)


def test_models_that_cannot_be_wrapped_are_refused():
    with pytest.raises(ValueError, match="strip_pruning"):
        edge_popup(edge_popup(scored_networks.dense(keras)))
    with pytest.raises(ValueError, match="must be built"):
        edge_popup(keras.Sequential([keras.layers.Dense(3)]))
    with pytest.raises(ValueError, match="nothing to prune"):
        edge_popup(
            keras.Sequential([keras.Input((4,)), keras.layers.Flatten()])
        )
