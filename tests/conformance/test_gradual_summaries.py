"""TensorBoard: a gradual training writes how sparse it is."""

import pytest
import side_by_side as sides
import tensorflow as tf
import tf_keras
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)

import tflottery


def wrapped(family):
    model = family.Sequential([family.Input((4,)), family.layers.Dense(5)])
    model = tflottery.prune_low_magnitude(
        model, tflottery.PolynomialDecay(0.2, 0.8, 2, 8, frequency=2)
    )
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("update_freq", ["epoch", 2])
def test_the_events_of_a_fit_tell_its_sparsity(
    any_keras, tmp_path, order, update_freq
):
    model = wrapped(any_keras)
    summaries = tflottery.PruningSummaries(str(tmp_path), update_freq)
    callbacks = [tflottery.UpdatePruningStep(), summaries][::order]
    x, y = sides.batches(5, units=5)
    model.fit(x, y, batch_size=2, epochs=2, verbose=0, callbacks=callbacks)
    events = EventAccumulator(summaries.run_dir, {"tensors": 0})
    events.Reload()
    (name,) = sides.sparsities(model)
    for tag in (name.replace("/", "."), "whole"):
        rows = events.Tensors(f"sparsity/{tag}")
        steps = [row.step for row in rows]
        values = [float(tf.make_ndarray(row.tensor_proto)) for row in rows]
        if update_freq == "epoch":
            assert steps == [0, 5, 10]
        else:
            assert steps[0] == 0 and steps[-1] == 10 and len(steps) >= 5
        assert values == sorted(values) and values[0] == 0
        assert values[-1] == pytest.approx(sides.overall(model), abs=1e-4)
        assert len(set(values)) >= 3


def test_summaries_work_in_tfmots_documented_loop(any_keras, tmp_path):
    model = wrapped(any_keras)
    update = tflottery.UpdatePruningStep()
    summaries = tflottery.PruningSummaries(str(tmp_path))
    update.set_model(model)
    summaries.set_model(model)
    update.on_train_begin()
    summaries.on_epoch_begin(epoch=-1)
    assert list(tmp_path.rglob("*tfevents*"))


@pytest.mark.parametrize(
    "log_dir, error", [("", ValueError), (None, TypeError), (7, TypeError)]
)
def test_a_folder_without_a_name_is_refused(log_dir, error, tfmot):
    with pytest.raises(error, match="`log_dir`"):
        tflottery.PruningSummaries(log_dir)
    with pytest.raises(ValueError, match="`log_dir`"):
        tfmot.PruningSummaries(log_dir)


def test_tfmots_summaries_take_our_tf_keras_wrappers(tfmot, tmp_path):
    model = wrapped(tf_keras)
    x, y = sides.batches(5, units=5)
    model.fit(
        x,
        y,
        batch_size=2,
        epochs=2,
        verbose=0,
        callbacks=[
            tflottery.UpdatePruningStep(),
            tfmot.PruningSummaries(str(tmp_path), profile_batch=0),
        ],
    )
    events = EventAccumulator(str(tmp_path / "metrics"), {"tensors": 0})
    events.Reload()
    tags = events.Tags()["tensors"]
    assert any(tag.endswith("/sparsity") for tag in tags), tags
    assert sides.overall(model) > 0.5
