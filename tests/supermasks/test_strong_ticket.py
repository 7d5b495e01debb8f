"""Strong tickets end to end: networks, masks, bounds, refusals."""

import keras
import numpy as np
import pytest
import strong_targets

from tflottery.layers import paths
from tflottery.supermasks.certificate import Certificate
from tflottery.supermasks.logarithmic import logarithmic_ticket

BOX = strong_targets.box((4,))


def _weights(model):
    return {
        path: np.asarray(variable)
        for path, variable in paths.variables(model).items()
    }


def _predict(model, x):
    return np.asarray(model(x))


def test_a_ticket_is_the_random_network_masked_and_nothing_else(any_keras):
    target = strong_targets.dense(any_keras)
    ticket = logarithmic_ticket(target, BOX, 0.5, storage="full", control=False)
    weights, whole = _weights(ticket.model), ticket.random_weights()
    assert set(weights) == set(whole) == set(ticket.mask)
    for path, mask in ticket.mask.items():
        # Bit-equal where kept, exactly zero elsewhere.
        np.testing.assert_array_equal(weights[path], whole[path] * mask)
        assert (whole[path] != 0).all()
    assert ticket.mask.kept == ticket.certificate.parameters_kept
    assert ticket.mask.size == ticket.certificate.parameters
    assert ticket.model.trainable_weights == []


def test_the_model_computes_what_the_masked_random_network_does(any_keras):
    target = strong_targets.dense(any_keras)
    ticket = logarithmic_ticket(target, BOX, 0.5, storage="full", control=False)
    w = ticket.mask.apply(ticket.random_weights())
    x = BOX.astype("f8")
    for name in ("fc1", "fc2", "head"):
        units = x @ w[f"{name}_expansion/kernel"]
        units = np.maximum(units + w[f"{name}_expansion/bias"], 0)
        x = units @ w[f"{name}_contraction/kernel"]
        x = x if name == "head" else np.maximum(x, 0)
    np.testing.assert_allclose(_predict(ticket.model, BOX), x, atol=1e-5)


def _two_targets(of, kind):
    if kind == "dense":
        return strong_targets.dense(of, last="tanh"), BOX, 0.05
    x = strong_targets.box((7, 6, 2), count=10)
    return strong_targets.convolutional(of), x, 2.0


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_both_storages_are_one_ticket_that_comes_near_the_target(
    any_keras, kind
):
    target, x, epsilon = _two_targets(any_keras, kind)
    wanted = _predict(target, x)
    found = {}
    for storage in ("full", "kept"):
        ticket = logarithmic_ticket(
            target, x, epsilon, storage=storage, control=False
        )
        certificate = ticket.certificate
        assert certificate.holds and certificate.storage == storage
        error = np.abs(_predict(ticket.model, x) - wanted)
        np.testing.assert_allclose(
            certificate.sup_error, error.max(), atol=1e-6
        )
        np.testing.assert_allclose(
            certificate.mean_error, error.mean(), atol=1e-6
        )
        assert error.max() <= certificate.found_error_bound <= epsilon
        assert certificate.found_error_bound <= certificate.error_bound
        found[storage] = ticket
    full, kept = found["full"], found["kept"]
    np.testing.assert_allclose(
        _predict(full.model, x), _predict(kept.model, x), atol=1e-5
    )
    assert full.certificate.layers == kept.certificate.layers
    assert full.mask.kept == kept.mask.kept
    assert kept.mask.size < full.mask.size / 10
    for path, mask in kept.mask.items():
        assert not np.asarray(_weights(kept.model)[path])[~mask].any()


def test_the_kept_edges_make_up_the_weights_that_the_model_acts_by(any_keras):
    # The first layer alone, far off on purpose: only then is it seen whether
    # padding, strides and the biases' tap are where they should be.
    x = strong_targets.box((7, 5, 2), count=20, least=0.0)
    layers = any_keras.layers
    target = strong_targets.uniform(
        any_keras.Sequential(
            [
                any_keras.Input((7, 5, 2)),
                layers.Conv2D(3, (3, 4), strides=(2, 1), padding="same"),
            ]
        ),
        seed=0,
    )
    for storage in ("full", "kept"):
        ticket = logarithmic_ticket(
            target, x, weight_error=0.2, storage=storage, control=False
        )
        copy = any_keras.models.clone_model(target)
        copy.set_weights(list(ticket.kept[0].weights(1)))
        acts = _predict(ticket.model, x)
        np.testing.assert_allclose(acts, _predict(copy, x), atol=1e-4)
        assert np.abs(acts - _predict(target, x)).max() > 0.1


def test_inputs_of_either_sign_take_a_branch_of_units_each():
    target = strong_targets.dense(keras, (4, 3), use_bias=False)
    both = logarithmic_ticket(target, BOX, weight_error=1e-2, control=False)
    one = logarithmic_ticket(
        target, np.abs(BOX), weight_error=1e-2, control=False
    )
    (branches,), (branch,) = both.kept, one.kept
    for sign in (1, -1):
        kernel, _ = branches.weights(sign)
        assert np.abs(kernel - target.get_weights()[0]).max() <= 1e-2
    assert (branch.weight_in > 0).all()
    assert not branch.weights(-1)[0].any()
    assert not both.certificate.non_negative_inputs
    assert one.certificate.non_negative_inputs
    assert "without negative entries" in str(one.certificate)


def test_a_saved_ticket_is_read_back(any_keras, tmp_path):
    target = strong_targets.dense(any_keras)
    for storage in ("full", "kept"):
        ticket = logarithmic_ticket(
            target, BOX, 0.5, storage=storage, control=False
        )
        ticket.save(tmp_path / "ticket.keras")
        model = any_keras.models.load_model(tmp_path / "ticket.keras")
        np.testing.assert_array_equal(
            _predict(model, BOX), _predict(ticket.model, BOX)
        )
        assert model.trainable_weights == []
        again = Certificate.load(tmp_path / "ticket.keras.certificate.json")
        assert again == ticket.certificate


def test_the_ticket_runs_in_predict_and_behind_other_layers(any_keras):
    target = strong_targets.dense(any_keras)
    ticket = logarithmic_ticket(target, BOX, 0.5, storage="kept", control=False)
    x = any_keras.Input((4,))
    model = any_keras.Model(x, any_keras.layers.ReLU()(ticket.model(x)))
    assert tuple(model.output_shape) == (None, 2)
    np.testing.assert_allclose(
        model.predict(BOX, verbose=0),
        np.maximum(_predict(ticket.model, BOX), 0),
        atol=1e-6,
    )


def test_the_same_seed_finds_the_same_ticket_and_another_one_another():
    target = strong_targets.dense(keras)
    tickets = [
        logarithmic_ticket(target, BOX, 0.5, seed=seed, control=False)
        for seed in (0, 0, 1)
    ]
    first, again, other = (ticket.kept[0].weight_out for ticket in tickets)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert tickets[2].certificate.seed == 1


def test_layers_of_zeros_and_weights_below_the_error_need_no_edges(any_keras):
    target = strong_targets.dense(any_keras)
    values = target.get_weights()
    values[2][:], values[3][:] = 0, 0
    target.set_weights(values)
    ticket = logarithmic_ticket(target, BOX, 0.1, storage="kept", control=False)
    assert ticket.certificate.holds
    assert ticket.certificate.layers[1].edges_kept == 0
    tiny = strong_targets.uniform(target, 0, 1e-6)
    assert logarithmic_ticket(tiny, BOX, 0.1).certificate.holds


def test_progress_counts_the_blocks_of_ticket_and_control():
    target = strong_targets.dense(keras, (3, 2))
    seen = []
    logarithmic_ticket(
        target, BOX[:, :3], 0.5, progress=lambda *of: seen.append(of)
    )
    # Three inputs and the biases, twice.
    assert seen == [(n, 8) for n in range(1, 9)]


def test_auto_holds_the_whole_network_only_where_there_is_room():
    target = strong_targets.dense(keras, (4, 30, 2))
    for gib, storage in ((4.0, "full"), (0.01, "kept")):
        ticket = logarithmic_ticket(
            target, BOX, 0.01, max_memory_gb=gib, control=False
        )
        assert ticket.certificate.storage == storage
    with pytest.raises(ValueError, match='Ask for storage="full"'):
        ticket.random_weights()
