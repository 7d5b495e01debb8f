import os
import sys

import numpy as np
import pytest
import tensorflow as tf

from tflottery import data

tfds = pytest.importorskip("tensorflow_datasets")

MNIST_DIR = os.environ.get("TFLOTTERY_TEST_TFDS_DIR")
needs_mnist = pytest.mark.skipif(
    not MNIST_DIR,
    reason="TFLOTTERY_TEST_TFDS_DIR names no folder with TFDS's mnist/3.0.1",
)


def store(folder, name, splits, features):
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        data_dir=folder,
        split_datasets=splits,
        features=tfds.features.FeaturesDict(features),
        disable_shuffling=True,
    )


def images(count, size=(4, 4), seed=0):
    """Random grey images; image i of a split has label i % 3."""
    pixels = np.random.default_rng(seed).integers(
        0, 256, (count, *size, 1), np.uint8
    )
    return tf.data.Dataset.from_tensor_slices(
        {"image": pixels, "label": np.arange(count) % 3}
    ), pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of small sets: images, sizes (images of two sizes), vectors."""
    folder = str(tmp_path_factory.mktemp("tfds"))
    label = tfds.features.ClassLabel(num_classes=3)
    store(
        folder,
        "toy_images",
        {"train": images(40)[0], "test": images(7, seed=1)[0]},
        {"image": tfds.features.Image(shape=(4, 4, 1)), "label": label},
    )

    def two_sizes():
        for row in range(6):
            size = 4 + 4 * (row % 2)
            yield {
                "image": np.full((size, size, 1), 51, np.uint8),
                "label": row % 3,
            }

    sizes = tf.data.Dataset.from_generator(
        two_sizes,
        output_signature={
            "image": tf.TensorSpec((None, None, 1), tf.uint8),
            "label": tf.TensorSpec((), tf.int64),
        },
    )
    store(
        folder,
        "toy_sizes",
        {"train": sizes, "test": sizes},
        {"image": tfds.features.Image(shape=(None, None, 1)), "label": label},
    )
    vectors = tf.data.Dataset.from_tensor_slices(
        {
            "features": np.arange(20, dtype=np.float32).reshape(10, 2),
            "label": np.arange(10) % 3,
        }
    )
    store(
        folder,
        "toy_vectors",
        {"train": vectors},
        {
            "features": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            "label": label,
        },
    )
    store(
        folder,
        "toy_targets",
        {"train": vectors, "test": vectors},
        {
            "features": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            "label": tfds.features.Scalar(np.int64),
        },
    )
    return folder


def load(name, folder, **settings):
    return data.load(
        f"tfds:{name}", data_dir=folder, download=False, **settings
    )


def everything(batches):
    pairs = [(x.numpy(), y.numpy()) for x, y in batches]
    return tuple(np.concatenate(arrays) for arrays in zip(*pairs, strict=True))


def test_a_small_set_is_held_in_memory(folder):
    dataset = load("toy_images", folder)
    assert isinstance(dataset, data.InMemoryDataset)
    assert dataset.name == "tfds:toy_images"
    assert dataset.input_shape == (4, 4, 1)
    assert dataset.num_classes == 3
    # By default a tenth is for validation: 4 of 40.
    assert (dataset.train_size, dataset.validation_size) == (36, 4)
    x, y = everything(dataset.test_batches(3))
    # One float32 rounding in the scaling by 1/255.
    np.testing.assert_allclose(x, images(7, seed=1)[1] / 255, rtol=1e-6)
    np.testing.assert_array_equal(y, np.arange(7) % 3)


def test_streaming_and_memory_hold_the_same_examples(folder):
    held = load("toy_images", folder, validation=5, seed=1)
    streamed = load("toy_images", folder, validation=5, seed=1, in_memory=False)
    assert isinstance(streamed, data.StreamingDataset)
    for part in ("validation_batches", "test_batches"):
        for one, other in zip(
            everything(getattr(held, part)(4)),
            everything(getattr(streamed, part)(4)),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)

    def train_set(dataset):
        x, _ = everything(dataset.train_batches(35, seed=0).take(1))
        return sorted(image.tobytes() for image in x)

    assert train_set(held) == train_set(streamed)


def test_a_streamed_set_can_start_later(folder):
    def batches(first_step, count):
        dataset = load("toy_images", folder, in_memory=False)
        return everything(
            dataset.train_batches(8, seed=0, first_step=first_step).take(count)
        )

    # 36 // 8 = 4 steps an epoch; step 6 is in the second one.
    np.testing.assert_array_equal(batches(0, 8)[0][48:], batches(6, 2)[0])


def test_large_sets_stream(folder, monkeypatch):
    # 47 images of 16 bytes are 752 bytes decoded.
    monkeypatch.setattr("tflottery.data.tfds._IN_MEMORY_BYTES", 752)
    assert isinstance(load("toy_images", folder), data.StreamingDataset)
    monkeypatch.setattr("tflottery.data.tfds._IN_MEMORY_BYTES", 753)
    assert isinstance(load("toy_images", folder), data.InMemoryDataset)


def test_validation_can_be_a_split(folder):
    dataset = load("toy_images", folder, validation="train[:25%]")
    assert (dataset.train_size, dataset.validation_size) == (40, 10)
    x, _ = everything(dataset.validation_batches(4))
    np.testing.assert_allclose(x, images(40)[1][:10] / 255, rtol=1e-6)


@pytest.mark.parametrize("in_memory", [True, False])
def test_images_of_several_sizes_are_resized(folder, in_memory):
    dataset = load("toy_sizes", folder, image_size=(6, 6), in_memory=in_memory)
    x, _ = everything(dataset.test_batches(4))
    assert x.shape == (6, 6, 6, 1)
    # Every pixel is 51, and 51 / 255 = 0.2 at any size.
    np.testing.assert_allclose(x, 0.2, rtol=1e-5)


def test_images_of_several_sizes_need_a_size(folder):
    with pytest.raises(ValueError, match=r"several sizes.*image_size=\(224"):
        load("toy_sizes", folder)


def test_vectors_are_left_as_they_are_and_splits_can_be_sliced(folder):
    dataset = load(
        "toy_vectors",
        folder,
        train_split="train[:80%]",
        test_split="train[80%:]",
        validation=0,
    )
    assert (dataset.train_size, dataset.test_size) == (8, 2)
    np.testing.assert_array_equal(
        everything(dataset.test_batches(2))[0], [[16, 17], [18, 19]]
    )
    with pytest.raises(ValueError, match="`image_size` is for images"):
        load(
            "toy_vectors",
            folder,
            test_split="train[80%:]",
            image_size=(4, 4),
        )


def test_a_set_without_test_split_asks_for_one(folder):
    with pytest.raises(
        ValueError, match=r"only the splits 'train'.*test_split='train\[80%:\]'"
    ):
        load("toy_vectors", folder)


def test_unknown_splits_are_named(folder):
    with pytest.raises(ValueError, match="`train_split`.*'trein'.*'train'"):
        load("toy_images", folder, train_split="trein")


def test_a_set_without_class_labels_is_refused(folder):
    with pytest.raises(ValueError, match="'tfds:toy_targets' is not a set of"):
        load("toy_targets", folder)


def test_a_set_that_is_not_there_says_what_to_do(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match="'tfds:mnist' is not prepared in.*download=False.*download=True",
    ):
        load("mnist", str(tmp_path))


def test_a_name_unknown_to_tfds_is_guessed(tmp_path):
    with pytest.raises(ValueError, match="'tfds:mnits'.*Did you mean 'mnist'"):
        load("mnits", str(tmp_path))


def test_a_missing_tfds_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match="pip install tensorflow-datasets"):
        data.load("tfds:mnist")


@needs_mnist
def test_mnist_is_whole():
    dataset = load("mnist", MNIST_DIR)
    assert isinstance(dataset, data.InMemoryDataset)
    assert dataset.input_shape == (28, 28, 1)
    # The protocol of the paper: 55,000 / 5,000 / 10,000.
    assert dataset.train_size == 55_000
    assert dataset.validation_size == 5_000
    assert dataset.test_size == 10_000
    x, y = everything(dataset.test_batches(1000))
    # Published facts of the test set: its label counts and first labels.
    assert np.bincount(y).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert x.min() == 0.0
    # 255 times float32(1/255), rounded once.
    assert x.max() == pytest.approx(1.0, abs=1e-6)
    # Mean pixel of MNIST's test set, 0.1325, as often quoted.
    assert x.mean() == pytest.approx(0.1325, abs=1e-4)
    # 55,000 // 60 = 916 steps; step 917 is in the second epoch.
    late = dataset.train_batches(60, seed=0, first_step=917)
    whole = dataset.train_batches(60, seed=0).skip(917)
    for one, other in zip(late.take(2), whole, strict=False):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
