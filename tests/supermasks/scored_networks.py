"""Small networks for the tests of trained supermasks, of either family."""

import numpy as np

SIZES = (6, 16, 3)


def dense(keras, use_bias=False, dtype=None):
    """A chain of two dense layers, built: 96 and 48 weights."""
    keras.utils.set_random_seed(1)
    x = keras.Input((SIZES[0],))
    hidden = keras.layers.Dense(
        SIZES[1], "relu", use_bias=use_bias, name="fc1", dtype=dtype
    )(x)
    out = keras.layers.Dense(
        SIZES[2], use_bias=use_bias, name="fc2", dtype=dtype
    )(hidden)
    return keras.Model(x, out, name="small")


def batch(examples=48, seed=0):
    """Examples of three classes that a small network can tell apart."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(examples, SIZES[0])).astype(np.float32)
    return x, np.argmax(x[:, :3] + 0.3 * x[:, 3:], axis=1).astype(np.int32)


def compiled(keras, model, learning_rate=0.1, **options):
    """The model, compiled as the paper trains edge-popup."""
    model.compile(
        optimizer=keras.optimizers.SGD(
            learning_rate, momentum=0.9, weight_decay=1e-3
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **options,
    )
    return model


def everything(layer):
    """All values of a wrapped model but scores and what follows from them."""
    from tflottery.layers import paths

    return {
        path: variable.numpy()
        for path, variable in paths.variables(layer).items()
    }
