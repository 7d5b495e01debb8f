"""What a mistake in a call must not do: spoil a model, or lie about one."""

import keras
import numpy as np
import pytest

import tflottery
from tflottery import supermasks


def network(k):
    k.utils.set_random_seed(0)
    return k.Sequential(
        [
            k.Input((6,)),
            k.layers.Dense(8, "relu", name="fc"),
            k.layers.Dense(2, name="out"),
        ]
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"density": {"fcc": 0.2}}, "not a known name"),
        ({"density": {"(": 0.2}}, "regular"),
        ({"seed": 1.5}, "`seed`"),
        ({"scale_weights": "no"}, "`scale_weights`"),
    ],
)
def test_a_refused_call_leaves_the_model_as_it_was(any_keras, arguments, text):
    model = network(any_keras)
    before = model.get_weights()
    with pytest.raises((TypeError, ValueError), match=text):
        supermasks.edge_popup(model, **arguments)
    assert all(layer.trainable for layer in model.layers)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    wrapped = supermasks.edge_popup(model, {"fc": 0.25, "default": 1.0})
    assert [int(m.sum()) for m in tflottery.masks(wrapped).values()] == [12, 16]


def test_a_name_that_no_weight_has_is_refused_for_untrained_masks_too():
    weights = {"fc/kernel": np.ones((2, 2))}
    with pytest.raises(ValueError, match="not a known name.*fc/kernel"):
        supermasks.untrained_mask(weights, weights, {"fcc": 0.1})


@pytest.mark.parametrize("rescale", [False, True])
def test_the_target_of_a_construction_is_what_a_supermask_computes(
    any_keras, rescale
):
    # Rescaled, the weights in use are larger than those that are stored.
    target = supermasks.bernoulli_supermask(network(any_keras), rescale=rescale)
    x = np.random.default_rng(0).random((50, 6), np.float32)
    found = supermasks.logarithmic_ticket(target, x, epsilon=0.05)
    assert found.certificate.holds
    errors = found.model.predict(x, verbose=0) - target.predict(x, verbose=0)
    assert 0 < np.abs(errors).max() <= found.certificate.found_error_bound


def test_layers_of_a_target_that_share_a_name_get_names_of_their_own(any_keras):
    k = any_keras
    twice = k.layers.Dense(4, "relu", name="fc")
    relu = k.layers.ReLU(name="fc_expansion")
    left = k.Sequential([k.Input((4,)), k.layers.Dense(4, name="a")], name="b")
    inputs = k.Input((4,))
    outputs = k.layers.Dense(2, name="b_a")(left(relu(twice(twice(inputs)))))
    target = k.Model(inputs, outputs)
    x = np.random.default_rng(0).random((9, 4), np.float32)
    found = supermasks.subset_sum_ticket(target, x, epsilon=0.1, control=False)
    assert [layer.name for layer in found.certificate.layers] == [
        "fc", "fc_2", "b_a", "b_a_2"
    ]  # fmt: skip
    assert len({layer.name for layer in found.model.layers}) == 9
    errors = found.model.predict(x, verbose=0) - target.predict(x, verbose=0)
    assert 0 < np.abs(errors).max() <= 0.1


def test_relu6_of_either_family_is_covered(any_keras):
    k = any_keras
    target = k.Sequential([k.Input((6,)), k.layers.Dense(3, "relu6")])
    x = np.random.default_rng(0).random((9, 6), np.float32)
    found = supermasks.subset_sum_ticket(target, x, weight_error=0.01)
    assert found.certificate.holds


def test_a_ticket_as_target_is_refused_for_its_kind_of_layer():
    x = np.random.default_rng(0).random((9, 6), np.float32)
    kept = supermasks.subset_sum_ticket(
        network(keras), x, weight_error=0.1, storage="kept"
    )
    with pytest.raises(ValueError, match="`fc_expansion`, a SingleInput"):
        supermasks.subset_sum_ticket(kept.model, x, weight_error=0.1)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"progress": 3}, TypeError, "`progress` must be a function"),
        (
            {"inputs": [[1.0], [1.0, 2.0]]},
            ValueError,
            "`inputs` must be an",
        ),
        ({"weight_error": 1e-30}, ValueError, "`epsilon` or `weight_error`"),
    ],
)
def test_arguments_are_refused_in_words_before_any_search(
    arguments, error, text
):
    x = np.random.default_rng(0).random((9, 6), np.float32)
    usual = {"inputs": x, "weight_error": 0.1}
    for find in (supermasks.logarithmic_ticket, supermasks.subset_sum_ticket):
        with pytest.raises(error, match=text):
            find(network(keras), **{**usual, **arguments})


def test_a_ticket_is_not_saved_in_a_format_that_loses_its_layers(tmp_path):
    x = np.random.default_rng(0).random((5, 6), np.float32)
    found = supermasks.subset_sum_ticket(network(keras), x, weight_error=0.1)
    with pytest.raises(ValueError, match="must end in .keras"):
        found.save(tmp_path / "new" / "strong.h5")
    assert not list(tmp_path.iterdir())


def test_a_ticket_is_saved_into_a_folder_that_is_not_there(tmp_path):
    x = np.random.default_rng(0).random((5, 6), np.float32)
    found = supermasks.subset_sum_ticket(network(keras), x, weight_error=0.1)
    path = tmp_path / "new" / "strong.keras"
    found.save(path)
    again = keras.models.load_model(path)
    np.testing.assert_array_equal(
        again.predict(x, verbose=0), found.model.predict(x, verbose=0)
    )


@pytest.mark.parametrize("length", [512, None])
def test_memory_counts_every_place_of_a_sequence(length):
    # Also where the model leaves open how long it is.
    model = keras.Sequential(
        [
            keras.Input((length, 16)),
            keras.layers.Dense(16, "relu"),
            keras.layers.Dense(2),
        ]
    )
    x = np.random.default_rng(0).random((4, 512, 16), np.float32)
    # About 300 units at each of 512 places, in three arrays of float32: some
    # 1.8 MB for an example; without the places it would be 4 kB.
    with pytest.raises(MemoryError, match="with one example in it"):
        supermasks.logarithmic_ticket(
            model, x, weight_error=0.05, max_memory_gb=0.0016, control=False
        )
