import keras
import numpy as np
import pytest

from tflottery.models import mlp


def test_hidden_widths_become_layers(family):
    model = mlp.mlp(family, input_shape=(6,), num_classes=2, hidden=(5, 4, 3))
    shapes = [tuple(w.shape) for w in model.get_weights()[::2]]
    assert shapes == [(6, 5), (5, 4), (4, 3), (3, 2)]
    assert [layer.name for layer in model.layers[1:]] == [
        "fc1",
        "fc2",
        "fc3",
        "output",
    ]


def test_no_hidden_layer_is_a_linear_classifier(family):
    model = mlp.mlp(family, input_shape=(6,), num_classes=2, hidden=())
    x = np.eye(6, dtype=np.float32)
    # Logits: the rows of the kernel come through untouched by an activation,
    # negative ones included.
    np.testing.assert_array_equal(np.asarray(model(x)), model.get_weights()[0])
    assert (model.get_weights()[0] < 0).any()


def test_images_are_flattened(family):
    model = mlp.mlp(family, input_shape=(2, 3, 1), num_classes=2, hidden=(4,))
    assert model.output_shape == (None, 2)
    assert tuple(model.get_layer("fc1").kernel.shape) == (6, 4)


@pytest.mark.parametrize("hidden", [300, "300", None])
def test_hidden_must_be_a_tuple(hidden):
    with pytest.raises(TypeError, match=r"`hidden` must be a tuple.*\(300,\)"):
        mlp.mlp(keras, input_shape=(6,), num_classes=2, hidden=hidden)


@pytest.mark.parametrize(
    ("argument", "value"), [("num_classes", 0), ("hidden", (5, -1))]
)
def test_sizes_must_be_positive(argument, value):
    settings = {"input_shape": (6,), "num_classes": 2, argument: value}
    with pytest.raises(ValueError, match=f"`{argument}` must be a positive"):
        mlp.mlp(keras, **settings)
