"""Loops of a user's own: TF-MOT's documented loop, and a shorter one."""

import numpy as np
import pytest
import side_by_side as sides
import tensorflow as tf
import tf_keras

import tflottery

pytestmark = pytest.mark.slow  # minutes beside TF-MOT

STEPS = 6
UNUSED = -1


def wrapped(family, schedule=None, prune=tflottery.prune_low_magnitude):
    model = family.Sequential([family.Input((4,)), family.layers.Dense(5)])
    schedule = schedule or tflottery.PolynomialDecay(
        0.2, 0.8, 2, 2 * STEPS, frequency=2
    )
    return prune(model, schedule)


def train_step(family, model, in_graph):
    optimizer = family.optimizers.Adam(0.05)
    optimizer.build(model.trainable_variables)

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((y - model(x, training=True)) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(
            zip(gradients, model.trainable_variables, strict=True)
        )
        return loss

    return tf.function(step) if in_graph else step


def data():
    x, y = sides.batches(STEPS, units=5)
    return list(zip(np.split(x, STEPS), np.split(y, STEPS), strict=True))


def documented_loop(model, callback, step, epochs=2, announced=True):
    """TF-MOT's loop, as its guide writes it; returns sparsity per step."""
    callback.set_model(model)
    seen = []
    callback.on_train_begin()
    for _ in range(epochs):
        for x, y in data():
            if announced:
                callback.on_train_batch_begin(batch=UNUSED)
            step(x, y)
            seen.append(sides.overall(model) if announced else None)
        callback.on_epoch_end(batch=UNUSED)
    return seen


@pytest.mark.parametrize("in_graph", [False, True])
def test_the_documented_loop_follows_each_step(any_keras, in_graph):
    model = wrapped(any_keras)
    update = tflottery.UpdatePruningStep()
    if in_graph:
        # What is traced is the refusal, unless the callback began before.
        update.set_model(model)
        update.on_train_begin()
    step = train_step(any_keras, model, in_graph)
    seen = documented_loop(model, update, step)
    schedule = tflottery.PolynomialDecay(0.2, 0.8, 2, 2 * STEPS, frequency=2)
    expected = [0.0]
    for t in range(2, 2 * STEPS + 1):
        turn, sparsity = schedule(t)
        kept = round((1 - sparsity) * 20)
        expected.append(1 - kept / 20 if turn else expected[-1])
    assert seen == pytest.approx(expected)
    assert seen[-1] == pytest.approx(0.8)
    assert update.step == 2 * STEPS == sides.step_of(model)


def test_tfmots_own_loop_is_followed_alike(any_keras, tfmot):
    theirs = wrapped(
        tf_keras,
        tfmot.PolynomialDecay(0.2, 0.8, 2, 2 * STEPS, frequency=2),
        tfmot.prune_low_magnitude,
    )
    update = tfmot.UpdatePruningStep()
    update.set_model(theirs)
    step = train_step(tf_keras, theirs, False)
    masks = []
    update.on_train_begin()
    for _ in range(2):
        for x, y in data():
            update.on_train_batch_begin(batch=UNUSED)
            step(x, y)
            (wrapper,) = sides.tfmot_wrappers(theirs)
            mask = wrapper.pruning_vars[0][1]
            masks.append(1 - float(tf.reduce_mean(mask)))
        update.on_epoch_end(batch=UNUSED)
    model = wrapped(any_keras)
    ours = documented_loop(
        model,
        tflottery.UpdatePruningStep(),
        train_step(any_keras, model, False),
    )
    assert masks == pytest.approx(ours, abs=1e-6) and masks[-1] > 0.7


def test_a_loop_that_announces_no_batch_catches_up_or_is_told(any_keras):
    model = wrapped(any_keras)
    update = tflottery.UpdatePruningStep()
    update.set_model(model)
    update.on_train_begin()
    step = train_step(any_keras, model, False)
    arguments = (model, update, step, 2, False)
    if any_keras is tf_keras:
        # Its wrappers count their steps themselves.
        documented_loop(*arguments)
        assert sides.overall(model) == pytest.approx(0.8)
        assert update.step == 2 * STEPS
    else:
        with pytest.raises(RuntimeError, match="was told of no batch") as error:
            documented_loop(*arguments)
        assert "on_train_batch_begin(batch)" in str(error.value)
        assert "update_pruning_step(model)" in str(error.value)


@pytest.mark.parametrize("in_graph", [False, True])
def test_one_call_before_each_batch_is_enough(any_keras, in_graph):
    model = wrapped(any_keras)
    step = train_step(any_keras, model, in_graph)
    changed, seen = [], []
    for _ in range(2):
        for x, y in data():
            changed.append(tflottery.update_pruning_step(model))
            step(x, y)
            seen.append(sides.overall(model))
    # Six updates; the last finds that four of twenty are left already.
    assert changed == [0, 1] * 5 + [0, 0]
    assert seen[0] == 0 and seen[-1] == pytest.approx(0.8)
    stripped = tflottery.strip_pruning(model)
    x = data()[0][0]
    np.testing.assert_array_equal(np.asarray(stripped(x)), np.asarray(model(x)))


def test_a_fit_goes_on_from_a_loop_and_a_loop_from_a_fit(any_keras):
    schedule = tflottery.ConstantSparsity(0.6, 9, frequency=100)
    model = wrapped(any_keras, schedule)
    step = train_step(any_keras, model, False)
    for x, y in data()[:4]:
        tflottery.update_pruning_step(model)
        step(x, y)
    model.compile("sgd", "mse")
    update = tflottery.UpdatePruningStep()
    x, y = sides.batches(4, units=5)
    model.fit(x, y, batch_size=2, verbose=0, callbacks=[update])
    assert update.step == 8 and sides.overall(model) == 0
    assert tflottery.update_pruning_step(model) == 1
    assert sides.overall(model) == pytest.approx(0.6)


def test_the_verb_in_place_of_the_batch_hook(any_keras):
    # What the error message offers.
    model = wrapped(any_keras)
    update = tflottery.UpdatePruningStep()
    update.set_model(model)
    update.on_train_begin()
    step = train_step(any_keras, model, False)
    for _ in range(2):
        for x, y in data():
            tflottery.update_pruning_step(model)
            step(x, y)
        update.on_epoch_end(batch=UNUSED)
    assert sides.overall(model) == pytest.approx(0.8)


def test_a_model_without_schedule_is_refused(any_keras):
    model = any_keras.Sequential(
        [any_keras.Input((4,)), any_keras.layers.Dense(5)]
    )
    with pytest.raises(ValueError, match="wrapped with a pruning schedule"):
        tflottery.update_pruning_step(model)
    with pytest.raises(ValueError, match="wrapped with a pruning schedule"):
        tflottery.update_pruning_step(tflottery.prune_iteratively(model))
