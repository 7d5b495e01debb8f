"""What a supermask starts from, and what of the model it leaves alone."""

import math

import keras
import numpy as np
import pytest
import scored_networks
import tensorflow as tf
from scipy import stats

import tflottery
from tflottery.layers import evidence
from tflottery.supermasks.bernoulli import bernoulli_supermask
from tflottery.supermasks.edge_popup import edge_popup
from tflottery.supermasks.untrained import untrained_mask, untrained_ticket


def _scores(model):
    return {
        path: wrapper.scores[relative].numpy()
        for path, wrapper, relative in evidence.masked_weights(model)
    }


def test_scores_start_uniform_within_one_over_the_root_of_fan_in():
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(20, 5, name="conv")(inputs)
    x = keras.layers.DepthwiseConv2D(8, depth_multiplier=2, name="depth")(x)
    model = keras.Model(inputs, keras.layers.Dense(50, name="fc")(x))
    scores = _scores(edge_popup(model))
    # A depthwise filter sees its own channel only: 8 * 8 inputs.
    fans = {"conv/kernel": 75, "depth/kernel": 64, "fc/kernel": 40}
    assert scores.keys() == fans.keys()
    uniform = stats.uniform(-1, 2).cdf
    for path, fan_in in fans.items():
        scaled = (scores[path] * math.sqrt(fan_in)).ravel()
        assert np.abs(scaled).max() <= 1 + 1e-6
        assert stats.kstest(scaled, uniform).pvalue > 1e-3, path


@pytest.mark.parametrize("method", [edge_popup, bernoulli_supermask])
def test_layers_of_one_shape_have_draws_of_their_own(any_keras, method):
    x = any_keras.Input((20,))
    hidden = any_keras.layers.Dense(20, use_bias=False, name="a")(x)
    out = any_keras.layers.Dense(20, use_bias=False, name="b")(hidden)
    model = method(any_keras.Model(x, out), initial_weights="signed_constant")
    weights, masks = evidence.current_weights(model), tflottery.masks(model)
    # Signs are coin flips and half of the weights are used: two layers agree
    # in half of 400 places, and five deviations are an eighth of them.
    for found in (weights, masks):
        one, other = (np.asarray(value) > 0 for value in found.values())
        assert np.mean(one == other) == pytest.approx(0.5, abs=0.125)


def test_by_erk_a_small_layer_keeps_a_greater_share(any_keras):
    model = edge_popup(scored_networks.dense(any_keras), 0.4, scope="erk")
    # Densities go by (inputs + outputs) / (inputs * outputs), so that counts
    # go by inputs + outputs: 0.4 * 144 weights as 6 + 16 to 16 + 3.
    counts = [int(m.sum()) for m in tflottery.masks(model).values()]
    assert sum(counts) == round(0.4 * 144)
    assert counts[0] == pytest.approx(0.4 * 144 * 22 / 41, abs=1)
    masks = tflottery.masks(model)
    for path, scores in _scores(model).items():
        size, kept = np.abs(scores), masks[path].astype(bool)
        assert size[kept].min() > size[~kept].max()


@pytest.mark.parametrize("method", [edge_popup, bernoulli_supermask])
def test_a_loaded_supermask_that_is_stripped_can_be_trained(
    any_keras, method, tmp_path
):
    # In the file the layers are frozen; that they were not is written there.
    path = tmp_path / "model.keras"
    method(scored_networks.dense(any_keras)).save(path)
    plain = tflottery.strip_pruning(any_keras.models.load_model(path))
    assert [layer.trainable for layer in plain.layers[1:]] == [True, True]
    assert len(plain.trainable_variables) == 2


def test_normalisation_keeps_the_statistics_that_it_has(any_keras):
    layers = any_keras.layers
    x = any_keras.Input((6,))
    y = layers.Dense(8, use_bias=False, name="fc")(x)
    model = any_keras.Model(x, layers.BatchNormalization(name="bn")(y))
    mean, variance = np.arange(8.0), np.arange(1.0, 9.0)
    scale, shift = np.ones(8), np.zeros(8)
    model.get_layer("bn").set_weights([scale, shift, mean, variance])
    values, _ = scored_networks.batch()
    before = np.asarray(model(values, training=False))
    # All weights are used and kept, so nothing is left to make a difference.
    model = edge_popup(model, 1.0, initial_weights="keep")
    assert len(model.get_layer("bn").get_weights()) == 2
    np.testing.assert_allclose(
        np.asarray(model(values, training=False)), before, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("law", ["signed_std", "keep"])
def test_biases_of_a_bernoulli_supermask_go_as_weights_do(any_keras, law):
    model = scored_networks.dense(any_keras, use_bias=True)
    model.set_weights([value + 0.5 for value in model.get_weights()])
    found = bernoulli_supermask(model, initial_weights=law)
    values = scored_networks.everything(found)
    for path in ("fc1/bias", "fc2/bias"):
        assert (values[path] == (0.5 if law == "keep" else 0.0)).all()


@pytest.mark.parametrize("method", [edge_popup, bernoulli_supermask])
def test_a_checkpoint_of_tensorflow_holds_the_scores(
    any_keras, method, tmp_path
):
    model = method(scored_networks.dense(any_keras), seed=1)
    values = np.random.default_rng(0).normal(size=(6, 16)).astype(np.float32)
    evidence.wrappers(model)[0].scores["kernel"].assign(values)
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "values"))
    other = method(scored_networks.dense(any_keras), seed=2)
    tf.train.Checkpoint(model=other).read(path).expect_partial()
    np.testing.assert_array_equal(_scores(other)["fc1/kernel"], values)
    for path, scores in _scores(model).items():
        np.testing.assert_array_equal(_scores(other)[path], scores)


def test_weights_drawn_for_an_untrained_ticket_suit_its_density(any_keras):
    model = scored_networks.dense(any_keras)
    trained = any_keras.models.clone_model(model)
    ticket = untrained_ticket(
        model, trained, 0.25, initial_weights="signed_constant"
    )
    # The deviation that suits ReLU units: a quarter of the inputs is used.
    for path, inputs in (("fc1/kernel", 6), ("fc2/kernel", 16)):
        weights = evidence.current_weights(ticket)[path]
        used = np.abs(weights[evidence.current_mask(ticket)[path]])
        expected = math.sqrt(2 / (0.25 * inputs))
        np.testing.assert_allclose(used, expected, rtol=1e-6)


def test_an_untrained_mask_ranks_all_layers_together_if_asked():
    rng = np.random.default_rng(0)
    initial = {"a/kernel": rng.random((8, 5)), "b/kernel": rng.random((6, 5))}
    # All signs are kept, and the weights of b end twice as large.
    trained = {
        "a/kernel": rng.random((8, 5)),
        "b/kernel": 2 * rng.random((6, 5)),
    }
    mask = untrained_mask(initial, trained, 0.3, scope="global")
    kept, gone = (
        np.concatenate([trained[p][m == side] for p, m in mask.items()])
        for side in (True, False)
    )
    assert kept.size == round(0.3 * 70) and kept.min() > gone.max()
    densities = mask.densities()
    assert densities["b/kernel"] > 0.3 > densities["a/kernel"]
