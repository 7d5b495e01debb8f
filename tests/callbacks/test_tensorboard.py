"""Tests of `PruningSummaries`: what a `fit` leaves for TensorBoard."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import metadata

from tflottery.callbacks.event_files import axis_step
from tflottery.callbacks.iterative import IterativePruning
from tflottery.callbacks.tensorboard import PruningSummaries
from tflottery.layers import evidence
from tflottery.layers.prune import prune_iteratively, prune_once

EPOCHS_PER_ROUND = 2
STEPS = 4  # per epoch


def a_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16,)),
            keras.layers.Dense(8, activation="relu", name="fc1"),
            keras.layers.Dense(3, name="output"),
        ]
    )
    return model


def fit(model, *callbacks, epochs=1, **kwargs):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4 * STEPS, 16)), np.arange(4 * STEPS) % 3
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], **kwargs)
    model.fit(
        x, y, batch_size=4, epochs=epochs, verbose=0, callbacks=list(callbacks)
    )


def read(folder):
    reader = event_accumulator.EventAccumulator(
        str(folder), {"tensors": 0, "scalars": 0}
    )
    reader.Reload()
    return {
        tag: {
            event.step: tf.make_ndarray(event.tensor_proto)
            for event in reader.Tensors(tag)
        }
        for tag in reader.Tags()["tensors"]
    }


def settings_in(folder):
    """Returns the settings, names of leading columns, and tags of metrics."""
    reader = event_accumulator.EventAccumulator(str(folder))
    reader.Reload()
    tags = reader.PluginTagToContent("hparams")
    start = metadata.parse_session_start_info_plugin_data(
        tags[metadata.SESSION_START_INFO_TAG]
    )
    experiment = metadata.parse_experiment_plugin_data(
        tags[metadata.EXPERIMENT_TAG]
    )
    return (
        {
            name: value.number_value or value.string_value
            for name, value in start.hparams.items()
        },
        {info.name for info in experiment.hparam_infos if info.differs},
        [info.name.tag for info in experiment.metric_infos],
    )


@pytest.fixture(scope="module", params=["search first", "summaries first"])
def search_and_run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    model = prune_iteratively(a_model(), 0.5, rewind_to="1it")
    search = IterativePruning(
        rounds=2, epochs_per_round=EPOCHS_PER_ROUND, verbose=0
    )
    shown = PruningSummaries(folder, hyper_parameters={"batch_size": 4})
    both = [search, shown]
    if request.param == "summaries first":
        both.reverse()
    weakest = []

    def before_pruning(row):
        weights = evidence.current_weights(model).values()
        alive = np.concatenate([w[w != 0] for w in weights])
        weakest.append(np.abs(alive).min())

    search.listeners.append(before_pruning)
    fit(model, *both, epochs=search.epochs)
    return search, read(shown.run_dir), weakest, settings_in(shown.run_dir)


def test_every_round_has_its_density_and_its_metrics(search_and_run):
    search, found, _, _ = search_and_run
    assert [row["density"] for row in search.history] == [1.0, 0.5, 0.25]
    for name in ("density", "loss", "accuracy"):
        expected = {
            row["round"]: pytest.approx(row[name]) for row in search.history
        }
        assert found[f"by_round/{name}"] == expected
    assert found["by_pruned_per_100k/accuracy"] == {
        axis_step(row["density"]): pytest.approx(row["accuracy"])
        for row in search.history
    }


def test_the_end_of_a_round_shows_the_trained_network(search_and_run):
    # After the round come the next mask and the rewind; both orders of the
    # callbacks must be measured before that.
    _, found, weakest, _ = search_and_run
    length = EPOCHS_PER_ROUND * STEPS
    ends = [length, 2 * length - 1, 3 * length - 2]  # rewound to step 1
    for end, sparsity, least in zip(ends, [0, 0.5, 0.75], weakest, strict=True):
        assert found["sparsity/whole"][end] == sparsity
        assert found["weakest_survivor/whole"][end] == pytest.approx(least)


def test_steps_run_on_through_the_rounds(search_and_run):
    _, found, _, _ = search_and_run
    steps = list(found["surviving_weights/fc1.kernel"])
    # The begin, each end of an epoch, and the ends of rounds 1 and 2.
    assert steps == [0, 4, 8, 12, 15, 16, 20, 22]


def test_overlap_is_written_once_for_each_new_mask(search_and_run):
    _, found, _, _ = search_and_run
    # Half of the survivors stay each time; nothing returns.
    assert list(found["mask_overlap/whole"].values()) == [0.5, 0.5]


def test_the_mask_is_drawn_once_a_round(search_and_run):
    _, found, _, _ = search_and_run
    assert list(found["first_layer_mask/inputs_by_units"]) == [0, 1, 2]


def test_settings_and_metrics_are_in_the_table(search_and_run):
    search, found, _, (settings, leading, metrics) = search_and_run
    assert settings["prune_fraction"] == 0.5
    assert settings["rewind_to"] == "1it"
    assert (settings["scope"], settings["rounds"]) == ("global", 2)
    assert settings["batch_size"] == 4
    # What the user adds is to be seen at once.
    assert leading == {"prune_fraction", "rewind_to", "scope", "batch_size"}
    assert metrics == [
        f"by_round/{name}" for name in ("density", "accuracy", "loss")
    ]
    assert set(metrics) <= set(found)


def test_a_fit_without_a_search_is_one_round(tmp_path):
    model = prune_once(a_model(), sparsity=0.75)
    shown = PruningSummaries(tmp_path, images=False)
    fit(model, shown)
    found = read(shown.run_dir)
    assert found["by_round/density"] == {0: 0.25}
    assert list(found["by_round/loss"]) == [0]
    assert found["sparsity/whole"] == {0: 0.75, STEPS: 0.75}


def test_every_fit_is_a_run_of_its_own(tmp_path):
    model = prune_iteratively(a_model(), 0.5, rewind_to="0it")
    search = IterativePruning(rounds=1, epochs_per_round=1, verbose=0)
    shown = PruningSummaries(tmp_path, images=False)
    fit(model, shown, search, epochs=search.epochs)
    fit(model, shown)  # no search: the old one must not be taken for it
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "fit_0",
        "fit_1",
    ]
    assert list(read(tmp_path / "fit_0")["by_round/density"]) == [0, 1]
    assert list(read(tmp_path / "fit_1")["by_round/density"]) == [0]
    assert not search.listeners


def test_weights_can_be_measured_every_few_steps(tmp_path):
    model = prune_once(a_model(), sparsity=0.5)
    shown = PruningSummaries(tmp_path, update_freq=3, images=False)
    fit(model, shown, epochs=2)
    assert list(read(shown.run_dir)["sparsity/whole"]) == [0, 3, 6, 8]


def test_steps_are_counted_through_executions_of_several(tmp_path):
    model = prune_once(a_model(), sparsity=0.5)
    shown = PruningSummaries(tmp_path, update_freq=2, images=False)
    fit(model, shown, epochs=2, steps_per_execution=3)
    # Executions of 3 and 1 steps in each epoch of 4.
    assert list(read(shown.run_dir)["sparsity/whole"]) == [0, 3, 7, 8]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"log_dir": ""}, ValueError, "`log_dir` must name a folder"),
        ({"log_dir": 3}, TypeError, "`log_dir` must be .* log_dir=3"),
        ({"update_freq": 0}, ValueError, "update_freq=0. It is 'epoch'"),
        ({"update_freq": "batch"}, TypeError, "update_freq='batch'. It is"),
        ({"hyper_parameters": [1]}, TypeError, "`hyper_parameters` must map"),
    ],
)
def test_a_bad_argument_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        PruningSummaries(**{"log_dir": "logs", **arguments})


def test_an_unwrapped_model_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="must be wrapped"):
        fit(a_model(), PruningSummaries(tmp_path))
    assert not list(tmp_path.iterdir())
