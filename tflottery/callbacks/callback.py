"""`Callback`: a callback for `fit` of both Keras families.

A Keras 3 callback lacks a few things that tf_keras asks of every callback
before it trains. They are added here, so that one class serves both and
nothing of tf_keras is needed to say so. Here too is what all callbacks need
to know of the other workers, where several train one model.
"""

from __future__ import annotations

from typing import Any

import keras

from tflottery.callbacks import counting
from tflottery.core import measurements
from tflottery.distribution.workers import Workers


class Callback(keras.callbacks.Callback):
    """Base of all callbacks here; `fit` of either family takes it.

    Batch hooks that are not overridden cost nothing. Those that are get their
    `logs` as tensors under tf_keras, as long as no other callback asks for
    numbers: converting them would wait for the device at every batch.

    Example:
        >>> import keras, numpy as np
        >>> class Steps(Callback):
        ...     seen = 0
        ...     def on_train_batch_end(self, batch, logs=None):
        ...         self.seen += 1
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> steps = Steps()
        >>> history = model.fit(np.ones((6, 2)), np.ones((6, 1)), batch_size=2,
        ...                     verbose=0, callbacks=[steps])
        >>> steps.seen
        3
    """

    # What tf_keras looks up; Keras 3 has no use for it.
    validation_data = None
    _chief_worker_only = None
    _supports_tf_logs = True
    _per_execution = 1
    _workers: Workers | None = None

    def set_model(self, model):
        """Takes the model, and notes how it was compiled."""
        super().set_model(model)
        self._workers = None
        if model is not None:
            self._per_execution = counting.steps_per_execution(model)

    @property
    def workers(self) -> Workers:
        """The workers that train the model, of which this process is one.

        All of them call the hooks alike; what is written to files or to the
        screen is the chief's to write.
        """
        if self._workers is None:
            self._workers = Workers(
                getattr(self.model, "distribute_strategy", None)
            )
        return self._workers

    def evaluate(self, data: Any) -> dict[str, Any]:
        """Evaluates the model in the midst of `fit`.

        Args:
            data: a tuple `(x, y)` or `(x, y, sample_weight)`, or what else
                `model.evaluate` takes.

        Returns:
            `{name: value}` of the loss and the metrics; a list of a metric
            that is several numbers.
        """
        names = ("x", "y", "sample_weight")  # what comes third is no batch size
        if not isinstance(data, tuple | list):
            data = (data,)
        found = self.model.evaluate(
            **dict(zip(names, data, strict=False)), verbose=0, return_dict=True
        )
        return measurements.as_numbers(found)

    def stop_training(self):
        """Ends `fit` after the present execution."""
        self.model.stop_training = True
        self.settle_execution()

    def settle_execution(self):
        """Undoes what tf_keras does for the last execution of an epoch.

        If that is shorter than the others, tf_keras writes its length into
        the model's `steps_per_execution`, and back before the next epoch. A
        `fit` that is stopped there would leave it in the model; a test
        function that is made there may leave out batches ever after.
        """
        counting.set_steps_per_execution(self.model, self._per_execution)

    def _implements_train_batch_hooks(self):
        return self._overrides("on_train_batch", "on_batch")

    def _implements_test_batch_hooks(self):
        return self._overrides("on_test_batch")

    def _implements_predict_batch_hooks(self):
        return self._overrides("on_predict_batch")

    def _overrides(self, *hooks):
        return any(
            not getattr(getattr(self, f"{hook}_{side}"), "_is_default", False)
            for hook in hooks
            for side in ("begin", "end")
        )


def check_evaluation_data(name: str, data: Any) -> None:
    """Refuses what has too many parts, or none, or can be read only once.

    Args:
        name: Of the argument, for the message.
        data: As `Callback.evaluate` takes it, or `None`.

    Raises:
        ValueError: It has too many parts, or none, or is a generator.
    """
    if hasattr(data, "__next__"):
        raise ValueError(
            f"`{name}` must be data that can be read again: it is evaluated "
            f"after each round. Received: a {type(data).__name__}, which ends "
            "when it has been read once. Use arrays, a `tf.data.Dataset` "
            "(`tf.data.Dataset.from_generator`) or a `PyDataset`."
        )
    if isinstance(data, tuple | list) and not 1 <= len(data) <= 3:
        raise ValueError(
            f"`{name}` must be (x, y), (x, y, sample_weight) or a data set. "
            f"Received: a {type(data).__name__} of {len(data)} parts. Several "
            "inputs go into one part: ((a, b), y)."
        )
