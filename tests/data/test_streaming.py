import numpy as np
import pytest
import tensorflow as tf

from tflottery import data


def source(examples):
    return tf.data.Dataset.range(examples).map(
        lambda row: (tf.cast(tf.stack([row, 1000 + row]), tf.float32), row % 3)
    )


def toy(examples=11, **settings):
    settings = {
        "train": source(examples),
        "test": source(7),
        "input_shape": (2,),
        "num_classes": 3,
        "shuffle_buffer": 8,
        **settings,
    }
    return data.StreamingDataset("toy", **settings)


def rows(batches, count):
    return [
        x.numpy()[:, 0].astype(int).tolist() for x, _ in batches.take(count)
    ]


def test_batches_are_static_endless_float32_and_int32():
    batches = toy().train_batches(4, seed=0)
    assert batches.element_spec == (
        tf.TensorSpec((4, 2), tf.float32),
        tf.TensorSpec((4,), tf.int32),
    )
    assert batches.cardinality() == tf.data.INFINITE_CARDINALITY


def test_an_epoch_visits_an_example_once_at_most():
    batches = rows(toy().train_batches(3, seed=0), 12)
    epochs = [sum(batches[3 * e : 3 * e + 3], []) for e in range(4)]
    assert all(len(set(epoch)) == 9 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_examples_keep_their_labels():
    for x, y in toy().train_batches(4, seed=0).take(5):
        np.testing.assert_array_equal(x[:, 1], x[:, 0] + 1000)
        np.testing.assert_array_equal(y, x[:, 0].numpy() % 3)


# 11 // 3 = 3 steps an epoch: 2 and 3 lie on both sides of a border.
@pytest.mark.parametrize("first_step", [0, 1, 2, 3, 4, 7])
def test_a_later_start_continues_the_same_stream(first_step):
    whole = rows(toy().train_batches(3, seed=5), 12)
    late = rows(toy().train_batches(3, seed=5, first_step=first_step), 5)
    assert late == whole[first_step : first_step + 5]


@pytest.mark.parametrize("global_seed", [0, 1, 123])
def test_order_depends_on_the_seed_alone(global_seed):
    first = rows(toy(50).train_batches(10, seed=0), 8)
    tf.random.set_seed(global_seed)
    assert rows(toy(50).train_batches(10, seed=0), 8) == first
    assert rows(toy(50).train_batches(10, seed=1), 8) != first


def test_the_global_seed_is_left_alone():
    def draw():
        return tf.random.uniform((4,)).numpy().tolist()

    tf.random.set_seed(7)
    expected = draw()
    tf.random.set_seed(7)
    rows(toy().train_batches(3, seed=0), 2)
    assert draw() == expected


def test_validation_rows_are_those_of_the_other_datasets():
    # Held in memory or streamed, the same seed sets the same rows aside.
    row = np.arange(20, dtype=np.float32)
    pair = (np.stack([row, row], axis=1), np.zeros(20, int))
    held = data.InMemoryDataset(
        "held", train=pair, test=None, num_classes=1, validation=0.25, seed=3
    )
    streamed = toy(20, validation=0.25, seed=3)
    expected = rows(held.validation_batches(10), -1)
    assert rows(streamed.validation_batches(10), -1) == expected
    train = rows(streamed.train_batches(15, seed=0), 1)
    assert sorted(train[0] + expected[0]) == list(range(20))
    assert streamed.train_size == 15


def test_a_validation_source_of_its_own_leaves_the_training_set_whole():
    dataset = toy(10, validation=source(4))
    assert (dataset.train_size, dataset.validation_size) == (10, 4)
    assert rows(dataset.validation_batches(3), -1) == [[0, 1, 2], [3]]


def test_evaluation_is_in_order_and_complete():
    batches = toy().test_batches(3)
    assert rows(batches, -1) == [[0, 1, 2], [3, 4, 5], [6]]
    assert batches.cardinality() == 3


def test_prepare_runs_after_the_shuffle_on_what_is_used():
    prepared = []

    def prepare(x, y):
        def note(row):
            prepared.append(int(row))
            return row

        row = tf.numpy_function(note, [x[0]], tf.float32)
        return tf.stack([tf.reshape(row, ()), -x[1]]), y

    stream = toy(prepare=prepare).train_batches(3, seed=0, first_step=200)
    x, _ = next(iter(stream))
    plain = rows(toy().train_batches(3, seed=0), 201)
    assert x[:, 0].numpy().astype(int).tolist() == plain[200]
    np.testing.assert_array_equal(x[:, 1], -(x[:, 0] + 1000))
    # The batches before it were read, but not prepared; some after it may be.
    assert set(plain[200]) <= set(prepared) and len(prepared) < 200


def test_a_source_of_unknown_length_is_refused():
    with pytest.raises(ValueError, match="`train` must know.*assert_cardinal"):
        toy(train=source(9).filter(lambda x, y: True))


def test_arrays_are_sent_to_the_other_class():
    with pytest.raises(TypeError, match="`test`.*`InMemoryDataset`"):
        toy(test=np.zeros(3))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_missing_examples_are_named(split):
    batches = getattr(toy(test=None), f"{split}_batches")
    with pytest.raises(ValueError, match=f"'toy' has no {split} examples"):
        batches(2)
