"""The callback: forgetting it is an error, and one that can be mended."""

import numpy as np
import pytest
import side_by_side as sides
import tensorflow as tf
import tf_keras

import tflottery

TEXT = r"wrapped with a pruning schedule, and nothing follows it"


def compiled(family, **arguments):
    model = family.Sequential([family.Input((4,)), family.layers.Dense(3)])
    model = tflottery.prune_low_magnitude(
        model, tflottery.ConstantSparsity(0.5, 2, frequency=1)
    )
    model.compile("sgd", "mse", **arguments)
    return model


@pytest.mark.parametrize("eagerly", [False, True])
def test_training_without_it_is_refused_and_with_it_works(any_keras, eagerly):
    model = compiled(any_keras, run_eagerly=eagerly)
    x, y = sides.batches(4)
    before = [w.numpy() for w in model.trainable_weights]
    with pytest.raises(RuntimeError, match=TEXT) as caught:
        model.fit(x, y, verbose=0)
    # The way out, for `fit` and for loops.
    assert "UpdatePruningStep()" in str(caught.value)
    assert "update_pruning_step(model)" in str(caught.value)
    for weight, value in zip(model.trainable_weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    update = tflottery.UpdatePruningStep()
    model.fit(x, y, batch_size=2, verbose=0, callbacks=[update])
    assert update.step == 4 and sides.overall(model) == 0.5


def test_train_on_batch_without_it_is_refused(any_keras):
    model = compiled(any_keras)
    x, y = sides.batches(1)
    with pytest.raises(RuntimeError, match=TEXT):
        model.train_on_batch(x, y)


def test_a_loop_without_it_is_refused(any_keras):
    model = compiled(any_keras)
    x, _ = sides.batches(1)
    with pytest.raises(RuntimeError, match=TEXT):
        model(x, training=True)


def test_tfmot_refuses_too(tfmot):
    model = tf_keras.Sequential([tf_keras.layers.Dense(3, input_shape=(4,))])
    model = tfmot.prune_low_magnitude(model)
    model.compile("sgd", "mse")
    with pytest.raises(tf.errors.InvalidArgumentError, match="UpdatePruningSt"):
        model.fit(*sides.batches(2), verbose=0)


def test_the_callback_on_a_model_without_schedules_does_nothing(any_keras):
    model = any_keras.Sequential([any_keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    update = tflottery.UpdatePruningStep()
    model.fit(*sides.batches(4), batch_size=2, verbose=0, callbacks=[update])
    assert update.step == 4


def test_a_second_fit_without_it_is_refused_while_updates_are_due(any_keras):
    model = compiled(any_keras)
    x, y = sides.batches(4)
    model.fit(x, y, verbose=0, callbacks=[tflottery.UpdatePruningStep()])
    with pytest.raises(RuntimeError, match=TEXT):
        model.fit(x, y, verbose=0)


def test_tfmots_callback_follows_our_schedules_on_tf_keras(tfmot):
    # It announces no batches; masks are made at the ends of epochs.
    model = compiled(tf_keras)
    x, y = sides.batches(4)
    seen = []

    class Seen(tf_keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(sides.overall(self.model))

    update = tfmot.UpdatePruningStep()
    model.fit(
        x, y, batch_size=2, epochs=2, verbose=0, callbacks=[update, Seen()]
    )
    assert seen == [0.0] * 4 + [0.5] * 4
    assert sides.step_of(model) == 8
