import keras
import numpy as np
import pytest

from tflottery import models

# Deep ones take seconds to build; one of each kind is in every run.
DEEP = {
    name: {"width": 1}
    for name in models.names()
    if name.startswith(("resnet", "vgg"))
}
OFTEN = {"resnet20", "vgg16"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=pytest.mark.slow if name in {*DEEP} - OFTEN else ()
        )
        for name in models.names()
    ],
)
def test_every_name_builds_a_seeded_model_of_that_name(name):
    shape = (32, 32, 1) if name in DEEP else (8, 8, 1)

    def build(seed):
        return models.build(
            name,
            keras,
            input_shape=shape,
            num_classes=4,
            seed=seed,
            **DEEP.get(name, {}),
        )

    model = build(0)
    assert model.name == name
    assert model.output_shape == (None, 4)
    same, other = build(0).get_weights(), build(1).get_weights()
    for mine, again, different in zip(
        model.get_weights(), same, other, strict=True
    ):
        np.testing.assert_array_equal(mine, again)
        if mine.ndim > 1:
            assert (mine != different).any()


def test_options_reach_the_builder():
    model = models.build(
        "mlp", keras, input_shape=(4,), num_classes=2, hidden=(7,)
    )
    assert model.get_layer("fc1").units == 7


def test_unknown_name_lists_near_and_valid_ones():
    with pytest.raises(
        ValueError, match=r"'conv3'.*mean 'conv.*'lenet_300_100'"
    ):
        models.build("conv3", keras, input_shape=(8, 8, 1), num_classes=2)


def test_unknown_option_lists_the_valid_ones():
    with pytest.raises(
        TypeError, match=r"`depth` is not an option of the model 'mlp'.*hidden"
    ):
        models.build("mlp", keras, input_shape=(4,), num_classes=2, depth=3)
    with pytest.raises(
        TypeError, match=r"'conv2'.*Its options: dropout, initializer"
    ):
        models.build(
            "conv2", keras, input_shape=(8, 8, 1), num_classes=2, hidden=(3,)
        )
