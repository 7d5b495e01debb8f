import keras
import pytest

from tflottery.models import vgg


def sizes(model):
    return {
        layer.name: layer.kernel.numpy().size
        for layer in model.layers
        if getattr(layer, "kernel", None) is not None
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("builder", "convolutions"),
    [(vgg.vgg16, 14_710_464), (vgg.vgg19, 20_018_880)],
)
def test_counts_are_those_of_the_papers(builder, convolutions):
    found = sizes(builder(keras, input_shape=(32, 32, 3), num_classes=10))
    assert found.pop("output") == 5120
    assert sum(found.values()) == convolutions


# Filters in units of the width, by the tables of the paper.
@pytest.mark.parametrize(
    ("builder", "filters"),
    [
        (vgg.vgg16, [1] * 2 + [2] * 2 + [4] * 3 + [8] * 6),
        (vgg.vgg19, [1] * 2 + [2] * 2 + [4] * 4 + [8] * 8),
    ],
)
def test_filters_follow_the_table(builder, filters):
    model = builder(keras, input_shape=(16, 16, 3), num_classes=10, width=1)
    inputs = [3, *filters[:-1]]
    expected = {
        f"conv{number}": 9 * below * own
        for number, (below, own) in enumerate(
            zip(inputs, filters, strict=True), start=1
        )
    }
    assert sizes(model) == {**expected, "output": 80}
    pools = [n.name for n in model.layers if n.name.startswith("pool")]
    assert pools == ["pool1", "pool2", "pool3", "pool4"]
    assert tuple(model.get_layer("average").output.shape) == (None, 8)


def test_small_images_are_refused():
    with pytest.raises(ValueError, match="vgg16 reads images.*16x16"):
        vgg.vgg16(keras, input_shape=(8, 8, 1), num_classes=2)
