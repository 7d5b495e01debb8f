"""Training: what pruning must not change, and what it must reach."""

import keras
import numpy as np
import pytest
import side_by_side as sides
import tf_keras

import tflottery

pytestmark = pytest.mark.slow  # minutes beside TF-MOT


def network(family):
    """A small network with the same first weights in both families."""
    return tflottery.models.build(
        "mlp", family, input_shape=(4,), num_classes=3, hidden=(6,), seed=1
    )


def fit(model, *callbacks, **keywords):
    x, y = sides.batches(10)
    keywords = {"epochs": 2, "batch_size": 2, "shuffle": False, **keywords}
    return model.fit(x, y, verbose=0, callbacks=list(callbacks), **keywords)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_zero_sparsity_trains_like_the_dense_network_bit_for_bit(
    any_keras, optimizer
):
    dense = network(any_keras)
    dense.compile(optimizer, "mse")
    expected = fit(dense).history["loss"]
    model = tflottery.prune_low_magnitude(
        network(any_keras), tflottery.ConstantSparsity(0.0, 1, frequency=1)
    )
    model.compile(optimizer, "mse")
    losses = fit(model, tflottery.UpdatePruningStep()).history["loss"]
    assert losses == expected
    pairs = list(
        zip(dense.trainable_weights, model.trainable_weights, strict=True)
    )
    assert len(pairs) == 4
    for mine, theirs in pairs:
        np.testing.assert_array_equal(theirs.numpy(), mine.numpy())
    assert sides.overall(model) == 0


def test_ninety_nine_percent_leave_one_weight_of_each(any_keras):
    model = tflottery.prune_low_magnitude(
        network(any_keras), tflottery.ConstantSparsity(0.99, 2, frequency=1)
    )
    model.compile("adam", "mse")
    history = fit(model, tflottery.UpdatePruningStep())
    arrays = sides.masked_arrays(model)
    assert [np.count_nonzero(array) for array in arrays] == [1, 1]
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW"])
def test_the_stored_weights_are_sparse_after_every_step(any_keras, optimizer):
    arguments = {"SGD": {"momentum": 0.9}, "AdamW": {"weight_decay": 0.1}}
    model = tflottery.prune_low_magnitude(
        network(any_keras),
        tflottery.PolynomialDecay(0.25, 0.75, 2, 8, frequency=3),
    )
    model.compile(
        getattr(any_keras.optimizers, optimizer)(
            0.05, **arguments.get(optimizer, {})
        ),
        "mse",
    )
    seen, masks = [], []

    class Seen(any_keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            mask = sides.mask_of(self.model)
            arrays = sides.masked_arrays(self.model)
            for kept, array in zip(mask.values(), arrays, strict=True):
                assert not array[~kept].any()
            seen.append(sides.overall(self.model))
            masks.append(mask)

    fit(model, tflottery.UpdatePruningStep(), Seen(), epochs=1)
    assert len(seen) == 10 and seen[0] == 0
    assert seen[-1] == pytest.approx(0.75, abs=0.03)
    assert all(b <= a for a, b in zip(masks, masks[1:], strict=False))


def test_patterns_train_to_the_pattern(any_keras):
    for pattern, share in (((2, 4), 0.5), ((1, 2), 0.5), ((1, 4), 0.25)):
        model = tflottery.prune_low_magnitude(
            any_keras.Sequential(
                [
                    any_keras.Input((8,)),
                    any_keras.layers.Dense(12),
                    any_keras.layers.Dense(3),
                ]
            ),
            sparsity_m_by_n=pattern,
        )
        model.compile("sgd", "mse")
        x, y = sides.batches(3, width=8)
        model.fit(x, y, verbose=0, callbacks=[tflottery.UpdatePruningStep()])
        assert list(sides.sparsities(model).values()) == [share, share]


def test_a_pattern_leaves_depthwise_kernels_alone(any_keras):
    layers = any_keras.layers
    model = any_keras.Sequential(
        [
            any_keras.Input((6, 6, 4)),
            layers.DepthwiseConv2D(3),
            layers.Conv2D(2, 1, name="point"),
        ]
    )
    model = tflottery.prune_low_magnitude(model, sparsity_m_by_n=(2, 4))
    tflottery.update_pruning_step(model)
    assert sides.sparsities(model) == {"point/kernel": 0.5}


@pytest.mark.parametrize("block, pooling", [((2, 2), "AVG"), ((1, 3), "MAX")])
def test_blocks_train_to_whole_blocks(any_keras, block, pooling):
    model = tflottery.prune_low_magnitude(
        network(any_keras),
        tflottery.ConstantSparsity(0.5, 3, frequency=1),
        block_size=block,
        block_pooling_type=pooling,
    )
    model.compile("sgd", "mse")
    fit(model, tflottery.UpdatePruningStep())
    kept = sides.mask_of(model)["fc1/kernel"]
    height, width = block
    blocks = kept.reshape(4 // height, height, 6 // width, width)
    sums = blocks.sum(axis=(1, 3))
    assert set(sums.flat) == {0, height * width}
    assert (sums > 0).mean() == 0.5


@pytest.fixture(scope="module")
def digits():
    """Sixth of scikit-learn's digits: 8x8 images of ten classes."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return (images / 16).astype("float32")[:1024], labels[:1024]


def as_list(family, schedule):
    layers = family.layers
    given = [
        layers.Reshape((8, 8, 1)),
        layers.Conv2D(8, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
    wrapped = tflottery.prune_low_magnitude(given, schedule)
    return family.Sequential([family.Input((64,)), *wrapped])


def as_sequential(family, schedule):
    layers = family.layers
    model = family.Sequential(
        [
            family.Input((64,)),
            layers.Dense(32, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    return tflottery.prune_low_magnitude(model, schedule)


def as_functional(family, schedule):
    layers = family.layers
    inputs = family.Input((64,))
    x = layers.Dense(32, activation="relu")(inputs)
    x = layers.concatenate([x, layers.Dense(16, activation="tanh")(inputs)])
    outputs = layers.Dense(10, activation="softmax")(x)
    return tflottery.prune_low_magnitude(
        family.Model(inputs, outputs), schedule
    )


@pytest.mark.parametrize("make", [as_list, as_sequential, as_functional])
def test_digits_are_learnt_at_three_quarters_sparsity(any_keras, make, digits):
    x, y = digits
    any_keras.utils.set_random_seed(0)
    schedule = tflottery.PolynomialDecay(0.2, 0.75, 16, 64, frequency=16)
    model = make(any_keras, schedule)
    model.compile(
        any_keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        x,
        y,
        batch_size=64,
        epochs=6,
        verbose=0,
        callbacks=[tflottery.UpdatePruningStep()],
    )
    assert sides.overall(model) == pytest.approx(0.75, abs=0.01)
    accuracy = model.evaluate(x, y, verbose=0)[1]
    plain = tflottery.strip_pruning(model)
    plain.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    assert plain.evaluate(x, y, verbose=0)[1] == pytest.approx(accuracy)
    # Chance is 0.1; the dense networks reach 0.99 in this time.
    assert accuracy > 0.85


def test_both_families_train_the_same_sparse_network():
    found = []
    for family in (keras, tf_keras):
        model = tflottery.prune_low_magnitude(
            network(family),
            tflottery.PolynomialDecay(0.25, 0.75, 2, 8, frequency=3),
        )
        model.compile(family.optimizers.SGD(0.1), "mse")
        fit(model, tflottery.UpdatePruningStep())
        found.append((sides.mask_of(model), sides.masked_arrays(model)))
    assert list(found[0][0].values())[0].shape == (4, 6)
    for mine, theirs in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(mine == 0, theirs == 0)
