import math

import keras
import numpy as np
import pytest

from tflottery import models
from tflottery.models import glorot


@pytest.mark.parametrize(
    ("shape", "fans"),
    [
        ((784, 300), 784 + 300),
        # A 3x3 window multiplies both fans by 9.
        ((3, 3, 64, 128), 9 * 64 + 9 * 128),
    ],
)
def test_stddev_is_root_of_two_over_the_fans(shape, fans):
    assert glorot.glorot_stddev(shape) == pytest.approx(math.sqrt(2 / fans))


def test_vectors_have_no_fans():
    with pytest.raises(ValueError, match=r"two axes.*shape=\(10,\).*at zero"):
        glorot.glorot_stddev((10,))


def test_values_are_gaussian_and_not_truncated():
    values = glorot.initial_values((784, 300), seed=0, name="fc1")
    standard = values / glorot.glorot_stddev(values.shape)
    # 235,200 draws: the mean's standard error is 0.002, the deviation's 0.0015;
    # five of them are allowed.
    assert abs(standard.mean()) < 0.01
    assert abs(standard.std() - 1) < 0.0075
    # 0.27 % of a Gaussian lie beyond three deviations; a truncated normal, cut
    # at two and widened by 1/0.88 again, reaches 2.3 at most.
    assert 0.0022 < (np.abs(standard) > 3).mean() < 0.0032


def test_values_are_frozen():
    # These values belong to the seed for ever: published results start here.
    values = glorot.initial_values((2, 2), seed=0, name="fc1")
    assert values.dtype == np.float32
    frozen = [
        [1.326363444328308, 1.0036015510559082],
        [0.4452916979789734, 0.4778822064399719],
    ]
    np.testing.assert_array_equal(values, np.array(frozen, np.float32))


def test_each_name_and_seed_has_values_of_its_own():
    first = glorot.initial_values((8, 8), seed=0, name="fc1")
    for other in (
        glorot.initial_values((8, 8), seed=0, name="fc2"),
        glorot.initial_values((8, 8), seed=1, name="fc1"),
    ):
        assert not (first == other).any()


def test_initialize_again_gives_the_model_of_the_other_seed(family):
    def build(seed):
        return models.build(
            "mlp", family, input_shape=(4,), num_classes=2, seed=seed
        )

    model = build(0)
    model.get_layer("fc1").bias.assign(np.ones(300, np.float32))
    assert glorot.initialize(model, 1) is model
    for mine, theirs in zip(
        model.get_weights(), build(1).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_initialize_copes_with_layers_without_bias():
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, use_bias=False, name="fc1")]
    )
    glorot.initialize(model, seed=0)
    np.testing.assert_array_equal(
        model.get_weights()[0], glorot.initial_values((3, 2), 0, "fc1")
    )


def test_kaiming_scales_the_same_draws_by_the_inputs_alone():
    shape = (3, 3, 64, 128)
    assert glorot.kaiming_stddev(shape) == pytest.approx(
        math.sqrt(2 / (9 * 64))
    )
    kaiming = glorot.initial_values(shape, 0, "a", "kaiming_normal")
    plain = glorot.initial_values(shape, 0, "a")
    # sqrt(2 / 576) over sqrt(2 / (576 + 1152)) is the root of 3.
    np.testing.assert_allclose(kaiming, plain * math.sqrt(3), rtol=1e-6)


def test_initialize_renews_batch_normalisation_too(family):
    def build(seed):
        return models.build(
            "resnet20",
            family,
            input_shape=(4, 4, 1),
            num_classes=2,
            seed=seed,
            width=1,
            gamma="uniform",
        )

    model = build(0)
    model.set_weights([values + 1 for values in model.get_weights()])
    glorot.initialize(model, 1, gamma="uniform")
    for mine, theirs in zip(
        model.get_weights(), build(1).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("argument", ["initializer", "gamma"])
def test_unknown_starts_are_refused(argument):
    model = models.build("mlp", keras, input_shape=(3,), num_classes=2)
    with pytest.raises(ValueError, match=f"{argument}.*'normal'"):
        glorot.initialize(model, 0, **{argument: "normal"})
