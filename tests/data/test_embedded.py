import random
import sys

import numpy as np
import pytest

from tflottery.data import embedded

pytest.importorskip("mnist1d")
pytest.importorskip("sklearn")


def everything(dataset):
    """All training, validation and test inputs, and all labels."""
    parts = (
        dataset.train_batches(dataset.train_size, seed=0).take(1),
        dataset.validation_batches(1000),
        dataset.test_batches(1000),
    )
    pairs = [[(x.numpy(), y.numpy()) for x, y in part] for part in parts]
    return [
        tuple(np.concatenate(arrays) for arrays in zip(*part, strict=True))
        for part in pairs
    ]


def test_mnist1d_has_the_sizes_of_its_paper():
    dataset = embedded.mnist1d()
    assert (dataset.input_shape, dataset.num_classes) == ((40,), 10)
    # 4,000 to train on, 500 of them for validation, and 1,000 for the test.
    assert dataset.train_size == 3500
    assert dataset.validation_size == 500
    assert dataset.test_size == 1000
    assert embedded.mnist1d(validation=0).train_size == 4000


def test_mnist1d_is_standardised_and_balanced():
    parts = everything(embedded.mnist1d())
    x = np.concatenate([part[0] for part in parts])
    y = np.concatenate([part[1] for part in parts])
    # The package standardises all 5,000 together in float64; float32 rounding.
    assert abs(x.mean()) < 1e-5
    assert abs(x.std() - 1) < 1e-5
    assert np.bincount(y).tolist() == [500] * 10


def test_mnist1d_is_the_published_set():
    x, y = next(iter(embedded.mnist1d(validation=0).test_batches(5)))
    # Frozen from the seed of the paper; tolerance for other builds of SciPy.
    assert y.numpy().tolist() == [2, 6, 3, 9, 4]
    np.testing.assert_allclose(
        x.numpy()[0, :3], [-0.078771, -0.210732, -0.091751], atol=1e-5
    )


def test_loading_leaves_the_global_streams_alone():
    embedded._mnist1d_arrays.cache_clear()
    np.random.seed(1)
    random.seed(1)
    expected = np.random.rand(), random.random()
    np.random.seed(1)
    random.seed(1)
    embedded.mnist1d()
    assert (np.random.rand(), random.random()) == expected


def test_digits_has_the_split_of_the_pilot():
    dataset = embedded.digits()
    assert (dataset.input_shape, dataset.num_classes) == ((8, 8, 1), 10)
    assert dataset.train_size == 1100
    assert dataset.validation_size == 300
    assert dataset.test_size == 397


def test_digits_are_scaled_to_one_and_complete():
    parts = everything(embedded.digits())
    x = np.concatenate([part[0] for part in parts])
    from sklearn.datasets import load_digits

    whole = load_digits().images
    assert x.min() == 0.0 and x.max() == 1.0
    # Sixteenths are exact in float32, so the sets can be compared by bits.
    assert sorted(image.tobytes() for image in x) == sorted(
        image.tobytes() for image in (whole / 16).astype(np.float32)
    )


@pytest.mark.parametrize("load", [embedded.digits, embedded.mnist1d])
def test_the_split_seed_moves_validation_and_leaves_the_test(load):
    (_, first, test), (_, second, same) = (
        everything(load(seed=seed)) for seed in (0, 1)
    )
    np.testing.assert_array_equal(test[0], same[0])
    assert not np.array_equal(first[0], second[0])


@pytest.mark.parametrize(
    ("load", "module", "package"),
    [
        (embedded.digits, "sklearn.datasets", "scikit-learn"),
        (embedded.mnist1d, "mnist1d.data", "mnist1d"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, load, module, package):
    embedded._mnist1d_arrays.cache_clear()
    # None in the table of modules makes Python refuse the import.
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"Install it: pip install {package}"):
        load()
