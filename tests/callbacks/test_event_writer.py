"""Tests of event files in places that TensorFlow cannot write to."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

import tflottery
from tflottery.callbacks import event_writer
from tflottery.callbacks.event_files import RoundSummaries


def steps_of(folder):
    """Returns `{tag: [step]}`."""
    reader = event_accumulator.EventAccumulator(str(folder), {"tensors": 0})
    reader.Reload()
    return {
        tag: [event.step for event in reader.Tensors(tag)]
        for tag in reader.Tags()["tensors"]
    }


def a_model():
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(5, name="fc")]
    )
    return tflottery.prune_once(model, sparsity=0.5)


def write(writer, step):
    with writer.as_default(step=step):
        tf.summary.scalar("x", 1.0)


def test_local_files_are_written_by_tensorflow_itself(tmp_path):
    writer = event_writer.open_writer(tmp_path / "logs")
    assert isinstance(writer, tf.summary.SummaryWriter)
    write(writer, 3)
    assert steps_of(tmp_path / "logs") == {"x": [3]}
    writer.close()


@pytest.mark.parametrize("kind", ["path", "text"])
def test_a_round_is_in_the_bucket_before_the_file_is_closed(bucket, kind):
    place = bucket.path / "logs"
    rounds = RoundSummaries(place if kind == "path" else str(place))
    assert rounds.log_dir == str(place)
    rounds.write(a_model(), 0, {"loss": 2.0})
    found = steps_of(bucket.folder / "logs")
    assert found["by_round/loss"] == [0]
    assert found["first_layer_mask/inputs_by_units"] == [0]
    rounds.write(a_model(), 1, {"loss": 1.0})
    assert steps_of(bucket.folder / "logs")["by_round/loss"] == [0, 1]
    rounds.hparams({"rate": 0.1})
    size = len(b"".join(bucket.files().values()))
    rounds.close()
    assert len(b"".join(bucket.files().values())) == size
    # One file, and none beside it that TensorBoard could take for one.
    assert len(os.listdir(bucket.folder / "logs")) == 1


def test_what_nobody_waits_for_is_copied_once_in_a_while(bucket):
    patient = event_writer.RemoteWriter(bucket.path / "patient", seconds=1e6)
    hasty = event_writer.RemoteWriter(bucket.path / "hasty", seconds=0.0)
    for step in range(3):
        write(patient, step)
        write(hasty, step)
    assert steps_of(bucket.folder / "hasty") == {"x": [0, 1, 2]}
    # The first is there at once, to show that there is something.
    assert steps_of(bucket.folder / "patient") == {"x": [0]}
    patient.flush()
    assert steps_of(bucket.folder / "patient") == {"x": [0, 1, 2]}
    write(patient, 3)
    patient.close()
    hasty.close()
    assert steps_of(bucket.folder / "patient") == {"x": [0, 1, 2, 3]}


def test_no_copy_is_made_of_what_has_not_changed(bucket, monkeypatch):
    writer = event_writer.open_writer(bucket.path / "logs")
    write(writer, 0)
    writer.flush()
    monkeypatch.setattr(type(bucket.path), "open", None)
    writer.flush()
    writer.close()
    writer.close()


@pytest.mark.parametrize("how", ["closed", "forgotten", "cut off"])
def test_no_files_stay_on_this_machine(bucket, monkeypatch, how):
    writer = event_writer.open_writer(bucket.path / "logs")
    write(writer, 0)
    write(writer, 1)
    folder = writer._folder
    assert len(os.listdir(folder)) == 1
    if how == "closed":
        writer.close()
    elif how == "forgotten":
        del writer
    else:

        def cut_off(*unused):
            raise ConnectionError("no network")

        monkeypatch.setattr(type(bucket.path), "open", cut_off)
        with pytest.raises(ConnectionError):
            writer.close()
    assert not os.path.exists(folder)


def test_a_fit_can_log_and_save_to_a_bucket(bucket):
    model = a_model()
    model.compile("adam", "mse")
    log_dir, snapshot = bucket.path / "logs", bucket.path / "snapshot"
    for _ in range(2):
        summaries = tflottery.callbacks.PruningSummaries(log_dir)
        at = tflottery.callbacks.SnapshotAt("1it", path=str(snapshot))
        x, y = np.ones((8, 4)), np.ones((8, 5))
        model.fit(x, y, batch_size=4, verbose=0, callbacks=[summaries, at])
    assert summaries.run_dir == f"{log_dir}/fit_1"
    for run in ("fit_0", "fit_1"):
        found = steps_of(bucket.folder / "logs" / run)
        assert found["sparsity/whole"] == [0, 2]
        assert found["by_round/density"] == [0]
    loaded = tflottery.Snapshot.load(snapshot)
    assert loaded.digest() == at.snapshot.digest()
