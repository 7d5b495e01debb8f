"""Counting the steps of a gradual schedule inside a tf_keras model.

As in TF-MOT the wrapper counts, so that a loop which tells nobody of its
batches still moves the schedule on. It is one addition in the step; what to
do at a step is decided on the host.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tflottery.layers.settings import missing_callback
from tflottery.tfmot import guard


class StepCounter:
    """Counts the training steps that a wrapper is called in, once each."""

    def __init__(self):
        self._counted_in: Callable[[], Any] = lambda: None

    def count(self, wrapper: Any) -> None:
        """Counts a call, if it is for training.

        Args:
            wrapper: its `pruning_step` is moved on.

        Raises:
            RuntimeError: nobody follows the schedule.
        """
        training = is_training()
        is_known = isinstance(training, (bool, int))
        if is_known and not training:
            return
        is_saved = guard.call_context().saving  # traced, not trained
        if is_known and wrapper.step_source is None and not is_saved:
            _check_followed(wrapper)
        if not tf.executing_eagerly():
            graph = tf.compat.v1.get_default_graph()
            if graph is self._counted_in():
                return  # a second use of the layer in the same step
            self._counted_in = weakref.ref(graph)
        wrapper.pruning_step.assign_add(tf.cast(training, tf.int64))


def is_training() -> Any:
    """Returns whether the call that is being made is for training.

    Returns:
        A bool or an int, or a tensor where only the graph will know.
    """
    training = guard.call_context().training
    if training is None:
        training = guard.tf_keras().backend.learning_phase()
    return training


def _check_followed(wrapper):
    with tf.init_scope():
        if tf.executing_eagerly() and int(wrapper.pruning_step) < 0:
            wrapper.refused_training = True
            raise RuntimeError(missing_callback(wrapper))
