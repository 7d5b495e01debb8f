"""Small networks with many zeros, converted by TensorFlow's own converter."""

import warnings

import keras
import numpy as np
import tensorflow as tf

MODES = ("float32", "float16", "dynamic_range", "int8")


def prune(model, sparsity=0.9, seed=0):
    """Sets a share of all weights but vectors to zero; returns the model."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if len(variable.shape) > 1:
            value = np.asarray(variable)
            variable.assign(value * (rng.random(value.shape) >= sparsity))
    return model


def in_blocks(shape, block, kept=0.2, seed=0):
    """A matrix of which only some blocks are not zero."""
    rng = np.random.default_rng(seed)
    counts = [-(-size // side) for size, side in zip(shape, block, strict=True)]
    mask = np.kron(rng.random(counts) < kept, np.ones(block))
    values = rng.standard_normal(shape) + 3.0
    return (values * mask[: shape[0], : shape[1]]).astype("float32")


def dense(kernel):
    """A network of one Dense layer with this kernel and no bias."""
    inputs, units = kernel.shape
    layer = keras.layers.Dense(units, use_bias=False)
    model = keras.Sequential([keras.Input((inputs,)), layer])
    layer.kernel.assign(kernel)
    return model


def convert(model, mode="float32", sparse=True):
    """The bytes of a .tflite file that takes one example at a time."""
    (given,) = model.inputs
    shape = (1, *given.shape[1:])
    spec = tf.TensorSpec(shape, given.dtype)
    function = tf.function(lambda x: model(x)).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    optimize = tf.lite.Optimize
    wanted = [] if mode == "float32" else [optimize.DEFAULT]
    if sparse:
        wanted.append(optimize.EXPERIMENTAL_SPARSITY)
    converter.optimizations = wanted
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if mode == "int8":
        rng = np.random.default_rng(0)
        examples = rng.random((4, *shape), dtype=np.float32)
        converter.representative_dataset = lambda: ([e] for e in examples)
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8
        ]
    with warnings.catch_warnings():
        # The converter asks for what it then finds in the examples.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs")
        return converter.convert()


def convert_with_signature(model):
    """The bytes of a dense .tflite file, by the way that names its ends."""
    return tf.lite.TFLiteConverter.from_keras_model(model).convert()


def kernels(model):
    """The kernels of a model as TFLite turns them, `{shape: array}`."""
    found = {}
    for layer in model.layers:
        for variable in layer.weights:
            value = np.asarray(variable)
            kind = type(layer).__name__
            if kind == "Dense" and value.ndim == 2:
                value = value.T
            elif kind == "Conv2D" and value.ndim == 4:
                value = value.transpose(3, 0, 1, 2)
            elif kind == "Conv2DTranspose" and value.ndim == 4:
                value = value.transpose(2, 0, 1, 3)
            elif kind == "DepthwiseConv2D" and value.ndim == 4:
                value = value.transpose(3, 0, 1, 2)
            found[value.shape] = value
    return found


def run(content, given):
    """What LiteRT makes of an input, without XNNPACK."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=(
            OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
