"""Schedules: in the same fit, each weight is as sparse as under TF-MOT."""

import functools

import keras
import numpy as np
import pytest
import side_by_side as sides
import tensorflow as tf
import tf_keras

import tflottery
from tflottery.gradual import scheduled

pytestmark = pytest.mark.slow  # minutes beside TF-MOT

STEPS = 12
SCHEDULES = {
    "constant": ("ConstantSparsity", (0.5, 3, -1, 4)),
    "constant, begin 0": ("ConstantSparsity", (0.5, 0, -1, 3)),
    "constant, frequency 100": ("ConstantSparsity", (0.5, 0)),
    "constant, ends": ("ConstantSparsity", (0.75, 2, 5, 2)),
    "polynomial": ("PolynomialDecay", (0.2, 0.8, 2, 10, 3, 2)),
    "polynomial, begin 0": ("PolynomialDecay", (0.1, 0.9, 0, 8, 3, 4)),
    "polynomial, misses its end": ("PolynomialDecay", (0.0, 0.8, 1, 8, 3, 3)),
}


def network(family):
    layers = family.layers
    return family.Sequential(
        [
            layers.Dense(8, input_shape=(4,), activation="tanh", name="one")
            if family is tf_keras
            else layers.Dense(8, activation="tanh", name="one"),
            layers.Dense(3, name="two"),
        ]
    )


def built(family):
    model = network(family)
    model.build((None, 4))
    for index, weight in enumerate(model.trainable_weights):
        size = int(np.prod(weight.shape))
        values = sides.separated(size, seed=index) / size
        weight.assign(values.reshape(weight.shape).astype("float32"))
    return model


def recorder(family, read):
    class Recorder(family.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_train_batch_end(self, batch, logs=None):
            self.seen.append(read(self.model))

    return Recorder()


def tfmot_sparsities(model):
    wrappers = sides.tfmot_wrappers(model)
    assert wrappers
    return [
        1.0 - float(tf.reduce_mean(mask))
        for wrapper in wrappers
        for _, mask, _ in wrapper.pruning_vars
    ]


def our_sparsities(model):
    return list(sides.sparsities(model).values())


def fit(model, *callbacks, steps=STEPS, epochs=1, **keywords):
    x, y = sides.batches(steps)
    return model.fit(
        x,
        y,
        batch_size=2,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
        **keywords,
    )


def under_tfmot(tfmot, schedule, epochs=1):
    model = tfmot.prune_low_magnitude(built(tf_keras), schedule)
    model.compile("sgd", "mse")
    seen = recorder(tf_keras, tfmot_sparsities)
    fit(model, tfmot.UpdatePruningStep(), seen, epochs=epochs)
    return seen.seen


@functools.cache
def tfmots_run(tfmot, cls, arguments, epochs=1):
    return under_tfmot(tfmot, getattr(tfmot, cls)(*arguments), epochs)


def under_ours(family, schedule, epochs=1, **compiled):
    model = tflottery.prune_low_magnitude(built(family), schedule)
    model.compile("sgd", "mse", **compiled)
    seen = recorder(family, our_sparsities)
    fit(model, tflottery.UpdatePruningStep(), seen, epochs=epochs)
    return seen.seen


@pytest.mark.parametrize("name", SCHEDULES)
def test_each_step_is_as_sparse_as_under_tfmot(name, any_keras, tfmot):
    cls, arguments = SCHEDULES[name]
    theirs = tfmots_run(tfmot, cls, arguments)
    ours = under_ours(any_keras, getattr(tflottery, cls)(*arguments))
    assert len(ours) == len(theirs) == STEPS and len(ours[0]) == 2
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_tfmots_own_schedule_object_is_taken(any_keras, tfmot):
    arguments = (0.2, 0.8, 2, 10, 3, 2)
    theirs = tfmots_run(tfmot, "PolynomialDecay", arguments)
    ours = under_ours(any_keras, tfmot.PolynomialDecay(*arguments))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert ours[-1] == pytest.approx([0.8, 0.8], abs=0.05)


class Staircase(tflottery.PruningSchedule):
    """A quarter more every third step, up to a half."""

    def __call__(self, step):
        step = int(step)
        return step % 3 == 0, min(step // 3 * 0.25, 0.5)

    def get_config(self):
        return {}


def test_a_users_schedule_is_followed_as_under_tfmot(any_keras, tfmot):
    class Theirs(tfmot.PruningSchedule):
        def __call__(self, step):
            turn = tf.equal(step % 3, 0)
            share = tf.cast(step // 3, tf.float32) * 0.25
            return turn, tf.minimum(share, 0.5)

        def get_config(self):
            return {}

    theirs = under_tfmot(tfmot, Theirs())
    ours = under_ours(any_keras, Staircase())
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert ours[1] == [0, 0] and ours[2] == [0.25, 0.25]
    assert ours[-1] == [0.5, 0.5]


def test_a_users_tfmot_schedule_is_followed(any_keras, tfmot):
    class OnTensors(tfmot.PruningSchedule):
        def __call__(self, step):
            return tf.equal(step, 4), tf.constant(0.5)

        def get_config(self):
            return {}

    ours = under_ours(any_keras, OnTensors())
    assert [row[0] for row in ours] == [0.0] * 3 + [0.5] * (STEPS - 3)


def test_epochs_do_not_begin_a_schedule_anew(any_keras, tfmot):
    arguments = (0.0, 0.75, 5, 20, 3, 5)
    theirs = tfmots_run(tfmot, "PolynomialDecay", arguments, epochs=2)
    ours = under_ours(
        any_keras, tflottery.PolynomialDecay(*arguments), epochs=2
    )
    assert len(ours) == 2 * STEPS
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert ours[-1] == [0.75, 0.75]


@pytest.mark.parametrize("run_eagerly, jit", [(True, False), (False, True)])
def test_eager_and_compiled_steps_follow_too(
    any_keras, tfmot, run_eagerly, jit
):
    schedule = tflottery.ConstantSparsity(0.5, 3, frequency=4)
    ours = under_ours(
        any_keras, schedule, run_eagerly=run_eagerly, jit_compile=jit
    )
    assert ours == [[0.0, 0.0]] * 2 + [[0.5, 0.5]] * (STEPS - 2)


def test_past_its_end_a_schedule_is_held(any_keras):
    schedule = tflottery.PolynomialDecay(0.0, 0.5, 1, 5, frequency=2)
    model = tflottery.prune_low_magnitude(built(any_keras), schedule)
    model.compile("adam", "mse")
    fit(model, tflottery.UpdatePruningStep())
    masks = sides.mask_of(model)
    assert sides.overall(model) == pytest.approx(0.5, abs=0.03)
    fit(model, tflottery.UpdatePruningStep(), epochs=3)
    assert sides.mask_of(model) == masks
    assert masks.sparsity == sides.overall(model)


def test_a_second_fit_goes_on_where_the_first_stopped(any_keras, tfmot):
    whole = under_ours(
        any_keras, tflottery.PolynomialDecay(0.1, 0.9, 5, 20, frequency=5), 2
    )
    model = tflottery.prune_low_magnitude(
        built(any_keras),
        tflottery.PolynomialDecay(0.1, 0.9, 5, 20, frequency=5),
    )
    model.compile("sgd", "mse")
    update = tflottery.UpdatePruningStep()
    parts = []
    for part in range(2):
        seen = recorder(any_keras, our_sparsities)
        fit(model, update, seen)
        parts += seen.seen
        assert update.step == STEPS * (part + 1)
    assert parts == whole and parts[-1][0] > parts[STEPS][0] > 0


def test_restart_begins_the_schedule_anew_and_keeps_the_masks(any_keras):
    schedule = tflottery.PolynomialDecay(0.25, 0.75, 4, 8, frequency=4)
    model = tflottery.prune_low_magnitude(built(any_keras), schedule)
    model.compile("sgd", "mse")
    update = tflottery.UpdatePruningStep(restart=True)
    fit(model, update, steps=5)
    assert update.step == 5 and sides.overall(model) == 0.25
    first = sides.mask_of(model)
    seen = recorder(any_keras, our_sparsities)
    fit(model, update, seen, steps=8)
    # Without a restart the step would be 13 and the update of step 8 due at
    # the third batch; anew, it is due at the eighth.
    assert update.step == 8
    assert [row[0] for row in seen.seen] == [0.25] * 7 + [0.75]
    assert sides.mask_of(model) <= first


def test_the_order_of_layers_in_time_is_of_no_weight(any_keras):
    # Two schedules in one model: each layer follows its own.
    layers = any_keras.layers
    early = tflottery.ConstantSparsity(0.5, 2, frequency=100)
    late = tflottery.ConstantSparsity(0.75, 6, frequency=100)
    model = any_keras.Sequential(
        [
            tflottery.prune_low_magnitude(layers.Dense(8, name="one"), early),
            tflottery.prune_low_magnitude(layers.Dense(3, name="two"), late),
        ]
    )
    model.build((None, 4))
    model.compile("sgd", "mse")
    seen = recorder(any_keras, our_sparsities)
    fit(model, tflottery.UpdatePruningStep(), seen)
    found = [tuple(row) for row in seen.seen]
    assert found[:1] == [(0, 0)] and found[1:5] == [(0.5, 0)] * 4
    assert found[5:] == [(0.5, 0.75)] * 7


def test_what_is_not_built_yet_is_pruned_as_soon_as_it_is(any_keras):
    model = tflottery.prune_low_magnitude(
        network(keras)
        if any_keras is keras
        else any_keras.Sequential(
            [any_keras.layers.Dense(8), any_keras.layers.Dense(3)]
        ),
        tflottery.ConstantSparsity(0.5, 2, frequency=1),
    )
    assert not model.built
    model.compile("sgd", "mse")
    update = tflottery.UpdatePruningStep()
    fit(model, update)
    assert sides.sparsities(model) and sides.overall(model) == 0.5
    steps = {scheduled.stored_step(w) for w in update._clock.wrappers}
    assert update.step == STEPS and steps == {STEPS}
