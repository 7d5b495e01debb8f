"""Bernoulli supermasks: drawn by probability, learnt through it."""

import keras
import numpy as np
import pytest
import scored_networks
import tensorflow as tf
import torch

import tflottery
from tflottery.layers import evidence
from tflottery.supermasks.bernoulli import bernoulli_supermask


def _wide(family, inputs=60, outputs=50):
    x = family.Input((inputs,))
    y = family.layers.Dense(outputs, use_bias=False, name="fc")(x)
    return family.Model(x, y)


def _used_in_training(model, inputs=60):
    """The weights of one training call, read off its outputs."""
    return np.asarray(model(np.eye(inputs, dtype=np.float32), training=True))


def test_each_weight_is_used_as_often_as_its_probability_says(any_keras):
    model = bernoulli_supermask(_wide(any_keras), rescale=False)
    [layer] = evidence.wrappers(model)
    probability = np.linspace(0.02, 0.98, 50)
    scores = np.tile(np.log(probability / (1 - probability)), (60, 1))
    layer.scores["kernel"].assign(scores.astype(np.float32))
    used = [_used_in_training(model) != 0 for _ in range(30)]
    share = np.mean(used, axis=(0, 1))  # of 1800 draws of each column
    # Five standard deviations of the mean of so many coin flips.
    room = 5 * np.sqrt(probability * (1 - probability) / 1800)
    assert (np.abs(share - probability) < room).all()
    assert any((used[0] != other).any() for other in used[1:])


def test_weights_in_use_are_divided_by_their_share(any_keras):
    model = bernoulli_supermask(_wide(any_keras), initial_score=-1.0)
    [layer] = evidence.wrappers(model)
    weights = layer.layer.kernel.numpy()
    for used in (_used_in_training(model), layer.value_in_use("kernel")):
        mask = used != 0
        assert 0.2 < mask.mean() < 0.34  # sigmoid(-1) = 0.269
        np.testing.assert_allclose(
            used[mask], weights[mask] * 3000 / mask.sum(), rtol=1e-5
        )


def test_outside_training_the_mask_stays_and_is_as_sparse(any_keras):
    model = bernoulli_supermask(_wide(any_keras), initial_score=1.0)
    x = np.eye(60, dtype=np.float32)
    before = np.asarray(model(x))
    _used_in_training(model)
    np.testing.assert_array_equal(np.asarray(model(x)), before)
    [mask] = tflottery.masks(model).values()
    np.testing.assert_array_equal(before != 0, mask)
    assert 0.69 < mask.mean() < 0.77  # sigmoid(1) = 0.731
    likely = bernoulli_supermask(_wide(any_keras), evaluation="likely")
    [layer] = evidence.wrappers(likely)
    scores = np.random.default_rng(0).normal(size=(60, 50)).astype(np.float32)
    scores[0] = 0.0  # a probability of exactly one half
    layer.scores["kernel"].assign(scores)
    [mask] = tflottery.masks(likely).values()
    np.testing.assert_array_equal(mask, scores >= 0)


@pytest.mark.parametrize("rescale", [False, True])
def test_the_gradient_goes_through_the_probability(any_keras, rescale):
    model = bernoulli_supermask(_wide(any_keras, 7, 5), rescale=rescale, seed=2)
    [layer] = evidence.wrappers(model)
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(7, 5)).astype(np.float32)
    layer.scores["kernel"].assign(scores)
    x = rng.normal(size=(9, 7)).astype(np.float32)
    y = rng.normal(size=(9, 5)).astype(np.float32)
    variable = layer.scores["kernel"]
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = tf.reduce_sum((outputs - y) ** 2)
    found = tape.gradient(
        loss, variable.value if any_keras is keras else variable
    )
    # Which weights were drawn is read off the outputs; the rest in torch.
    weights = layer.layer.kernel.numpy()
    used, *_ = np.linalg.lstsq(x, outputs.numpy(), rcond=None)
    drawn = torch.tensor((np.abs(used) > 1e-3).astype(np.float32))
    assert 5 < int(drawn.sum()) < 30
    score = torch.tensor(scores, requires_grad=True)
    chance = torch.sigmoid(score)
    mask = drawn + chance - chance.detach()
    scaled = mask * 35 / mask.sum() if rescale else mask
    result = torch.tensor(x) @ (torch.tensor(weights) * scaled)
    expected = ((result - torch.tensor(y)) ** 2).sum()
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-4)
    np.testing.assert_allclose(
        found.numpy(), score.grad.numpy(), rtol=1e-3, atol=1e-5
    )


def test_fit_learns_probabilities_and_no_weight(any_keras, tmp_path):
    model = bernoulli_supermask(
        scored_networks.dense(any_keras, use_bias=True), seed=1
    )
    before = scored_networks.everything(model)
    scored_networks.compiled(any_keras, model, learning_rate=3.0)
    x, y = scored_networks.batch(200)
    losses = model.fit(x, y, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    for path, value in scored_networks.everything(model).items():
        np.testing.assert_array_equal(value, before[path], err_msg=path)
    outputs = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = any_keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), outputs)
    # The mask that comes next was saved, too.
    np.testing.assert_array_equal(
        np.asarray(model(x, training=True)),
        np.asarray(loaded(x, training=True)),
    )
    plain = tflottery.strip_pruning(model)
    np.testing.assert_allclose(plain.predict(x, verbose=0), outputs, 1e-6)
    np.testing.assert_allclose(model.predict(x, verbose=0), outputs, 1e-6)
    assert 0 < tflottery.sparsity(plain) < 1


def test_a_snapshot_brings_the_next_masks_back(any_keras):
    model = bernoulli_supermask(_wide(any_keras))
    scored_networks.compiled(any_keras, model)
    _used_in_training(model)
    snapshot = tflottery.Snapshot.take(model)
    first = _used_in_training(model)
    second = _used_in_training(model)
    snapshot.restore(model)
    np.testing.assert_array_equal(_used_in_training(model), first)
    np.testing.assert_array_equal(_used_in_training(model), second)


def test_the_papers_constant_is_the_deviation_with_the_sign(any_keras):
    model = _wide(any_keras)
    drawn = model.get_weights()[0]
    [weights] = evidence.current_weights(bernoulli_supermask(model)).values()
    np.testing.assert_array_equal(np.sign(weights), np.sign(drawn))
    np.testing.assert_allclose(np.abs(weights), drawn.std(), rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"evaluation": "mean"}, ValueError, "likely"),
        ({"initial_score": float("nan")}, ValueError, "initial_score"),
        ({"rescale": 2}, TypeError, "rescale"),
        ({"initial_weights": "ones"}, ValueError, "signed_std"),
    ],
)
def test_bad_values_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        bernoulli_supermask(_wide(keras), **arguments)
