"""Delivery: an order that is fixed, and no autotuning nobody asked for."""

import numpy as np
import pytest
import tensorflow as tf

from tflottery import data
from tflottery.data.delivery import delivered

PAIR = np.zeros((20, 2), np.float32), np.zeros(20, np.int32)


def in_memory():
    return data.InMemoryDataset(
        "zeros", train=PAIR, test=PAIR, num_classes=2, validation=5
    )


def images():
    pair = np.zeros((20, 4, 4, 1), np.float32), PAIR[1]
    held = data.InMemoryDataset("zeros", train=pair, test=None, num_classes=2)
    return data.augment(held, "none")


def streaming():
    source = tf.data.Dataset.from_tensor_slices(PAIR)
    return data.StreamingDataset(
        "zeros",
        train=source,
        validation=source,
        test=source,
        input_shape=(2,),
        num_classes=2,
    )


def pipelines(of):
    return [
        of.train_batches(5, seed=0),
        of.validation_batches(5),
        of.test_batches(5),
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda: pipelines(in_memory()),
        lambda: pipelines(streaming()),
        lambda: [images().train_batches(5, seed=0)],
    ],
    ids=["in memory", "streaming", "augmented"],
)
def test_no_thread_for_tuning_outlives_an_iterator(make):
    """It held up the end of a `fit` for as long as the `fit` had taken."""
    for batches in make():
        assert batches.options().autotune.enabled is False


def test_who_asks_for_autotuning_keeps_it():
    options = tf.data.Options()
    options.autotune.enabled = True
    source = tf.data.Dataset.range(3).with_options(options)
    assert delivered(source).options().autotune.enabled is True


def test_elements_come_in_their_order_even_if_they_are_not_ready_in_it():
    options = tf.data.Options()
    options.deterministic = False
    source = tf.data.Dataset.range(100).with_options(options)
    mapped = source.map(lambda x: x, num_parallel_calls=2)
    assert delivered(mapped).options().deterministic is True
    assert list(delivered(mapped).as_numpy_iterator()) == list(range(100))
