"""The verbs, as a user meets them: names, refusals, what fits to what."""

import warnings

import keras
import numpy as np
import pytest

import tflottery
from tflottery.layers import evidence

X = np.random.default_rng(1).normal(size=(6, 8)).astype("float32")


def build(k=keras):
    return k.Sequential(
        [
            k.Input((8,)),
            k.layers.Dense(6, name="hidden"),
            k.layers.Dense(4, name="head"),
        ]
    )


def subclassed(k):
    class Subclassed(k.Model):
        def __init__(self):
            super().__init__()
            self.dense = k.layers.Dense(3)

        def call(self, x):
            return self.dense(x)

    return Subclassed()


def test_what_masks_returns_can_be_set_again(any_keras):
    build(any_keras)  # so that Keras' counters differ from the structure's
    model = tflottery.prune_once(build(any_keras), sparsity=0.5)
    masks = tflottery.masks(model)
    before = evidence.current_mask(model)
    masks = {name: mask & False for name, mask in masks.items()}
    tflottery.set_mask(model, masks)
    assert evidence.current_mask(model).kept == 0
    tflottery.set_mask(model, before)
    assert evidence.current_mask(model) == before


def test_densities_go_by_the_keys_of_masks_too(any_keras):
    model = tflottery.prune_iteratively(build(any_keras), scope="layerwise")
    names = list(tflottery.masks(model))
    mask = tflottery.prune(model, dict(zip(names, (0.5, 0.25), strict=True)))
    assert mask.densities() == {"hidden/kernel": 0.5, "head/kernel": 0.25}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"skip": "heat"}, r"`skip` names.*\['heat'\].*'head'"),
        (
            {"prune_fraction": {"hiden": 0.5, "default": 0.2}},
            r"`prune_fraction` names.*\['hiden'\].*'hidden'",
        ),
    ],
)
def test_a_name_that_matches_nothing_warns_and_strict_raises(
    any_keras, arguments, message
):
    with pytest.warns(UserWarning, match=message) as caught:
        tflottery.prune_iteratively(build(any_keras), **arguments)
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match=message):
        tflottery.prune_iteratively(build(any_keras), strict=True, **arguments)


@pytest.mark.parametrize("name", ["head", "head/kernel", "he.*", ".*/kernel"])
def test_names_of_layers_and_paths_of_weights_match_in_silence(any_keras, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tflottery.prune_iteratively(
            build(any_keras), prune_fraction={name: 0.1}
        )


def test_a_weight_is_skipped_by_its_path(any_keras):
    model = tflottery.prune_iteratively(build(any_keras), skip="head/kernel")
    assert list(evidence.current_mask(model)) == ["hidden/kernel"]


def test_a_class_given_as_skip_is_refused_in_words(any_keras):
    with pytest.raises(TypeError, match="isinstance"):
        tflottery.prune_iteratively(
            build(any_keras), skip=any_keras.layers.Dense
        )


def test_skip_is_refused_for_a_model_that_is_wrapped(any_keras):
    model = tflottery.prune_iteratively(build(any_keras))
    with pytest.raises(ValueError, match="`skip` is for a model that is not"):
        tflottery.prune_once(model, sparsity=0.5, skip="head")


def test_pruning_once_before_the_build_is_refused_and_changes_nothing(
    any_keras,
):
    model = subclassed(any_keras)
    original = type(model)
    with pytest.raises(ValueError, match=r"`model` must be built.*batch"):
        tflottery.prune_once(model, sparsity=0.5)
    assert type(model) is original
    assert type(model.dense) is any_keras.layers.Dense


def test_a_wrapped_model_that_is_not_built_is_not_called_unwrapped(any_keras):
    model = tflottery.prune_iteratively(subclassed(any_keras))
    with pytest.raises(ValueError, match="`model` must be built"):
        tflottery.masks(model)


@pytest.mark.parametrize("ask", [tflottery.masks, tflottery.sparsity])
def test_questions_about_what_is_not_a_model_are_refused_in_words(ask):
    with pytest.raises(TypeError, match="must be a Keras model.*'model'"):
        ask("model")


def test_a_masked_layer_with_lora_trains_and_strips_but_is_not_saved(tmp_path):
    model = tflottery.prune_once(build(), sparsity=0.5)
    model.get_layer("hidden").enable_lora(2)
    model.compile("adam", "mse")
    model.fit(X, np.ones((6, 4)), verbose=0)
    with pytest.raises(ValueError, match="LoRA.*strip_pruning"):
        model.save(tmp_path / "model.keras")
    expected = np.asarray(model(X))
    plain = tflottery.strip_pruning(model)
    plain.save(tmp_path / "plain.keras")
    loaded = keras.models.load_model(tmp_path / "plain.keras")
    np.testing.assert_allclose(loaded(X), expected, rtol=1e-5, atol=1e-5)
