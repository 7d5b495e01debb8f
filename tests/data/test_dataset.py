import numpy as np
import pytest

from tflottery import data
from tflottery.data import dataset


def toy(examples=10, **settings):
    x = np.arange(examples, dtype=np.float32)[:, None]
    y = np.zeros(examples, np.int32)
    return data.InMemoryDataset(
        "toy", train=(x, y), test=(x, y), num_classes=1, **settings
    )


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        data.Dataset(
            "toy",
            input_shape=(1,),
            num_classes=1,
            train_size=1,
            validation_size=0,
            test_size=0,
        )


@pytest.mark.parametrize(
    ("batch_size", "steps"), [(1, 10), (3, 3), (5, 2), (6, 1), (10, 1)]
)
def test_an_epoch_has_full_batches_only(batch_size, steps):
    assert toy().steps_per_epoch(batch_size) == steps


def test_validation_examples_are_not_trained_on():
    # 10 - 4 = 6 examples for training make two batches of three.
    assert toy(validation=4).steps_per_epoch(3) == 2


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match=r"batch_size=11, but 'toy' has 10"):
        toy().steps_per_epoch(11)


@pytest.mark.parametrize("batch_size", [0, -3])
def test_batch_size_must_be_positive(batch_size):
    for batches in (
        toy().steps_per_epoch,
        toy(validation=2).validation_batches,
        toy().test_batches,
    ):
        with pytest.raises(ValueError, match=f"batch_size={batch_size}"):
            batches(batch_size)


def test_repr_tells_the_sizes():
    assert repr(toy(validation=4)) == (
        "<InMemoryDataset 'toy': 6 train, 4 validation, 10 test, "
        "inputs (1,), 1 classes>"
    )


@pytest.mark.parametrize(
    ("validation", "count"),
    [(0, 0), (7, 7), (0.0, 0), (0.3, 3), (0.25, 2), (0.35, 4)],
)
def test_validation_is_a_count_or_a_share(validation, count):
    # 0.25 of 10 is 2.5, and 0.35 of 10 is 3.5: halves go to the even count.
    assert dataset.validation_count(validation, 10) == count


@pytest.mark.parametrize(
    ("validation", "error", "text"),
    [
        (10, ValueError, "below the 10 training examples.*validation=10"),
        (-1, ValueError, "validation=-1.*set aside"),
        (1.0, ValueError, r"in \[0, 1\).*validation=1.0.*a share such as 0.1"),
        ("some", TypeError, "validation='some'"),
        (True, TypeError, "validation=True"),
    ],
)
def test_impossible_validation_is_refused(validation, error, text):
    with pytest.raises(error, match=text):
        dataset.validation_count(validation, 10)


def test_split_parts_the_rows_in_two():
    train, validation = dataset.split_rows(1000, 0.2, seed=0)
    assert len(validation) == 200
    np.testing.assert_array_equal(
        np.sort(np.concatenate([train, validation])), np.arange(1000)
    )
    # Drawn from all over: among 200 of 1,000 the mean row is 499.5 with a
    # standard error of 18; five of them are allowed.
    assert abs(validation.mean() - 499.5) < 90


def test_split_depends_on_its_seed():
    first = dataset.split_rows(1000, 200, seed=0)[1]
    np.testing.assert_array_equal(
        first, dataset.split_rows(1000, 200, seed=0)[1]
    )
    assert set(first) != set(dataset.split_rows(1000, 200, seed=1)[1])


def test_split_is_frozen():
    # Published runs were validated on these rows.
    assert dataset.split_rows(20, 5, seed=0)[1].tolist() == [7, 12, 14, 17, 18]
