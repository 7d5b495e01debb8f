"""Small networks with a copy on each of two replicas, for tests."""

import numpy as np

from tflottery.layers import evidence, slots, state

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 6))
Y = np.argmax(X @ RNG.normal(size=(6, 4)), axis=1)


def network(keras, kind="sequential"):
    """In 64 bits, so that sums in another order keep the order of weights."""
    init = [keras.initializers.GlorotUniform(seed) for seed in (1, 2)]
    first = keras.layers.Dense(
        8, "relu", kernel_initializer=init[0], dtype="float64", name="first"
    )
    last = keras.layers.Dense(
        4, kernel_initializer=init[1], dtype="float64", name="last"
    )
    if kind == "sequential":
        return keras.Sequential(
            [keras.Input((6,), dtype="float64"), first, last]
        )
    if kind == "functional":
        x = keras.Input((6,), dtype="float64")
        return keras.Model(x, last(first(x)))
    if kind == "not built":
        return keras.Sequential([first, last])

    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = first, last

        def call(self, x):
            return self.last(self.first(x))

    model = Subclassed()
    model(np.zeros((1, 6)))
    return model


def compile_model(model, keras):
    model.compile(
        keras.optimizers.SGD(0.3, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def stored(variable):
    """Returns TensorFlow's variable inside one of Keras 3."""
    return getattr(variable, "_value", variable)


def copies(variable):
    return [copy.numpy() for copy in stored(variable).values]


def masks_of(model):
    return [
        mask
        for wrapper in evidence.wrappers(model)
        for _, mask in wrapper.masked_weights.values()
    ]


def check_replicas_agree(model):
    """All copies are equal, bit for bit; there are at least ten variables."""
    state.variables(model)  # the optimizer is built if it was not
    held = [
        *masks_of(model),
        *model.trainable_variables,
        *slots.variables(model.optimizer).values(),
    ]
    visited = 0
    for variable in held:
        first, second = copies(variable)
        np.testing.assert_array_equal(first, second)
        visited += 1
    assert visited >= 2 + 4 + 4
    return visited
