"""Where the loop around steps is: in the compiled program, or around it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tflottery.lottery import compiling
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.engines import loops, operations

CPU, GPU = "/job:localhost/replica:0/task:0/device:CPU:0", "/device:GPU:0"
IMAGES = tf.TensorSpec([2, 6, 6, 3])


def layers(k):
    """What convolves, forwards or in its gradient alone, and what does not."""
    return {
        "dense": [k.layers.Flatten(), k.layers.Dense(2)],
        "pooled": [k.layers.MaxPooling2D(), k.layers.AveragePooling2D(2)],
        "Conv1D": [k.layers.Reshape((36, 3)), k.layers.Conv1D(2, 3)],
        "Conv2D": [k.layers.Conv2D(2, 3)],
        "Conv3D": [k.layers.Reshape((6, 6, 3, 1)), k.layers.Conv3D(2, 2)],
        "transposed": [k.layers.Conv2DTranspose(2, 3)],
        "depthwise": [k.layers.DepthwiseConv2D(3)],
        "separable": [k.layers.SeparableConv2D(2, 3)],
        "ConvLSTM": [
            k.layers.Reshape((6, 6, 3, 1)),
            k.layers.ConvLSTM2D(2, 3),
        ],
        "nested": [k.Sequential([k.layers.Conv2D(2, 3)])],
    }


CONVOLVES = {
    "dense": False,
    "pooled": False,
    "Conv1D": True,
    "Conv2D": True,
    "Conv3D": True,
    "transposed": True,
    "depthwise": True,
    "separable": True,
    "ConvLSTM": True,
    "nested": True,
}


def built(k, name):
    return k.Sequential([k.Input((6, 6, 3)), *layers(k)[name]])


@pytest.mark.parametrize(("name", "expected"), CONVOLVES.items())
def test_xla_is_left_out_for_convolutions_on_a_cpu(any_keras, name, expected):
    """Unless it was asked for; and whoever says no gets none."""
    for asked, jit_compile in [
        (None, not expected),
        (True, True),
        (False, False),
    ]:
        model = built(any_keras, name)
        config = SearchConfig(
            jit_compile=asked, keras=any_keras.__name__.split(".")[0]
        )
        optimizer = compiling.make_optimizer(config, any_keras)
        compiling.compile_for(model, config, optimizer=optimizer, loss="mse")
        assert bool(model.jit_compile) is jit_compile


@pytest.mark.parametrize(("name", "expected"), CONVOLVES.items())
def test_steps_that_convolve_are_found(any_keras, name, expected):
    model = built(any_keras, name)
    step = tf.function(lambda x: model(x), autograph=False)
    inner = tf.function(lambda x: step(x), autograph=False)
    for function in (step, inner):
        found = operations.convolves(function.get_concrete_function(IMAGES))
        assert found is expected


def test_a_gradient_alone_is_found_too():
    kernel = tf.zeros([3, 3, 3, 2])
    backprop = tf.raw_ops.Conv2DBackpropInput

    @tf.function
    def step(gradient):
        return backprop(
            input_sizes=[2, 6, 6, 3],
            filter=kernel,
            out_backprop=gradient,
            strides=[1, 1, 1, 1],
            padding="VALID",
        )

    shape = tf.TensorSpec([2, 4, 4, 2])
    assert operations.convolves(step.get_concrete_function(shape))


@pytest.mark.parametrize(
    ("layer", "jit_compile", "device", "whole"),
    [
        ("dense", True, CPU, True),
        ("Conv2D", True, CPU, False),
        ("Conv2D", True, GPU, True),
        ("dense", None, CPU, False),
        ("Conv2D", None, GPU, False),
    ],
)
def test_the_loop_is_compiled_with_its_steps_where_that_is_faster(
    layer, jit_compile, device, whole
):
    model = built(keras, layer)
    total = tf.Variable(0.0)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def step(images):
        total.assign_add(tf.reduce_sum(model(images)))

    def loop(images, times):
        loops.repeat(lambda number: step(images[number]), times)

    one = step.get_concrete_function(IMAGES)
    found = loops.compiled(loop, one, device)
    images = np.random.default_rng(0).random((3, *IMAGES.shape), np.float32)
    images, times = tf.constant(images), tf.constant(2)
    attributes = found.get_concrete_function(images, times).function_def.attr
    assert ("_XlaMustCompile" in attributes) is whole
    assert ("_XlaMustCompile" in one.function_def.attr) is bool(jit_compile)

    found(images, times)  # the first two of three
    expected = float(tf.reduce_sum(model(tf.reshape(images[:2], (4, 6, 6, 3)))))
    assert float(total) == pytest.approx(expected, rel=1e-4)
