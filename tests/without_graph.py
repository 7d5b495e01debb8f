"""Models in which nothing says which layer feeds which."""

import numpy as np


def unbuilt(k):
    """A Sequential model without an Input, in the Keras `k`."""
    return k.Sequential([k.layers.ZeroPadding2D(1), k.layers.Conv2D(4, 1)])


def subclassed(k):
    """A model named `own`, of a class with a `call` of its own."""

    class Own(k.Model):
        def __init__(self):
            super().__init__(name="own")
            self.conv = k.layers.Conv2D(2, 1)

        def call(self, x):
            return self.conv(x)

    model = Own()
    model(np.zeros((1, 8, 8, 3), "float32"))
    return model
