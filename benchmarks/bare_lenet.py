"""`BareLenet`: LeNet-300-100 by hand, as fast as plain TensorFlow has it.

No Keras, no masks, no metrics but the loss: the least that such training can
cost with XLA on this machine. Many steps are one program, and a batch is
gathered inside it, by row number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.searching import LEARNING_RATE
from tflottery.data.delivery import delivered

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7


class BareLenet:
    """The network, its optimizer and the program that trains it.

    Args:
        data: A `tflottery.data.InMemoryDataset` of images.
        batch_size: Examples in a step.
        steps_per_call: Steps that one call of the program takes.

    Attributes:
        weights: Kernel and bias of each layer, as variables.
        validation: Program that returns loss and accuracy on the validation
            data, in one product for each layer.
    """

    def __init__(self, data: Any, batch_size: int, steps_per_call: int):
        self._data = data
        self._batch_size = batch_size
        self._steps_per_call = steps_per_call
        generator = np.random.default_rng(0)
        sizes = [int(np.prod(data.input_shape)), 300, 100, data.num_classes]
        self.weights = []
        for inputs, units in zip(sizes, sizes[1:], strict=False):
            scale = np.sqrt(2 / (inputs + units))
            kernel = generator.standard_normal((inputs, units)) * scale
            self.weights += [
                tf.Variable(kernel, dtype=tf.float32),
                tf.Variable(tf.zeros(units)),
            ]
        self._slots = [
            [tf.Variable(tf.zeros_like(weight)) for weight in self.weights]
            for _ in range(2)
        ]
        self._step = tf.Variable(0)
        self._program = self._compiled()
        self.validation = self._compiled_validation()

    def train(self, steps: int, validate: bool = False) -> None:
        """Takes so many steps; they must fill whole calls.

        Args:
            steps: How many.
            validate: Whether to call `validation` after each call.

        Raises:
            RuntimeError: They were not taken.
        """
        rows = self._data.train_rows(self._batch_size, seed=0)
        rows = rows.batch(self._steps_per_call, drop_remainder=True)
        loss: Any = np.nan
        for chunk in delivered(rows.take(steps // self._steps_per_call)):
            loss = self._program(chunk)
            if validate:
                self.validation()
        if int(self._step) != steps or not np.isfinite(float(loss)):
            raise RuntimeError(
                f"Bare training was to take {steps} steps. Received: "
                f"{int(self._step)} steps, loss={float(loss)}. What was timed "
                "did not do the work."
            )

    def _compiled(self):
        part = self._data.resident("train")

        @tf.function(jit_compile=True, autograph=False)
        def program(rows):
            def step(number, _):
                return number + 1, self._train(*part.batch(rows[number]))

            return tf.while_loop(
                lambda number, _: number < self._steps_per_call,
                step,
                [tf.constant(0), tf.constant(0.0)],
            )[1]

        return program

    def _compiled_validation(self):
        part = self._data.resident("validation").in_order()

        @tf.function(jit_compile=True, autograph=False)
        def program():
            logits = self._logits(part.scaled(part.inputs))
            found = tf.argmax(logits, 1, output_type=tf.int32)
            hits = tf.cast(found == part.labels, tf.float32)
            return _loss(logits, part.labels), tf.reduce_mean(hits)

        return program

    def _train(self, x, y):
        with tf.GradientTape() as tape:
            loss = _loss(self._logits(x), y)
        gradients = tape.gradient(loss, self.weights)
        count = tf.cast(self._step.assign_add(1), tf.float32)
        rate = (
            LEARNING_RATE
            * tf.sqrt(1 - tf.pow(_BETA_2, count))
            / (1 - tf.pow(_BETA_1, count))
        )
        for weight, first, second, gradient in zip(
            self.weights, *self._slots, gradients, strict=True
        ):
            first.assign_add((gradient - first) * (1 - _BETA_1))
            second.assign_add((gradient * gradient - second) * (1 - _BETA_2))
            weight.assign_sub(rate * first / (tf.sqrt(second) + _EPSILON))
        return loss

    def _logits(self, images):
        values = tf.reshape(images, (images.shape[0], -1))
        kernels, biases = self.weights[::2], self.weights[1::2]
        for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
            values = tf.nn.relu(tf.matmul(values, kernel) + bias)
        return tf.matmul(values, kernels[-1]) + biases[-1]


def _loss(logits, labels):
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    )
