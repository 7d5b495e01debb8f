"""Masks of trained networks over weights that never trained."""

import numpy as np
import pytest
import scored_networks

import tflottery
from tflottery.layers import evidence
from tflottery.supermasks.untrained import untrained_mask, untrained_ticket


def _pair(seed=0, shape=(20, 30)):
    rng = np.random.default_rng(seed)
    initial = rng.normal(size=shape).astype(np.float32)
    trained = initial + rng.normal(size=shape).astype(np.float32)
    return {"fc/kernel": initial}, {"fc/kernel": trained}


def test_large_final_takes_the_largest_after_training():
    initial, trained = _pair()
    mask = untrained_mask(initial, trained, 0.2, "large_final")["fc/kernel"]
    size = np.abs(trained["fc/kernel"])
    assert mask.sum() == 120
    assert size[mask].min() >= size[~mask].max()


def test_same_sign_takes_the_largest_of_those_that_kept_their_sign():
    initial, trained = _pair()
    before, after = initial["fc/kernel"], trained["fc/kernel"]
    kept_sign = np.sign(before) == np.sign(after)
    mask = untrained_mask(initial, trained, 0.2)["fc/kernel"]
    assert mask.sum() == 120 and kept_sign[mask].all()
    left = kept_sign & ~mask
    assert np.abs(after)[mask].min() >= np.abs(after)[left].max()
    # Asked for more than kept their sign, it takes those too, nearest first.
    share = (kept_sign.sum() + 10) / 600
    mask = untrained_mask(initial, trained, share)["fc/kernel"]
    assert mask[kept_sign].all() and mask.sum() == kept_sign.sum() + 10
    turned = np.abs(after)[mask & ~kept_sign]
    assert turned.max() <= np.abs(after)[~mask].min()


@pytest.mark.parametrize("law", ["keep", "signed_std"])
def test_the_ticket_is_the_untrained_network_under_the_mask(any_keras, law):
    model = scored_networks.dense(any_keras, use_bias=True)
    trained = any_keras.models.clone_model(model)
    trained.set_weights(model.get_weights())
    scored_networks.compiled(any_keras, trained)
    x, y = scored_networks.batch(300)
    trained.fit(x, y, epochs=15, verbose=0)
    before = scored_networks.everything(model)
    ticket = untrained_ticket(model, trained, 0.5, initial_weights=law)
    mask = evidence.current_mask(ticket)
    assert mask == untrained_mask(
        {path: before[path] for path in mask}, trained, 0.5
    )
    assert mask.kept == 72 and tflottery.sparsity(ticket) == 0.5
    for path, value in scored_networks.everything(ticket).items():
        if path not in mask:
            np.testing.assert_array_equal(value, before[path])
        elif law == "keep":
            np.testing.assert_array_equal(value, before[path] * mask[path])
        else:
            expected = np.sign(before[path]) * mask[path]
            np.testing.assert_array_equal(np.sign(value), expected)
            assert len(np.unique(np.abs(value))) == 2  # zero and one constant
    guesses = np.argmax(ticket.predict(x, verbose=0), axis=1)
    assert np.mean(guesses == y) > 0.5  # of three classes, without training


def test_densities_can_be_named_and_what_does_not_fit_is_refused():
    initial, trained = _pair()
    initial["head/kernel"] = np.ones((4, 4), np.float32)
    trained["head/kernel"] = np.ones((4, 4), np.float32)
    mask = untrained_mask(initial, trained, {"head": 0.25, "default": 0.5})
    assert {path: int(m.sum()) for path, m in mask.items()} == {
        "fc/kernel": 300,
        "head/kernel": 4,
    }
    del trained["head/kernel"]
    with pytest.raises(ValueError, match="head/kernel"):
        untrained_mask(initial, trained, 0.5)
    with pytest.raises(TypeError, match="`trained` must be a model or a map"):
        untrained_mask(initial, [1.0], 0.5)
    with pytest.raises(ValueError, match="`density` must be more than 0"):
        untrained_mask(initial, initial, 0.0)
    with pytest.raises(ValueError, match="large_final"):
        untrained_mask(initial, initial, 0.5, "large_finale")
