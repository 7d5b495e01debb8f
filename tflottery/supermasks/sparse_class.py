"""The layers that store kept edges only, for whichever Keras family asks.

The expansion of a dense layer keeps one weight into each unit, and of the
contraction a few in a thousand are kept; stored as matrices they would be
hundreds of times the size. The families have no base class in common, and
only one of them may be loaded, so the classes are made by a function.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_UNITS_DOC = """ReLU units that each see one entry of the input.

    Unit u gives ReLU(kernel[u] * x[source[u]] + bias[u]). Made by
    `tflottery.supermasks` for the hidden units of a strong ticket that are
    kept; its weights are not trained.

    Args:
        units: number of units.
        use_bias: whether there is a bias. Defaults to `True`.
        **kwargs: `name`, `dtype`, ... of every layer.
    """

_EDGES_DOC = """A dense layer without bias of which few edges are kept.

    Output o is the sum of kernel[e] * x[source[e]] over the edges e with
    destination[e] == o, put through the activation. Made by
    `tflottery.supermasks`; its weights are not trained. XLA knows no sparse
    product, so it is not compiled with it.

    Args:
        units: number of outputs.
        edges: number of edges.
        activation: name of an activation. Defaults to none.
        **kwargs: `name`, `dtype`, ... of every layer.
    """


def make(of: Any, module: str) -> tuple[type, type]:
    """Makes the two classes for one Keras family.

    Args:
        of: the module `keras` or `tf_keras`.
        module: name of the module where the classes will be found.

    Returns:
        `SingleInputUnits` and `SparseDense`.
    """

    class SingleInputUnits(of.layers.Layer):
        def __init__(self, units, use_bias=True, **kwargs):
            kwargs.setdefault("trainable", False)
            super().__init__(**kwargs)
            self.units = units
            self.use_bias = use_bias

        def build(self, input_shape):
            """Makes the weights, and the table of what each unit sees."""
            self.kernel = _weight(self, "kernel", self.units)
            if self.use_bias:
                self.bias = _weight(self, "bias", self.units)
            self.source = _table(self, "source", self.units)
            self.built = True

        def call(self, inputs):
            """Returns the units' values, of shape (..., units)."""
            seen = tf.gather(inputs, tf.convert_to_tensor(self.source), axis=-1)
            values = seen * tf.convert_to_tensor(self.kernel)
            if self.use_bias:
                values += tf.convert_to_tensor(self.bias)
            return tf.nn.relu(values)

        def compute_output_shape(self, input_shape):
            """Returns the input's shape with the units last."""
            return (*input_shape[:-1], self.units)

        def get_config(self):
            """Returns the arguments."""
            return {
                **super().get_config(),
                "units": self.units,
                "use_bias": self.use_bias,
            }

    class SparseDense(of.layers.Layer):
        def __init__(self, units, edges, activation=None, **kwargs):
            kwargs.setdefault("trainable", False)
            super().__init__(**kwargs)
            self.units = units
            self.edges = edges
            self.activation = of.activations.get(activation)
            self.supports_jit = False

        def build(self, input_shape):
            """Makes the weights, and the tables of the edges' ends."""
            self.num_sources = int(input_shape[-1])
            self.kernel = _weight(self, "kernel", self.edges)
            self.source = _table(self, "source", self.edges)
            self.destination = _table(self, "destination", self.edges)
            self.built = True

        def call(self, inputs):
            """Returns the sums, of shape (..., units)."""
            flat = tf.reshape(inputs, (-1, self.num_sources))
            ends = tf.stack(
                [
                    tf.convert_to_tensor(self.destination),
                    tf.convert_to_tensor(self.source),
                ],
                axis=1,
            )
            matrix = tf.SparseTensor(
                tf.cast(ends, tf.int64),
                tf.convert_to_tensor(self.kernel),
                (self.units, self.num_sources),
            )
            # By columns of the transpose each edge reads and writes a row.
            sums = tf.sparse.sparse_dense_matmul(matrix, tf.transpose(flat))
            shape = tf.concat([tf.shape(inputs)[:-1], [self.units]], axis=0)
            sums = tf.reshape(tf.transpose(sums), shape)
            sums.set_shape((*inputs.shape[:-1], self.units))
            return self.activation(sums)

        def compute_output_shape(self, input_shape):
            """Returns the input's shape with the outputs last."""
            return (*input_shape[:-1], self.units)

        def get_config(self):
            """Returns the arguments."""
            return {
                **super().get_config(),
                "units": self.units,
                "edges": self.edges,
                "activation": of.activations.serialize(self.activation),
            }

    classes = []
    for made, doc in (
        (SingleInputUnits, _UNITS_DOC),
        (SparseDense, _EDGES_DOC),
    ):
        made.__doc__, made.__module__ = doc, module
        made.__qualname__ = made.__name__
        register = of.saving.register_keras_serializable("tflottery")
        classes.append(register(made))
    return tuple(classes)


def _weight(layer, name, size):
    return layer.add_weight(
        shape=(size,), initializer="zeros", trainable=False, name=name
    )


def _table(layer, name, size):
    return layer.add_weight(
        shape=(size,),
        dtype="int32",
        initializer="zeros",
        trainable=False,
        name=name,
    )
