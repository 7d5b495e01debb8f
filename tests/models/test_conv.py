import keras
import numpy as np
import pytest

from tflottery.layers import state
from tflottery.models import conv

CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}


def kernels(model):
    return {
        layer.name: layer.get_weights()[0]
        for layer in model.layers
        if layer.get_weights()
    }


# Counts from the table of the architectures: all kernels, the conv ones alone.
@pytest.mark.parametrize(
    ("builder", "total", "convolutional"),
    [
        (conv.conv2, 4_300_992, 38_592),
        (conv.conv4, 2_425_024, 259_776),
        (conv.conv6, 2_261_184, 1_144_512),
    ],
)
def test_kernel_counts_are_those_of_the_layers(
    family, builder, total, convolutional
):
    model = builder(family, **CIFAR)
    sizes = {name: kernel.size for name, kernel in kernels(model).items()}
    assert sum(sizes.values()) == total
    assert (
        sum(size for name, size in sizes.items() if name.startswith("conv"))
        == convolutional
    )
    assert list(sizes)[-3:] == ["fc1", "fc2", "output"]
    assert model.name == builder.__name__
    assert model.output_shape == (None, 10)


def test_each_pair_is_followed_by_a_pool():
    names = [layer.name for layer in conv.conv4(keras, **CIFAR).layers]
    assert names == [
        "input",
        "conv1",
        "conv2",
        "pool1",
        "conv3",
        "conv4",
        "pool2",
        "flatten",
        "fc1",
        "fc2",
        "output",
    ]


def test_convolutions_keep_the_size_and_use_relu(family):
    model = conv.conv2(family, input_shape=(6, 4, 1), num_classes=2)
    first = model.get_layer("conv1")
    values = np.asarray(first(np.ones((1, 6, 4, 1), np.float32)))
    assert values.shape == (1, 6, 4, 64)
    # Without ReLU about half of the 64 channels would be negative.
    assert values.min() == 0.0


def test_same_seed_same_bits_in_both_families(families):
    small = {"input_shape": (8, 8, 1), "num_classes": 3, "seed": 5}
    ours, legacy = (kernels(conv.conv6(k, **small)) for k in families)
    assert len(ours) == 9
    for name in ours:
        np.testing.assert_array_equal(ours[name], legacy[name])


def test_layers_do_not_share_values():
    drawn = kernels(conv.conv4(keras, **CIFAR))
    # conv2 is 3x3x64x64; conv3 has the same inputs and twice the filters.
    assert not (drawn["conv2"] == drawn["conv3"][..., :64]).any()


@pytest.mark.parametrize(
    ("builder", "shape"),
    [(conv.conv2, (1, 8, 3)), (conv.conv4, (3, 8, 3)), (conv.conv6, (8, 7, 1))],
)
def test_images_too_small_for_the_pools_are_refused(builder, shape):
    with pytest.raises(ValueError, match=r"must outlast . 2x2 pools.*at least"):
        builder(keras, input_shape=shape, num_classes=2)


def test_flat_features_are_sent_to_the_perceptron():
    with pytest.raises(ValueError, match=r"input_shape=\(40,\).*model 'mlp'"):
        conv.conv2(keras, input_shape=(40,), num_classes=10)


def test_dropout_follows_the_hidden_dense_layers_and_moves_no_weight(family):
    settings = {"input_shape": (4, 4, 1), "num_classes": 3}
    plain = conv.conv2(family, **settings)
    dropped = conv.conv2(family, **settings, dropout=0.5)
    names = [layer.name for layer in dropped.layers]
    assert names[-5:] == ["fc1", "dropout1", "fc2", "dropout2", "output"]
    assert dropped.get_layer("dropout1").rate == 0.5
    for name, kernel in kernels(plain).items():
        found = dropped.get_layer(name).get_weights()[0]
        np.testing.assert_array_equal(found, kernel)


def test_dropout_can_be_rewound_in_both_families(family):
    model = conv.conv2(
        family, input_shape=(4, 4, 1), num_classes=3, dropout=0.5, seed=7
    )
    x = np.ones((2, 4, 4, 1), np.float32)
    assert state.unsaved_randomness(model) == []
    before = state.read(model)
    first = np.asarray(model(x, training=True))
    second = np.asarray(model(x, training=True))
    assert (first != second).any()
    state.write(model, before)
    np.testing.assert_array_equal(np.asarray(model(x, training=True)), first)


def test_dropout_must_leave_something():
    with pytest.raises(ValueError, match="`dropout`.*dropout=1.0"):
        conv.conv2(keras, input_shape=(4, 4, 1), num_classes=3, dropout=1.0)
