"""Policies: `pruning_policy=` wraps the layers that TF-MOT's would."""

import numpy as np
import pytest
import side_by_side as sides
import tf_keras

import tflottery

pytestmark = pytest.mark.slow  # minutes beside TF-MOT


def mobile(family, end=True, middle=None):
    """A network that XNNPACK can run sparse; or not, with changes."""
    layers = family.layers
    stack = [
        family.Input((16, 16, 3)),
        layers.ZeroPadding2D(1),
        layers.Conv2D(4, 3, strides=2, padding="valid", name="start"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2D(8, 1, name="first"),
        *([middle] if middle is not None else []),
        layers.DepthwiseConv2D(3, padding="same", name="depth"),
        layers.Conv2D(8, 1, name="second"),
    ]
    if end:
        stack += [layers.GlobalAveragePooling2D(keepdims=True)]
    stack += [layers.Flatten(), layers.Dense(3, name="head")]
    return family.Sequential(stack)


def names(wrappers):
    return sorted(wrapper.layer.name for wrapper in wrappers)


def test_only_the_small_convolutions_are_wrapped(any_keras, tfmot):
    policy = tflottery.PruneForLatencyOnXNNPack()
    model = tflottery.prune_low_magnitude(
        mobile(any_keras),
        tflottery.ConstantSparsity(0.5, 1, frequency=1),
        pruning_policy=policy,
    )
    oracle = tfmot.prune_low_magnitude(
        mobile(tf_keras), pruning_policy=tfmot.PruneForLatencyOnXNNPack()
    )
    found = names(sides.wrappers(model))
    assert found == names(sides.tfmot_wrappers(oracle)) == ["first", "second"]
    x = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype("float32")
    model.compile("sgd", "mse")
    model.fit(
        x,
        np.ones((4, 3), "float32"),
        verbose=0,
        callbacks=[tflottery.UpdatePruningStep()],
    )
    assert list(sides.sparsities(model).values()) == [0.5, 0.5]


def test_tfmots_own_instance_is_taken(tfmot):
    policy = tfmot.PruneForLatencyOnXNNPack()
    model = tflottery.prune_low_magnitude(
        mobile(tf_keras), pruning_policy=policy
    )
    assert names(sides.wrappers(model)) == ["first", "second"]
    with pytest.raises(ValueError, match="Could not find a `GlobalAveragePool"):
        tflottery.prune_low_magnitude(
            mobile(tf_keras, end=False), pruning_policy=policy
        )


@pytest.mark.parametrize("wrong", ["no end", "bad middle", "no start"])
def test_models_that_would_run_dense_are_refused_by_both(
    any_keras, tfmot, wrong
):
    def make(family):
        if wrong == "no end":
            return mobile(family, end=False)
        if wrong == "bad middle":
            return mobile(family, middle=family.layers.MaxPooling2D(2))
        return family.Sequential(
            [
                family.Input((8, 8, 3)),
                family.layers.Conv2D(4, 1),
                family.layers.GlobalAveragePooling2D(keepdims=True),
            ]
        )

    with pytest.raises(ValueError):
        tfmot.prune_low_magnitude(
            make(tf_keras), pruning_policy=tfmot.PruneForLatencyOnXNNPack()
        )
    texts = {
        "no end": "No end on a way to output",
        "bad middle": "MaxPooling2D",
        "no start": "No start on a way from input",
    }
    with pytest.raises(ValueError, match=texts[wrong]):
        tflottery.prune_low_magnitude(
            make(any_keras),
            pruning_policy=tflottery.PruneForLatencyOnXNNPack(),
        )


def test_a_policy_of_ones_own_chooses(any_keras):
    class OnlyHeads(tflottery.PruningPolicy):
        def allow_pruning(self, layer):
            return layer.name == "head"

        def ensure_model_supports_pruning(self, model):
            if model.name == "forbidden":
                raise ValueError("`model` must not be forbidden.")

    model = tflottery.prune_low_magnitude(
        mobile(any_keras), pruning_policy=OnlyHeads()
    )
    assert names(sides.wrappers(model)) == ["head"]
    forbidden = any_keras.Sequential(
        [any_keras.Input((4,)), any_keras.layers.Dense(3)], name="forbidden"
    )
    with pytest.raises(ValueError, match="must not be forbidden"):
        tflottery.prune_low_magnitude(forbidden, pruning_policy=OnlyHeads())


def test_what_is_no_policy_is_refused(any_keras):
    with pytest.raises(TypeError, match="`pruning_policy` must be a policy"):
        tflottery.prune_low_magnitude(
            mobile(any_keras), pruning_policy="xnnpack"
        )
