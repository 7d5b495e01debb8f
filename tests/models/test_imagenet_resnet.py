import keras
import numpy as np
import pytest

from tflottery.models import imagenet_resnet

IMAGENET = {"input_shape": (224, 224, 3), "num_classes": 1000}


# As torchvision counts its networks of these names.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("builder", "parameters"),
    [
        (imagenet_resnet.resnet18, 11_689_512),
        (imagenet_resnet.resnet50, 25_557_032),
    ],
)
def test_parameters_are_those_of_the_networks_everybody_uses(
    builder, parameters
):
    model = builder(keras, **IMAGENET)
    found = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert found == parameters


def test_resnet50_halves_in_the_window_of_3x3():
    model = imagenet_resnet.resnet50(
        keras, input_shape=(32, 32, 3), num_classes=5, width=1
    )
    block = [model.get_layer(f"stage2_block1_conv{n}") for n in (1, 2, 3)]
    assert [tuple(layer.strides) for layer in block] == [(1, 1), (2, 2), (1, 1)]
    shortcut = model.get_layer("stage2_block1_shortcut")
    assert tuple(shortcut.kernel.shape) == (1, 1, 4, 8)
    # The first stage halves nothing, but its block needs four times as wide a
    # way around.
    first = model.get_layer("stage1_block1_shortcut")
    assert (tuple(first.strides), first.kernel.shape[-1]) == ((1, 1), 4)
    kernels = [x for x in model.layers if hasattr(x, "kernel")]
    assert len(kernels) == 50 + 4


def test_small_images_are_refused():
    with pytest.raises(ValueError, match="resnet18 reads images.*32x32"):
        imagenet_resnet.resnet18(keras, input_shape=(8, 8, 1), num_classes=2)
