"""What each kind of layer lets through: hand-checked sizes, both families.

In most networks here a convolution `first` has dead filters: filter 0 is fed
by nothing and gives the constant act(bias), and the convolution `last` does
not read what comes from filter 1.
"""

import networks
import numpy as np
import pytest

from tflottery.compaction.compact import compact
from tflottery.compaction.report import CompactionReport


def between(k, *middle, activation="sigmoid", last=None, size=6):
    """first (4 filters, 0 dead), the layers between, last (2 filters)."""
    L = k.layers
    layers = [
        k.Input((size, size, 3)),
        L.Conv2D(4, 1, activation=activation, name="first"),
        *middle,
        last or L.Conv2D(2, 1, name="last"),
    ]
    model = networks.fill(k.Sequential(layers))
    networks.kill(model.get_layer("first"), units=[0], bias=0.5)
    return model


def unread(model, *inputs):
    networks.kill(model.get_layer("last"), inputs=inputs)


def first_and_last(model):
    found = networks.sizes(model)
    return found["first"][-1], found["last"][-2:]


# Each hands channel i on as channel i, constants too.
PASSING = {
    "ReLU": lambda L: L.ReLU(),
    "LeakyReLU": lambda L: L.LeakyReLU(),
    "ELU": lambda L: L.ELU(),
    "PReLU": lambda L: L.PReLU(shared_axes=[1, 2]),
    "Activation": lambda L: L.Activation("softplus"),
    "BatchNormalization": lambda L: L.BatchNormalization(),
    "Dropout": lambda L: L.Dropout(0.5),
    "SpatialDropout2D": lambda L: L.SpatialDropout2D(0.5),
    "GaussianNoise": lambda L: L.GaussianNoise(0.5),
    "MaxPooling2D": lambda L: L.MaxPooling2D(2, padding="same"),
    "AveragePooling2D": lambda L: L.AveragePooling2D(4, padding="same"),
    "Cropping2D": lambda L: L.Cropping2D(1),
    "UpSampling2D": lambda L: L.UpSampling2D(2, interpolation="bilinear"),
    "Permute": lambda L: L.Permute((2, 1, 3)),
    "Rescaling": lambda L: L.Rescaling(2.0, 1.0),
    "DepthwiseConv2D": lambda L: L.DepthwiseConv2D(3, activation="elu"),
    "1x1 same": lambda L: L.DepthwiseConv2D(1, padding="same"),
    "Reshape": lambda L: L.Reshape((4, 9, 4)),
}


@pytest.mark.parametrize("name", PASSING)
def test_channels_and_constants_are_handed_on(any_keras, name):
    model = between(any_keras, PASSING[name](any_keras.layers))
    unread(model, 1)
    small = compact(model)
    # Of four filters, one is folded and one is not read.
    assert first_and_last(small) == (2, (2, 2))
    networks.check_equal(model, small)
    assert [type(layer) for layer in small.layers] == [
        type(layer) for layer in model.layers
    ]


# At borders, a constant c is not c, but where c is 0.
BORDERS = {
    "ZeroPadding2D": lambda L: L.ZeroPadding2D(1),
    "depthwise, same": lambda L: L.DepthwiseConv2D(
        3, padding="same", use_bias=False
    ),
}


@pytest.mark.parametrize("name", BORDERS)
def test_at_borders_only_zero_stays_a_constant(any_keras, name):
    for activation, left in (("sigmoid", 3), ("relu", 2)):
        layer = BORDERS[name](any_keras.layers)
        model = between(any_keras, layer, activation=activation)
        first = model.get_layer("first")
        first.bias.assign(-np.ones(4, "float32"))  # relu(-1) = 0
        unread(model, 1)
        small = compact(model)
        assert first_and_last(small) == (left, (left, 2))
        networks.check_equal(model, small)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_same_padding_folds_no_constant_but_zero(any_keras, padding):
    L = any_keras.layers
    for make in (
        lambda: L.Conv2D(2, 3, padding=padding, name="last"),
        lambda: L.SeparableConv2D(2, 3, padding=padding, name="last"),
    ):
        model = between(any_keras, last=make())
        small = compact(model)
        left = 3 if padding == "valid" else 4
        assert small.get_layer("first").filters == left
        networks.check_equal(model, small)
        model.get_layer("first").activation = any_keras.activations.tanh
        model.get_layer("first").bias.assign(np.zeros(4, "float32"))
        small = compact(model)
        assert small.get_layer("first").filters == 3  # tanh(0) = 0
        networks.check_equal(model, small)


def test_a_transposed_convolution_folds_zero_only(any_keras):
    L = any_keras.layers
    for bias, left in ((0.5, 3), (0.0, 2)):
        last = L.Conv2DTranspose(2, 3, strides=2, name="last")
        model = between(any_keras, activation="tanh", last=last)
        model.get_layer("first").bias.assign(np.full(4, bias, "float32"))
        kernel = last.kernel.numpy()  # (height, width, out, in)
        kernel[..., 1] = 0
        last.kernel.assign(kernel)
        small = compact(model)
        assert small.get_layer("first").filters == left
        assert small.get_layer("last").kernel.shape == (3, 3, 2, left)
        networks.check_equal(model, small)


def test_dead_filters_of_a_transposed_convolution_go(any_keras):
    k, L = any_keras, any_keras.layers
    model = networks.fill(
        k.Sequential(
            [
                k.Input((4, 4, 2)),
                L.Conv2DTranspose(5, 3, activation="sigmoid", name="up"),
                L.Conv2D(2, 3, name="last"),
            ]
        )
    )
    kernel = model.get_layer("up").kernel.numpy()
    kernel[:, :, 0, :] = 0  # sigmoid(bias) everywhere
    model.get_layer("up").kernel.assign(kernel)
    small = compact(model)
    assert small.get_layer("up").kernel.shape == (3, 3, 4, 2)
    networks.check_equal(model, small)


def test_a_scale_of_zero_in_batch_norm_cuts_the_way_in(any_keras):
    model = between(any_keras, any_keras.layers.BatchNormalization(name="norm"))
    gamma = model.get_layer("norm").gamma.numpy()
    gamma[[1, 2]] = 0
    model.get_layer("norm").gamma.assign(gamma)
    small = compact(model)
    assert first_and_last(small) == (1, (1, 2))
    assert small.get_layer("norm").moving_mean.shape == (1,)
    networks.check_equal(model, small)


def test_depthwise_multipliers_go_with_their_input_channel(any_keras):
    L = any_keras.layers
    middle = L.DepthwiseConv2D(3, depth_multiplier=2, name="depth")
    model = between(any_keras, middle)
    # Outputs 2 and 3 come from channel 1, output 4 and 5 from channel 2.
    unread(model, 2, 3, 4)
    small = compact(model)
    assert first_and_last(small) == (2, (4, 2))
    networks.check_equal(model, small)
    assert small.get_layer("depth").get_weights()[0].shape == (3, 3, 2, 2)


def test_a_depthwise_filter_of_zeros_cuts_the_way_in(any_keras):
    middle = any_keras.layers.DepthwiseConv2D(3, padding="same", name="depth")
    model = between(any_keras, middle)
    weights = middle.get_weights()
    weights[0][:, :, 2] = 0
    middle.set_weights(weights)
    small = compact(model)
    # Filter 2 goes; filter 0 is a constant that meets padding.
    assert first_and_last(small) == (3, (3, 2))
    networks.check_equal(model, small)


def test_separable_convolutions_are_sliced_on_both_sides(any_keras):
    L = any_keras.layers
    middle = L.SeparableConv2D(
        5, 3, depth_multiplier=2, activation="relu", name="separable"
    )
    model = between(any_keras, middle)
    unread(model, 4)
    weights = middle.get_weights()
    weights[0][:, :, 1] = 0  # nothing of filter 1 gets into the mixing
    weights[1][:, :, 4:6] = 0  # the mixing takes nothing of filter 2
    middle.set_weights(weights)
    small = compact(model)
    assert small.get_layer("first").filters == 1
    found = [w.shape for w in small.get_layer("separable").get_weights()]
    assert found == [(3, 3, 1, 2), (1, 1, 2, 4), (4,)]
    networks.check_equal(model, small)


@pytest.mark.parametrize("name", ["Flatten", "Reshape"])
def test_flat_features_go_with_their_channel(any_keras, name):
    k, L = any_keras, any_keras.layers
    flat = L.Flatten() if name == "Flatten" else L.Reshape((-1,))
    model = between(k, flat, last=L.Dense(2, name="last"), size=2)
    # Features 1, 5, 9 and 13 are channel 1; of channel 2 one is still read.
    unread(model, 1, 5, 9, 13, 2, 6, 10)
    small = compact(model)
    assert first_and_last(small) == (2, (8, 2))
    networks.check_equal(model, small)


def test_a_vector_is_laid_out_into_channels(any_keras):
    k, L = any_keras, any_keras.layers
    layers = [
        k.Input((5,)),
        L.Dense(12, activation="tanh", name="first"),
        L.Reshape((2, 2, 3)),
        L.Conv2D(2, 2, name="last"),
    ]
    model = networks.fill(k.Sequential(layers))
    unread(model, 1)  # units 1, 4, 7 and 10
    small = compact(model)
    assert networks.sizes(small) == {"first": (5, 8), "last": (2, 2, 2, 2)}
    networks.check_equal(model, small)


def test_a_reshape_that_mixes_channels_keeps_all(any_keras):
    k, L = any_keras, any_keras.layers
    last = L.Conv2D(2, 1, name="last")
    model = between(k, L.Reshape((4, 6, 6), name="mix"), last=last)
    unread(model, 1)
    report = CompactionReport()
    small = compact(model, report=report)
    assert first_and_last(small) == (4, (6, 2))
    assert "mixes the places" in report.left_alone["mix"]


def test_one_dimension_and_three(any_keras):
    k, L = any_keras, any_keras.layers
    for inputs, make, pools in (
        ((8, 3), L.Conv1D, [L.MaxPooling1D(2), L.GlobalMaxPooling1D()]),
        (
            (4, 4, 4, 3),
            L.Conv3D,
            [L.AveragePooling3D(2), L.GlobalAveragePooling3D()],
        ),
    ):
        layers = [
            k.Input(inputs),
            make(4, 2, activation="sigmoid", name="first"),
            *pools,
            L.Dense(2, name="last"),
        ]
        model = networks.fill(k.Sequential(layers))
        networks.kill(model.get_layer("first"), units=[0])
        unread(model, 1)
        small = compact(model)
        assert first_and_last(small) == (2, (2, 2))
        networks.check_equal(model, small)


def test_causal_padding_counts_as_padding(any_keras):
    k, L = any_keras, any_keras.layers
    for padding, left in (("causal", 4), ("valid", 3)):
        layers = [
            k.Input((8, 3)),
            L.Conv1D(4, 1, activation="sigmoid", name="first"),
            L.Conv1D(2, 3, padding=padding, name="last"),
        ]
        model = networks.fill(k.Sequential(layers))
        networks.kill(model.get_layer("first"), units=[0])
        small = compact(model)
        assert small.get_layer("first").filters == left
        networks.check_equal(model, small)


# Nothing is known of these, so the four filters before them stay.
OPAQUE = {
    "softmax": (lambda L: L.Activation("softmax", name="it"), "softmax"),
    "Softmax": (lambda L: L.Softmax(name="it"), "no rule for `Softmax`"),
    "LayerNormalization": (
        lambda L: L.LayerNormalization(name="it"),
        "no rule for `LayerNormalization`",
    ),
    "norm axis": (
        lambda L: L.BatchNormalization(axis=1, name="it"),
        r"axis \[1\], not the last",
    ),
    "own function": (
        lambda L: L.Activation(lambda x: x[..., ::-1], name="it"),
        "may mix its channels",
    ),
    "Lambda": (
        lambda L: L.Lambda(lambda x: x[..., ::-1], name="it"),
        "no rule for `Lambda`",
    ),
    "groups": (
        lambda L: L.Conv2D(4, 1, groups=2, name="it"),
        "convolution in groups",
    ),
    "permute": (lambda L: L.Permute((3, 2, 1), name="it"), "moves the axis"),
}


@pytest.mark.parametrize("name", OPAQUE)
def test_what_cannot_be_proven_is_left_alone_with_a_reason(any_keras, name):
    make, reason = OPAQUE[name]
    model = between(any_keras, make(any_keras.layers))
    unread(model, 1)
    report = CompactionReport()
    small = compact(model, report=report)
    assert small.get_layer("first").filters == 4
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(report.left_alone["it"])
    networks.check_equal(model, small)


def test_softmax_of_a_dense_layer_keeps_its_units_but_not_its_inputs(any_keras):
    k, L = any_keras, any_keras.layers
    layers = [
        k.Input((4,)),
        L.Dense(5, activation="relu", name="first"),
        L.Dense(4, activation="softmax", name="middle"),
        L.Dense(2, name="last"),
    ]
    model = networks.fill(k.Sequential(layers))
    networks.kill(model.get_layer("middle"), inputs=[0], units=[3])
    unread(model, 1)
    report = CompactionReport()
    small = compact(model, report=report)
    assert networks.sizes(small) == {
        "first": (4, 4),
        "middle": (4, 4),
        "last": (4, 2),
    }
    assert "softmax" in report.left_alone["middle"]
    networks.check_equal(model, small)


def test_recurrence_and_attention_keep_all_around_them(any_keras):
    k, L = any_keras, any_keras.layers
    x = k.Input((6, 3))
    first = L.Dense(4, activation="relu", name="first")(x)
    states = L.LSTM(4, return_sequences=True, name="lstm")(first)
    mixed = L.MultiHeadAttention(2, 3, name="mha")(states, first)
    wide = L.Dense(5, activation="relu", name="wide")(mixed)
    model = networks.fill(k.Model(x, L.Dense(2, name="last")(wide)))
    networks.kill(model.get_layer("first"), units=[0])
    unread(model, 1, 2)
    report = CompactionReport()
    small = compact(model, report=report)
    assert small.get_layer("first").units == 4
    assert small.get_layer("wide").units == 3  # what stands apart still goes
    assert {"lstm", "mha"} <= set(report.left_alone)
    networks.check_equal(model, small)


def test_layers_that_run_as_in_training_hand_nothing_on(any_keras):
    k, L = any_keras, any_keras.layers
    x = k.Input((4,))
    y = L.Dense(4, activation="sigmoid", name="first")(x)
    y = L.Dropout(0.5, name="drop")(y, training=True)
    model = networks.fill(k.Model(x, L.Dense(2, name="last")(y)))
    networks.kill(model.get_layer("first"), units=[0])
    report = CompactionReport()
    small = compact(model, report=report)
    assert small.get_layer("first").units == 4
    assert "training=True" in report.left_alone["drop"]


def test_channels_first_is_left_alone(any_keras):
    k, L = any_keras, any_keras.layers
    layers = [
        k.Input((3, 6, 6)),
        L.Conv2D(4, 1, data_format="channels_first", name="first"),
        L.Flatten(),
        L.Dense(2, name="last"),
    ]
    model = networks.fill(k.Sequential(layers))
    networks.kill(model.get_layer("first"), units=[0])
    report = CompactionReport()
    small = compact(model, report=report)
    assert small.get_layer("first").filters == 4
    assert "channels_first" in report.left_alone["first"]
