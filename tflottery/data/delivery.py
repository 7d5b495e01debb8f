"""Delivery: how finished batches leave a pipeline, whatever made them."""

from __future__ import annotations

import tensorflow as tf


def delivered(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns batches in a fixed order, some of them ready in advance.

    Autotuning is turned off, unless the pipeline itself has turned it on: its
    thread now and then misses that an iterator has ended, and whoever ends
    it then waits until that thread wakes up by itself, which takes as long as
    the iterator has lived, up to a minute. `AUTOTUNE` then means a thread for
    each core.

    Args:
        batches: What is delivered.
    """
    options = tf.data.Options()
    options.deterministic = True
    # What a pipeline has been set to cannot be read while one is traced.
    if not (tf.executing_eagerly() and batches.options().autotune.enabled):
        options.autotune.enabled = False
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)
