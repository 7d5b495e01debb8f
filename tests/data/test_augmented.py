import numpy as np
import pytest
import tensorflow as tf

from tflottery import data
from tflottery.data import augmentation
from tflottery.lottery import training_config

ROW = np.arange(11)
X = (1.0 + np.arange(11 * 16, dtype=np.float32)).reshape(11, 4, 4, 1)


def held():
    pair = (X, ROW % 3)
    return data.InMemoryDataset(
        "toy", train=pair, test=pair, num_classes=3, validation=2
    )


def streamed():
    source = tf.data.Dataset.from_tensor_slices((X, ROW % 3))
    return data.StreamingDataset(
        "toy",
        train=source,
        test=source,
        input_shape=(4, 4, 1),
        num_classes=3,
        validation=2,
    )


def take(batches, count=-1):
    return [(x.numpy(), y.numpy()) for x, y in batches.take(count)]


# 9 // 3 = 3 steps an epoch: 2 and 3 lie on both sides of a border.
@pytest.mark.parametrize("first_step", [0, 2, 3, 7])
@pytest.mark.parametrize("make", [held, streamed])
def test_a_later_start_continues_the_same_stream(make, first_step):
    dataset = data.augment(make(), "crop_flip")
    whole = take(dataset.train_batches(3, seed=5), 10)
    late = take(dataset.train_batches(3, seed=5, first_step=first_step), 3)
    for (x, y), (late_x, late_y) in zip(whole[first_step:], late, strict=False):
        np.testing.assert_array_equal(x, late_x)
        np.testing.assert_array_equal(y, late_y)


@pytest.mark.parametrize("make", [held, streamed])
def test_images_are_those_of_their_step_changed(make):
    plain = take(make().train_batches(3, seed=5), 4)
    found = take(data.augment(make(), "flip").train_batches(3, seed=5), 4)
    change = augmentation.get("flip")
    for step, ((x, y), (new_x, new_y)) in enumerate(
        zip(plain, found, strict=True)
    ):
        expected = change(tf.constant(x), seed=5, step=step)
        np.testing.assert_array_equal(new_x, expected)
        np.testing.assert_array_equal(new_y, y)


def test_an_image_is_changed_anew_in_each_epoch():
    # The whole set is one batch, whose order the labels' rows tell.
    dataset = data.augment(held(), "crop")
    first, second = take(dataset.train_batches(9, seed=0), 2)
    assert sorted(x.tobytes() for x in first[0]) != sorted(
        x.tobytes() for x in second[0]
    )


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_is_left_alone(split):
    plain = getattr(held(), f"{split}_batches")(4)
    found = getattr(data.augment(held(), "crop"), f"{split}_batches")(4)
    for (x, _), (new_x, _) in zip(take(plain), take(found), strict=True):
        np.testing.assert_array_equal(x, new_x)


def test_batches_are_static_and_endless():
    dataset = data.augment(held(), "crop_flip")
    batches = dataset.train_batches(3, seed=0)
    assert batches.element_spec == (
        tf.TensorSpec((3, 4, 4, 1), tf.float32),
        tf.TensorSpec((3,), tf.int32),
    )
    assert batches.cardinality() == tf.data.INFINITE_CARDINALITY
    assert dataset.steps_per_epoch(3) == held().steps_per_epoch(3)


def test_a_run_can_tell_augmented_data():
    assert repr(data.augment(held(), "crop")) != repr(held())


def test_flat_inputs_are_refused():
    with pytest.raises(ValueError, match=r"'crop'.*'mnist1d' has inputs \(40,"):
        data.augment(data.load("mnist1d"), "crop")


def test_the_settings_of_a_search_know_the_same_names():
    assert training_config.AUGMENTATIONS == augmentation.names()
