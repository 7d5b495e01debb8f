"""Which weights: the table of layers, pruned as TF-MOT prunes them."""

import contextlib

import numpy as np
import pytest
import side_by_side as sides
import tf_keras

import tflottery

SEQUENCE, IMAGE, VIDEO = (6, 3), (5, 5, 3), (4, 4, 4, 2)

# Name of the layer class, arguments, shape of an input.
LAYERS = {
    "Dense": ("Dense", (3,), (4,)),
    "Conv1D": ("Conv1D", (3, 2), SEQUENCE),
    "Conv2D": ("Conv2D", (3, 2), IMAGE),
    "Conv3D": ("Conv3D", (3, 2), VIDEO),
    "Conv2DTranspose": ("Conv2DTranspose", (3, 2), IMAGE),
    "Conv3DTranspose": ("Conv3DTranspose", (3, 2), VIDEO),
    "DepthwiseConv2D": ("DepthwiseConv2D", (2,), IMAGE),
    "SeparableConv1D": ("SeparableConv1D", (3, 2), SEQUENCE),
    "SeparableConv2D": ("SeparableConv2D", (3, 2), IMAGE),
    "Embedding": ("Embedding", (7, 4), (6,)),
    "LSTM": ("LSTM", (4,), SEQUENCE),
    "GRU": ("GRU", (4,), SEQUENCE),
    "SimpleRNN": ("SimpleRNN", (4,), SEQUENCE),
    "RNN of a cell": (("RNN", "LSTMCell"), (4,), SEQUENCE),
    "RNN of stacked cells": (
        ("RNN", "StackedRNNCells", "GRUCell"),
        (4,),
        SEQUENCE,
    ),
    "MultiHeadAttention": ("MultiHeadAttention", (2, 4), SEQUENCE),
    "BatchNormalization": ("BatchNormalization", (), (4,)),
    "LayerNormalization": ("LayerNormalization", (), (4,)),
    "Dropout": ("Dropout", (0.5,), (4,)),
    "MaxPooling2D": ("MaxPooling2D", (2,), IMAGE),
    "Flatten": ("Flatten", (), IMAGE),
}

# Where TF-MOT refuses the model and the layer is pruned here.
REFUSED = {
    "Conv1DTranspose": ("Conv1DTranspose", (3, 2), SEQUENCE),
    "Bidirectional": (("Bidirectional", "LSTM"), (4,), SEQUENCE),
    "TimeDistributed": (("TimeDistributed", "Dense"), (4,), SEQUENCE),
    "EinsumDense": ("EinsumDense", ("abc,cd->abd", (None, 4)), SEQUENCE),
    "ConvLSTM2D": ("ConvLSTM2D", (2, 2), (3, 5, 5, 2)),
}


def make(family, classes, arguments):
    names = (classes,) if isinstance(classes, str) else classes
    layer = getattr(family.layers, names[-1])(*arguments)
    for name in reversed(names[:-1]):
        outer = getattr(family.layers, name)
        if name == "StackedRNNCells":
            other = getattr(family.layers, names[-1])(*arguments)
            layer = outer([layer, other])
        else:
            layer = outer(layer)
    return layer


def network(family, classes, arguments, shape):
    inputs = family.Input(shape)
    layer = make(family, classes, arguments)
    twice = [inputs] * (2 if classes == "MultiHeadAttention" else 1)
    return family.Model(inputs, layer(*twice))


def ours(family, *row):
    """Returns the sorted shapes of the weights that get masks."""
    model = network(family, *row)
    expect = contextlib.nullcontext()
    if not is_pruned(row):
        expect = pytest.warns(UserWarning, match="nothing to prune")
    with expect:
        model = tflottery.prune_low_magnitude(model)
    return sorted(
        tuple(weight.shape)
        for layer in model.layers
        for weight, _ in getattr(layer, "masked_weights", {}).values()
    )


def is_pruned(row):
    name = row[0]
    return not isinstance(name, str) or not name.startswith(
        ("Depthwise", "Batch", "LayerNorm", "Dropout", "MaxPool", "Flatten")
    )


def theirs(tfmot, *row):
    model = tfmot.prune_low_magnitude(network(tf_keras, *row))
    (wrapper,) = sides.tfmot_wrappers(model)
    return sorted(tuple(w.shape) for w, _, _ in wrapper.pruning_vars)


@pytest.mark.parametrize("name", LAYERS)
def test_the_same_weights_are_pruned_as_by_tfmot(name, any_keras, tfmot):
    found = ours(any_keras, *LAYERS[name])
    assert found == theirs(tfmot, *LAYERS[name])
    assert bool(found) == is_pruned(LAYERS[name])


def test_the_depthwise_half_of_a_separable_convolution_stays_dense(any_keras):
    model = network(any_keras, *LAYERS["SeparableConv2D"])
    model = tflottery.prune_low_magnitude(model)
    (path,) = sides.mask_of(model)
    assert path.endswith("pointwise_kernel")


@pytest.mark.parametrize("name", REFUSED)
def test_what_tfmot_refuses_is_pruned_by_its_kernels(name, any_keras, tfmot):
    with pytest.raises(ValueError, match="supported layer|cell type"):
        tfmot.prune_low_magnitude(network(tf_keras, *REFUSED[name]))
    found = ours(any_keras, *REFUSED[name])
    assert found and all(len(shape) >= 2 for shape in found)


@pytest.mark.parametrize("name", [n for n in LAYERS if is_pruned(LAYERS[n])])
def test_each_layer_reaches_its_sparsity_and_strips_to_the_same_function(
    name, any_keras
):
    row = LAYERS[name]
    family = any_keras
    model = network(family, *row)
    schedule = tflottery.ConstantSparsity(0.5, 2, frequency=1)
    model = tflottery.prune_low_magnitude(model, schedule)
    model.compile(family.optimizers.SGD(0.01, momentum=0.9), "mse")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 7, size=(6, *row[2])).astype("float32")
    y = rng.normal(size=model(x[:6]).shape).astype("float32")
    update = tflottery.UpdatePruningStep()
    model.fit(x, y, batch_size=2, epochs=2, verbose=0, callbacks=[update])
    arrays = sides.masked_arrays(model)
    kept = [int(np.count_nonzero(array)) for array in arrays]
    assert kept == [round(0.5 * array.size) for array in arrays]
    wrapped = np.asarray(model(x))
    stripped = tflottery.strip_pruning(model)
    assert not any(hasattr(la, "masked_weights") for la in stripped.layers)
    np.testing.assert_array_equal(np.asarray(stripped(x)), wrapped)
    zeros = sum(int((w == 0).sum()) for w in stripped.get_weights())
    assert zeros >= sum(array.size for array in arrays) - sum(kept)
