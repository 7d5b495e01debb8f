"""Files: saved models are sparse, and go on in their schedule exactly."""

import contextlib
import importlib
import subprocess
import sys

import numpy as np
import pytest
import side_by_side as sides
import tensorflow as tf
import tf_keras

import tflottery

pytestmark = pytest.mark.slow  # minutes beside TF-MOT

# 20 % at step 3, 60 % at step 9; ten weights in a kernel make both exact.
SCHEDULE = (0.2, 0.6, 3, 9)
STEPS = 6


def schedule():
    return tflottery.PolynomialDecay(*SCHEDULE, frequency=6)


def wrapped(family, seed=0):
    family.utils.set_random_seed(seed)
    model = family.Sequential(
        [
            family.Input((4,)),
            family.layers.Dense(5, name="one"),
            family.layers.Dense(2, name="two"),
        ]
    )
    model = tflottery.prune_low_magnitude(model, schedule())
    model.compile(family.optimizers.Adam(0.01), "mse")
    # A file of weights holds the optimizer's, which must be there to be read.
    model.optimizer.build(model.trainable_variables)
    return model


def fit(model, *callbacks, epochs=1, **keywords):
    x, y = sides.batches(STEPS, units=2)
    update = tflottery.UpdatePruningStep()
    keywords = {"batch_size": 2, "shuffle": False, **keywords}
    model.fit(
        x,
        y,
        epochs=epochs,
        verbose=0,
        callbacks=[update, *callbacks],
        **keywords,
    )
    return update


FORMATS = [
    ("keras", ".keras"),
    ("keras", ".weights.h5"),
    ("tf_keras", ".keras"),
    ("tf_keras", ".weights.h5"),
    ("tf_keras", ".h5"),
    ("tf_keras", "checkpoint"),
]


def through_a_file(family, model, ending, folder):
    """Returns a model read from a file that the other was saved to."""
    path = str(folder / f"model{ending}")
    if ending in (".keras", ".h5"):
        model.save(path)
        needs_scope = ending == ".h5"
        scope = tflottery.prune_scope if needs_scope else contextlib.nullcontext
        with scope():
            return family.models.load_model(path)
    other = wrapped(family, seed=9)
    if ending == "checkpoint":
        saved = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
        at = saved.write(path)
        found = tf.train.Checkpoint(model=other, optimizer=other.optimizer)
        found.read(at).assert_existing_objects_matched()
    else:
        model.save_weights(path)
        other.load_weights(path)
    return other


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("family, ending", FORMATS)
def test_a_stopped_training_goes_on_from_its_file(family, ending, tmp_path):
    family = importlib.import_module(family)
    model = wrapped(family)
    assert fit(model).step == STEPS
    assert sides.overall(model) == pytest.approx(0.2)
    other = through_a_file(family, model, ending, tmp_path)
    assert sides.step_of(other) == STEPS
    assert sides.mask_of(other) == sides.mask_of(model)
    assert sides.overall(other) == pytest.approx(0.2)
    # Without the file's step, step 9 would not come in six more batches.
    assert fit(other).step == 2 * STEPS
    assert sides.overall(other) == pytest.approx(0.6)
    assert sides.mask_of(other) <= sides.mask_of(model)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_checkpoints_within_an_epoch_are_sparse_and_know_their_step(
    any_keras, ending, first, tmp_path
):
    checkpoint = any_keras.callbacks.ModelCheckpoint(
        str(tmp_path / ("{batch}" + ending)),
        save_freq=1,
        save_weights_only=ending != ".keras",
    )
    update = tflottery.UpdatePruningStep()
    model = wrapped(any_keras)
    x, y = sides.batches(STEPS, units=2)
    order = [checkpoint, update] if first else [update, checkpoint]
    model.fit(x, y, batch_size=2, verbose=0, callbacks=order)
    files = sorted(tmp_path.iterdir())
    assert len(files) == STEPS
    for number, path in enumerate(files):
        if ending == ".keras":
            found = any_keras.models.load_model(path)
        else:
            found = wrapped(any_keras, seed=9)
            found.load_weights(path)
        # tf_keras names its files by the batch from 1, Keras 3 from 1 too.
        step = number + 1
        assert sides.step_of(found) == step
        expected = 0.2 if step >= 3 else 0.0
        assert sides.overall(found) == pytest.approx(expected)
        for kept, array in zip(
            sides.mask_of(found).values(),
            sides.masked_arrays(found),
            strict=True,
        ):
            assert not array[~kept].any()


def test_tfmots_checkpoints_within_an_epoch_are_not_sparse(tfmot, tmp_path):
    # The fault that the test above is the answer to.
    model = tf_keras.Sequential([tf_keras.layers.Dense(5, input_shape=(4,))])
    model = tfmot.prune_low_magnitude(
        model, tfmot.ConstantSparsity(0.6, 2, frequency=1)
    )
    model.compile("sgd", "mse")
    x, y = sides.batches(STEPS, units=5)
    seen = []

    class Seen(tf_keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            kernel = self.model.get_weights()[0]
            seen.append(float(np.mean(kernel == 0)))

    model.fit(
        x,
        y,
        batch_size=2,
        verbose=0,
        callbacks=[tfmot.UpdatePruningStep(), Seen()],
    )
    assert seen == [0.0] * STEPS
    assert np.mean(model.get_weights()[0] == 0) == pytest.approx(0.6)


def test_epoch_ends_are_sparse_in_any_order_of_callbacks(any_keras, tmp_path):
    found = []
    for order in (0, 1):
        path = str(tmp_path / f"{order}-{{epoch}}.weights.h5")
        checkpoint = any_keras.callbacks.ModelCheckpoint(
            path, save_weights_only=True
        )
        callbacks = [tflottery.UpdatePruningStep(), checkpoint]
        model = wrapped(any_keras)
        x, y = sides.batches(STEPS, units=2)
        model.fit(
            x,
            y,
            batch_size=2,
            epochs=2,
            shuffle=False,
            verbose=0,
            callbacks=callbacks[::-1] if order else callbacks,
        )
        for epoch, expected in ((1, 0.2), (2, 0.6)):
            other = wrapped(any_keras, seed=9)
            other.load_weights(path.format(epoch=epoch))
            assert sides.overall(other) == pytest.approx(expected)
            assert sides.step_of(other) == epoch * STEPS
        found.append(sides.mask_of(model))
    assert found[0] == found[1]


FRESH_PROCESS = """
import sys, tf_keras, tflottery
def load():
    return len(tflottery.masks(tf_keras.models.load_model(sys.argv[1])))
try:
    print("without:", load())
except (TypeError, ValueError) as error:
    print("without:", error)
with tflottery.prune_scope():
    print("with:", load())
"""


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_new_process_needs_a_scope_for_tf_keras(ending, tmp_path):
    path = str(tmp_path / f"model{ending}")
    wrapped(tf_keras).save(path)

    found = subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS, path],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert found[-1] == "with: 2"
    # tf_keras knows layers of its own only, in either format.
    assert found[0].startswith("without: ")
    assert "PruneLowMagnitude" in found[0]


def test_a_saved_user_schedule_goes_on(any_keras, tmp_path):
    model = any_keras.Sequential(
        [any_keras.Input((4,)), any_keras.layers.Dense(5)]
    )
    model = tflottery.prune_low_magnitude(model, Every(0.4, 2))
    model.compile("sgd", "mse")
    path = str(tmp_path / "own.keras")
    model.save(path)
    other = any_keras.models.load_model(path)
    (wrapper,) = sides.wrappers(other)
    assert wrapper.settings == sides.wrappers(model)[0].settings
    x, y = sides.batches(2, units=5)
    other.fit(
        x, y, batch_size=2, verbose=0, callbacks=[tflottery.UpdatePruningStep()]
    )
    assert sides.overall(other) == pytest.approx(0.4)


class Every(tflottery.PruningSchedule):
    """The same sparsity at multiples of a step."""

    def __init__(self, sparsity, steps):
        self.sparsity, self.steps = sparsity, steps

    def __call__(self, step):
        return int(step) % self.steps == 0, self.sparsity

    def get_config(self):
        return {"sparsity": self.sparsity, "steps": self.steps}


def test_patterns_and_blocks_survive_a_file(any_keras, tmp_path):
    for number, options in enumerate(
        ({"sparsity_m_by_n": (1, 4)}, {"block_size": (2, 2)})
    ):
        model = any_keras.Sequential(
            [any_keras.Input((8,)), any_keras.layers.Dense(4)]
        )
        model = tflottery.prune_low_magnitude(
            model, tflottery.ConstantSparsity(0.25, 1, frequency=1), **options
        )
        path = str(tmp_path / f"{number}.keras")
        model.save(path)
        other = any_keras.models.load_model(path)
        for each in (model, other):
            tflottery.update_pruning_step(each)
        assert sides.mask_of(other) == sides.mask_of(model)
        assert sides.overall(other) == 0.25


def test_a_killed_training_is_resumed_by_backup_and_restore(
    any_keras, tmp_path
):
    class Killed(Exception):
        pass

    class Kill(any_keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1 and not done:
                done.append(1)
                raise Killed

    for order in (1, -1):
        done = []
        folder = str(tmp_path / f"backup{order}")
        for attempt in range(2):
            model = wrapped(any_keras, seed=attempt)
            update = tflottery.UpdatePruningStep()
            callbacks = [
                update,
                any_keras.callbacks.BackupAndRestore(folder),
            ][::order]
            x, y = sides.batches(STEPS, units=2)
            arguments = {"batch_size": 2, "epochs": 2, "verbose": 0}
            try:
                model.fit(x, y, callbacks=[*callbacks, Kill()], **arguments)
            except Killed:
                assert update.step == STEPS
        assert update.step == 2 * STEPS == sides.step_of(model)
        assert sides.overall(model) == pytest.approx(0.6)


def test_early_stopping_restores_a_sparse_network(any_keras):
    model = wrapped(any_keras)
    stop = any_keras.callbacks.EarlyStopping(
        "loss", patience=1, restore_best_weights=True, mode="max"
    )
    update = fit(model, stop, epochs=6)
    assert stop.stopped_epoch and update.step < 6 * STEPS
    assert sides.overall(model) > 0.1
    for kept, array in zip(
        sides.mask_of(model).values(), sides.masked_arrays(model), strict=True
    ):
        assert not array[~kept].any()
