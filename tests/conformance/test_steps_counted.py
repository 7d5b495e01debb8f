"""Steps: what counts as a batch, however `fit` cuts training into calls."""

import keras
import numpy as np
import pytest
import side_by_side as sides
import tensorflow as tf

import tflottery
from tflottery.callbacks.callback import Callback

STEPS = 10


class Seen(Callback):
    """Notes sparsity and step after every stop."""

    def __init__(self):
        super().__init__()
        self.sparsities, self.steps = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.sparsities.append(sides.overall(self.model))
        self.steps.append(
            max(int(w.pruning_step) for w in sides.wrappers(self.model))
        )


def dense(family, schedule, **compiled):
    model = family.Sequential([family.layers.Dense(5)])
    model.build((None, 4))
    model = tflottery.prune_low_magnitude(model, schedule)
    model.compile("sgd", "mse", **compiled)
    return model


def fit(model, *callbacks, steps=STEPS, **keywords):
    x, y = sides.batches(steps, units=model.output_shape[-1])
    keywords = {"batch_size": 2, **keywords}
    return model.fit(x, y, verbose=0, callbacks=list(callbacks), **keywords)


@pytest.mark.parametrize("per_execution", [3, 5, 100])
def test_an_update_is_made_at_the_first_stop_after_it(any_keras, per_execution):
    # Updates at steps 2 (20 %) and 7 (60 %). An update of step t is made in
    # front of the execution that begins with batch t or later.
    schedule = tflottery.PolynomialDecay(0.2, 0.6, 2, 7, frequency=5)
    model = dense(any_keras, schedule, steps_per_execution=per_execution)
    update, seen = tflottery.UpdatePruningStep(), Seen()
    fit(model, update, seen, epochs=2)
    firsts = list(range(1, STEPS + 1, per_execution))
    firsts += [first + STEPS for first in firsts]
    expected = [0.6 if f >= 7 else 0.2 if f >= 2 else 0.0 for f in firsts]
    assert seen.sparsities == pytest.approx(expected)
    # A last, shorter execution counts for what it is.
    lasts = [
        min(f + per_execution - 1, STEPS) for f in firsts[: len(firsts) // 2]
    ]
    assert seen.steps == lasts + [STEPS + last for last in lasts]
    assert update.step == 2 * STEPS == sides.step_of(model)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("known", [True, False])
def test_data_of_unknown_length_counts_what_there_was(any_keras, known):
    model = dense(any_keras, tflottery.ConstantSparsity(0.6, 11, frequency=1))
    data = tf.data.Dataset.from_tensor_slices(sides.batches(STEPS, units=5))
    data = data.batch(2)
    if not known:
        data = data.filter(lambda x, y: True)
    update, seen = tflottery.UpdatePruningStep(), Seen()
    model.fit(
        data, epochs=3, shuffle=False, verbose=0, callbacks=[update, seen]
    )
    assert update.step == 3 * STEPS == sides.step_of(model)
    # Nothing is pruned too early: the eleventh batch opens the second epoch.
    assert seen.sparsities[:STEPS] == [0.0] * STEPS
    assert seen.sparsities[STEPS:] == pytest.approx([0.6] * 2 * STEPS)


def test_steps_per_epoch_are_counted_over_one_stream(any_keras):
    model = dense(any_keras, tflottery.ConstantSparsity(0.6, 5, frequency=1))
    data = tf.data.Dataset.from_tensor_slices(sides.batches(STEPS, units=5))
    data = data.batch(2).repeat()
    update = tflottery.UpdatePruningStep()
    seen = Seen()
    model.fit(
        data,
        steps_per_epoch=3,
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[update, seen],
    )
    assert update.step == 6 and seen.steps == [1, 2, 3, 4, 5, 6]
    assert seen.sparsities == pytest.approx([0, 0, 0, 0, 0.6, 0.6])


def test_gradient_accumulation_counts_batches():
    # The clock is TF-MOT's: forward passes, not optimizer updates.
    optimizer = keras.optimizers.SGD(gradient_accumulation_steps=5)
    schedule = tflottery.ConstantSparsity(0.6, 7, frequency=100)
    model = dense(keras, schedule)
    model.compile(optimizer, "mse")
    update, seen = tflottery.UpdatePruningStep(), Seen()
    fit(model, update, seen)
    assert update.step == STEPS and int(optimizer.iterations) == 2
    assert seen.sparsities == pytest.approx([0.0] * 6 + [0.6] * 4)


def shared(family, schedule):
    """A model that calls its one layer three times in each step."""
    inputs = family.Input((5,))
    layer = family.layers.Dense(5, name="shared")
    model = family.Model(inputs, layer(layer(layer(inputs))))
    model = tflottery.prune_low_magnitude(model, schedule)
    model.compile("sgd", "mse")
    return model


def test_a_shared_layer_is_wrapped_and_counted_once(any_keras):
    schedule = tflottery.ConstantSparsity(0.6, 4, frequency=100)
    model = shared(any_keras, schedule)
    assert len(sides.wrappers(model)) == 1
    update, seen = tflottery.UpdatePruningStep(), Seen()
    x, _ = sides.batches(STEPS, width=5)
    for part in (1, 2):
        model.fit(x, x, batch_size=2, verbose=0, callbacks=[update, seen])
        assert update.step == part * STEPS == sides.step_of(model)
    assert seen.sparsities == pytest.approx([0.0] * 3 + [0.6] * 17)


def test_tfmot_counts_a_shared_layer_at_each_use(tfmot):
    # The fault that the test above is the answer to.
    import tf_keras

    inputs = tf_keras.Input((5,))
    layer = tf_keras.layers.Dense(5)
    model = tf_keras.Model(inputs, layer(layer(layer(inputs))))
    model = tfmot.prune_low_magnitude(
        model, tfmot.ConstantSparsity(0.6, 4, frequency=100)
    )
    model.compile("sgd", "mse")
    x, _ = sides.batches(STEPS, width=5)
    model.fit(
        x, x, batch_size=2, verbose=0, callbacks=[tfmot.UpdatePruningStep()]
    )
    (wrapper,) = sides.tfmot_wrappers(model)
    assert int(wrapper.pruning_step) == 3 * STEPS


def test_validation_and_prediction_are_no_steps(any_keras):
    model = dense(any_keras, tflottery.ConstantSparsity(0.6, 100))
    update = tflottery.UpdatePruningStep()
    x, y = sides.batches(STEPS, units=5)
    fit(model, update, validation_data=(x, y), epochs=2)
    model.predict(x, verbose=0)
    model.evaluate(x, y, verbose=0)
    assert np.isfinite(model(x[:2])).all()
    assert update.step == 2 * STEPS == sides.step_of(model)
