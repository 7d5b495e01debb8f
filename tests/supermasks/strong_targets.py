"""Small targets for tests of strong tickets, and inputs for them."""

import numpy as np


def uniform(model, seed, largest=1.0):
    """Gives all weights of a model values drawn from [-largest, largest]."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [
            rng.uniform(-largest, largest, np.shape(weight))
            for weight in model.get_weights()
        ]
    )
    return model


def dense(of, sizes=(4, 8, 8, 2), *, seed=0, use_bias=True, last=None):
    """A dense ReLU network, weights and biases uniform on [-1, 1]."""
    layers = [
        of.layers.Dense(n, activation="relu", use_bias=use_bias, name=f"fc{i}")
        for i, n in enumerate(sizes[1:-1], 1)
    ]
    head = of.layers.Dense(
        sizes[-1], activation=last, use_bias=use_bias, name="head"
    )
    model = of.Sequential([of.Input((sizes[0],)), *layers, head], name="target")
    return uniform(model, seed)


def convolutional(of, *, seed=0):
    """Convolutions with padding, strides and biases; pooling; a head."""
    layers = of.layers
    model = of.Sequential(
        [
            of.Input((7, 6, 2)),
            layers.Conv2D(3, 3, padding="same", name="conv1"),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.ZeroPadding2D(1),
            layers.Conv2D(
                3,
                (2, 3),
                strides=(2, 2),
                padding="same",
                activation="tanh",
                name="conv2",
            ),
            layers.Conv2D(2, 1, use_bias=False, name="conv3"),
            layers.Activation("relu"),
            layers.AveragePooling2D((1, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(2, activation="softmax", name="head"),
        ],
        name="target",
    )
    return uniform(model, seed, 0.5)


def box(shape, *, seed=0, least=-1.0, count=300):
    """Inputs from the box [least, 1], its corners among them."""
    rng = np.random.default_rng(seed)
    inside = rng.uniform(least, 1.0, (count, *shape))
    corners = np.where(rng.random((count, *shape)) < 0.5, least, 1.0)
    return np.concatenate([inside, corners]).astype(np.float32)
