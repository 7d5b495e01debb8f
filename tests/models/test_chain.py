import keras
import numpy as np
import pytest

from tflottery.models import chain


def test_a_keras_module_passes(family):
    assert chain.check_keras(family) is family


def test_a_name_instead_of_the_module_is_refused():
    with pytest.raises(
        TypeError,
        match=r"keras='tf_keras', which has no layers.*`import keras`",
    ):
        chain.check_keras("tf_keras")


@pytest.mark.parametrize("shape", [(0,), (None, 3), (2.5,), "28", 28, ()])
def test_bad_input_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="`input_shape` must.*Received.*Use x"):
        chain.check_input_shape(shape, ranks=range(1, 10), way_out="Use x.")


def test_rank_must_be_one_of_those_asked_for():
    assert chain.check_input_shape([2, 3], ranks=(2,), way_out="") == (2, 3)
    with pytest.raises(ValueError, match=r"\(2, 3\)\. Use an image"):
        chain.check_input_shape((2, 3), ranks=(3,), way_out="Use an image.")


def test_head_names_its_layers_in_order_and_ends_without_activation():
    layers = chain.head(keras, (5, 4), 3)
    assert [layer.name for layer in layers] == ["fc1", "fc2", "output"]
    assert [layer.units for layer in layers] == [5, 4, 3]
    assert layers[-1].activation is keras.activations.linear


def test_connect_chains_the_layers(family):
    model = chain.connect(
        family,
        [family.layers.Dense(2, name="a"), family.layers.ReLU(name="b")],
        input_shape=(3,),
        name="two",
        seed=0,
    )
    x = np.array([[1.0, -2.0, 3.0]], np.float32)
    kernel = model.get_layer("a").get_weights()[0]
    # Tolerance: one float32 dot product of three terms.
    np.testing.assert_allclose(
        np.asarray(model(x)), np.maximum(x @ kernel, 0), rtol=1e-5
    )
    assert model.name == "two"
