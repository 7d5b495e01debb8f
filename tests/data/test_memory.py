import numpy as np
import pytest
import tensorflow as tf

from tflottery import data


def toy(examples=11, seed=0, **settings):
    """Example i is (i, 1000 + i), label i % 3: a batch tells its rows."""
    row = np.arange(examples)
    x = np.stack([row, 1000 + row], axis=1).astype(np.float32)
    pair = (x, row % 3)
    settings = {"train": pair, "test": pair, "num_classes": 3, **settings}
    return data.InMemoryDataset("toy", seed=seed, **settings)


def take(batches, count):
    return [(x.numpy(), y.numpy()) for x, y in batches.take(count)]


def rows(batches, count):
    """The rows in each of the first `count` batches."""
    return [x[:, 0].astype(int).tolist() for x, _ in take(batches, count)]


def test_examples_keep_their_labels():
    for x, y in take(toy().train_batches(4, seed=0), 6):
        np.testing.assert_array_equal(x[:, 1], x[:, 0] + 1000)
        np.testing.assert_array_equal(y, x[:, 0] % 3)


def test_batches_are_static_endless_float32_and_int32():
    batches = toy().train_batches(4, seed=0)
    assert batches.element_spec == (
        tf.TensorSpec((4, 2), tf.float32),
        tf.TensorSpec((4,), tf.int32),
    )
    assert batches.cardinality() == tf.data.INFINITE_CARDINALITY


def test_an_epoch_visits_an_example_once_at_most():
    # 11 examples in batches of 3: three batches, two examples left over.
    batches = rows(toy().train_batches(3, seed=0), 12)
    for epoch in range(4):
        seen = sum(batches[3 * epoch : 3 * epoch + 3], [])
        assert len(set(seen)) == 9


def test_each_epoch_has_an_order_of_its_own_and_drops_others():
    batches = rows(toy(100).train_batches(30, seed=0), 12)
    epochs = [sum(batches[3 * e : 3 * e + 3], []) for e in range(4)]
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert len({frozenset(epoch) for epoch in epochs}) == 4


def test_shuffling_reaches_across_the_whole_set():
    first = rows(toy(1000).train_batches(100, seed=0), 1)[0]
    # 100 of 1,000 rows: the mean is 499.5 with a standard error of 27.
    assert abs(np.mean(first) - 499.5) < 137
    assert min(first) < 100 and max(first) > 900


# 11 // 3 = 3 steps an epoch: 2 and 3 lie on both sides of a border, 7 in the
# third epoch.
@pytest.mark.parametrize("first_step", [0, 1, 2, 3, 4, 7])
def test_a_later_start_continues_the_same_stream(first_step):
    whole = take(toy().train_batches(3, seed=5), 12)
    late = take(toy().train_batches(3, seed=5, first_step=first_step), 5)
    for (x, y), (late_x, late_y) in zip(whole[first_step:], late, strict=False):
        np.testing.assert_array_equal(x, late_x)
        np.testing.assert_array_equal(y, late_y)


def test_a_start_far_ahead_costs_nothing():
    # A replay of a million epochs would take hours, and the test never end.
    steps = toy().steps_per_epoch(3)
    late = rows(toy().train_batches(3, seed=0, first_step=10**6 * steps + 1), 1)
    epoch = rows(toy().train_batches(3, seed=0, first_step=10**6 * steps), 2)
    assert late[0] == epoch[1]


def test_order_depends_on_the_seed_alone():
    def order(seed):
        return rows(toy(50).train_batches(10, seed=seed), 8)

    first = order(0)
    tf.random.set_seed(123)
    np.random.seed(123)
    assert order(0) == first
    assert order(1) != first


def test_order_is_the_same_inside_a_function():
    dataset = toy(50)

    @tf.function
    def first_batch():
        return next(iter(dataset.train_batches(10, seed=0)))[0]

    inside = first_batch().numpy()[:, 0].astype(int).tolist()
    assert inside == rows(dataset.train_batches(10, seed=0), 1)[0]


def test_order_is_frozen():
    # Resumed runs rely on it: a new TensorFlow must not reshuffle old ones.
    assert rows(toy().train_batches(5, seed=0), 3) == [
        [2, 5, 7, 8, 10],
        [0, 3, 6, 1, 4],
        [9, 2, 4, 7, 6],
    ]


def test_split_seed_does_not_touch_the_examples():
    parts = []
    for seed in (0, 1):
        dataset = toy(20, seed=seed, validation=5)
        train = sum(rows(dataset.train_batches(15, seed=0), 1), [])
        validation = sum(rows(dataset.validation_batches(2), -1), [])
        assert sorted(train + validation) == list(range(20))
        assert validation == sorted(validation)
        parts.append(validation)
    assert parts[0] != parts[1]


def test_evaluation_is_in_order_and_complete():
    batches = toy(7).test_batches(3)
    assert rows(batches, -1) == [[0, 1, 2], [3, 4, 5], [6]]
    assert batches.cardinality() == 3
    # A second pass sees the same.
    assert rows(batches, -1) == [[0, 1, 2], [3, 4, 5], [6]]


def test_validation_arrays_of_their_own_leave_the_training_set_whole():
    x = np.full((2, 2), 77, np.float32)
    dataset = toy(6, validation=(x, np.array([0, 2])))
    assert (dataset.train_size, dataset.validation_size) == (6, 2)
    ((values, labels),) = take(dataset.validation_batches(10), -1)
    np.testing.assert_array_equal(values, x)
    np.testing.assert_array_equal(labels, [0, 2])


def test_bytes_stay_bytes_until_they_are_gathered():
    x = np.array([[0], [51], [255]], np.uint8)
    dataset = data.InMemoryDataset(
        "bytes",
        train=(x, np.zeros(3, int)),
        test=(x, np.zeros(3, int)),
        num_classes=1,
    )
    ((values, _),) = take(dataset.test_batches(3), -1)
    assert values.dtype == np.float32
    # 51 / 255 = 0.2; one float32 rounding each.
    np.testing.assert_allclose(values[:, 0], [0.0, 0.2, 1.0], rtol=1e-6)
    for part in ("train", "test"):
        assert dataset.resident(part).inputs.dtype == tf.uint8


def test_row_numbers_are_those_of_the_batches_from_any_step_on():
    dataset = data.load("digits")
    for first_step in (0, 3, 100):
        rows = dataset.train_rows(32, seed=4, first_step=first_step)
        pairs = dataset.train_batches(32, seed=4, first_step=first_step)
        for order, (x, y) in zip(rows.take(3), pairs.take(3), strict=True):
            inputs, labels = dataset.resident("train").batch(order)
            np.testing.assert_array_equal(inputs, x)
            np.testing.assert_array_equal(labels, y)


@pytest.mark.parametrize("first_step", [0, 3, 100])
@pytest.mark.parametrize("steps", [1, 7, 90])  # an epoch has 34
def test_stretches_hold_the_rows_of_the_steps_one_after_the_other(
    first_step, steps
):
    dataset = data.load("digits", validation=300)
    stretches = dataset.train_stretches(32, 4, first_step, steps)
    found = np.concatenate([next(stretches) for _ in range(3)])
    rows = dataset.train_rows(32, seed=4, first_step=first_step)
    wanted = list(rows.take(3 * steps).as_numpy_iterator())
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, wanted)


def test_parts_of_the_data_share_no_row_and_name_what_is_missing():
    dataset = data.load("digits", validation=300)
    train, held_out = (
        set(dataset.resident(part).rows.tolist())
        for part in ("train", "validation")
    )
    assert not train & held_out
    assert (len(train), len(held_out)) == (1100, 300)
    with pytest.raises(ValueError, match="no validation examples"):
        toy(validation=0, test=None).resident("validation")


def test_scale_can_be_given():
    ((values, _),) = take(toy(2, scale=0.5).test_batches(2), -1)
    np.testing.assert_array_equal(values, [[0, 500], [0.5, 500.5]])


@pytest.mark.parametrize("split", ["validation", "test"])
def test_missing_examples_are_named(split):
    dataset = toy(validation=0, test=None)
    batches = getattr(dataset, f"{split}_batches")
    with pytest.raises(ValueError, match=f"'toy' has no {split} examples"):
        batches(2)


def test_first_step_must_not_be_negative():
    with pytest.raises(ValueError, match="`first_step`.*first_step=-1"):
        toy().train_batches(2, seed=0, first_step=-1)


def test_seed_must_be_an_integer():
    with pytest.raises(TypeError, match="`seed` must be an integer.*None"):
        toy().train_batches(2, seed=None)


X = np.zeros((4, 2), np.float32)
Y = np.array([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"train": X}, TypeError, r"`train` must be a pair.*a ndarray"),
        ({"train": (X, Y[:3])}, ValueError, r"`train`.*\(4, 2\) and \(3,\)"),
        ({"test": (X[:, :1], Y)}, ValueError, r"`test`.*\(2,\).*shape \(1,\)"),
        ({"train": (X, Y / 2)}, TypeError, "`train`.*integer labels.*float64"),
        ({"test": (X, Y + 1)}, ValueError, r"`test`.*\[0, 3\).*from 1 to 3"),
        ({"validation": (X, Y - 1)}, ValueError, "`validation`.*from -1 to 1"),
        ({"num_classes": 0}, ValueError, r"num_classes|\[0, 0\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(settings, error, text):
    with pytest.raises(error, match=text):
        toy(**{"train": (X, Y), "test": (X, Y), **settings})


def test_a_keras_model_trains_on_it():
    import keras

    from tflottery import models

    model = models.build("mlp", keras, input_shape=(2,), num_classes=3)
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    dataset = toy(scale=0.001, validation=3)
    history = model.fit(
        dataset.train_batches(4, seed=0),
        steps_per_epoch=2,
        epochs=2,
        validation_data=dataset.validation_batches(2),
        shuffle=False,  # Keras warns if it may not shuffle a tf.data.Dataset.
        verbose=0,
    )
    assert np.isfinite(history.history["val_loss"]).all()
    # Two epochs of two steps, and the stream did not run dry.
    assert int(model.optimizer.iterations.numpy()) == 4
