"""Tests of the event files of a search, read back by TensorBoard's reader."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import metadata

from tflottery.callbacks import summaries
from tflottery.callbacks.event_files import RoundSummaries, axis_step
from tflottery.core.mask import Mask
from tflottery.layers import evidence
from tflottery.layers.masked import Masked

NEVER_DROP = {"tensors": 0, "scalars": 0, "images": 0}


def read(folder):
    """Returns `{tag: {step: value}}`, an image as its array."""
    reader = event_accumulator.EventAccumulator(str(folder), NEVER_DROP)
    reader.Reload()
    found = {}
    for tag in reader.Tags()["tensors"]:
        plugin = reader.SummaryMetadata(tag).plugin_data.plugin_name
        for event in reader.Tensors(tag):
            value = tf.make_ndarray(event.tensor_proto)
            if plugin == "images":
                value = tf.io.decode_png(value[2]).numpy()
            found.setdefault(tag, {})[event.step] = value
    return found


def a_model():
    layers = [
        keras.Input((64,)),
        Masked(keras.layers.Dense(5, name="fc1"), weights=["kernel"]),
        Masked(keras.layers.Dense(3, name="fc2"), weights=["kernel"]),
    ]
    return keras.Sequential(layers)


def a_mask(density, seed=0):
    draw = np.random.default_rng(seed).random
    return Mask(
        {
            "fc1/kernel": draw((64, 5)) < density,
            "fc2/kernel": draw((5, 3)) < density,
        }
    )


def test_a_round_is_written_with_what_is_stored(tmp_path):
    model = a_model()
    first, second = a_mask(0.6), a_mask(0.6) & a_mask(0.5, seed=1)
    with RoundSummaries(tmp_path) as rounds:
        evidence.set_mask(model, first)
        rounds.write(model, 0, {"test_accuracy": 0.5})
        evidence.set_mask(model, second)
        metrics = {"test_accuracy": np.float64(0.75), "note": "x"}
        rounds.write(model, 1, metrics | {"seconds": 2.0, "steps": 9})
    found = read(tmp_path)
    kernels = [layer.kernel.numpy() for layer in model.layers]
    alive = [kernel != 0 for kernel in kernels]
    kept = sum(map(np.count_nonzero, alive))
    assert found["surviving_weights/whole"][1] == kept == second.kept
    assert found["sparsity/whole"][1] == pytest.approx(1 - kept / 335)
    assert found["sparsity/fc2.kernel"][1] == pytest.approx(1 - alive[1].mean())
    assert found["weakest_survivor/fc1.kernel"][1] == pytest.approx(
        np.sort(np.abs(kernels[0]), axis=None)[64 * 5 - alive[0].sum()]
    )
    assert found["dead_units/fc2.kernel"][1] == (alive[1].sum(0) == 0).sum()
    assert found["unread_inputs/fc1.kernel"][1] == (alive[0].sum(1) == 0).sum()
    assert found["unread_inputs/fc1.kernel"][1] > 0
    assert found["mask_overlap/whole"] == {
        1: pytest.approx(second.kept / first.kept)
    }
    assert found["by_round/density"][1] == pytest.approx(kept / 335)
    assert found["by_round/test_accuracy"] == {0: 0.5, 1: 0.75}
    assert {tag for tag in found if tag.startswith("by_")} == {
        "by_round/density",
        "by_round/test_accuracy",
        "by_round/seconds",  # of no interest against density
        "by_pruned_per_100k/test_accuracy",
    }
    assert found["by_pruned_per_100k/test_accuracy"] == {
        axis_step(first.density): 0.5,
        axis_step(second.density): 0.75,
    }


def test_the_stored_weights_are_believed_and_not_the_mask(tmp_path):
    model = a_model()
    evidence.set_mask(model, a_mask(0.5))
    model.layers[1].kernel.assign(np.ones((5, 3)))  # behind the mask's back
    with RoundSummaries(tmp_path) as rounds:
        rounds.write(model, 0, {})
    assert read(tmp_path)["sparsity/fc2.kernel"] == {0: 0.0}


def test_the_first_layers_mask_is_there_as_images(tmp_path):
    model = a_model()
    mask = a_mask(0.5)
    evidence.set_mask(model, mask)
    with RoundSummaries(tmp_path) as rounds:
        rounds.write(model, 3, {})
    found = read(tmp_path)
    matrix = found["first_layer_mask/inputs_by_units"][3]
    np.testing.assert_array_equal(matrix[::8, ::8, 0], 255 * mask["fc1/kernel"])
    reads = mask["fc1/kernel"].sum(axis=1).reshape(8, 8)
    np.testing.assert_array_equal(
        found["first_layer_mask/reads_per_input"][3][::64, ::64, 1],
        np.rint(255 * reads / reads.max()),
    )


def test_no_images_are_written_on_request(tmp_path):
    with RoundSummaries(tmp_path, images=False) as rounds:
        rounds.write(a_model(), 0, {})
    assert not [tag for tag in read(tmp_path) if "first_layer" in tag]


def test_a_round_is_on_disk_before_the_file_is_closed(tmp_path):
    rounds = RoundSummaries(tmp_path)
    rounds.write(a_model(), 0, {"loss": 2.0})
    found = read(tmp_path)
    assert found["by_round/loss"] == {0: 2.0}
    assert list(found["first_layer_mask/inputs_by_units"]) == [0]
    rounds.close()


def test_a_resumed_search_compares_with_the_mask_it_is_given(tmp_path):
    model = a_model()
    before, now = a_mask(0.5), a_mask(0.5) & a_mask(0.5, seed=1)
    evidence.set_mask(model, now)
    with RoundSummaries(tmp_path) as rounds:
        rounds.write(model, 4, {}, previous=before)
    found = read(tmp_path)["mask_overlap/whole"]
    assert found == {4: pytest.approx(now.kept / before.kept)}


def test_the_axis_of_density_grows_as_weights_go():
    # 25 rounds of 20 percent stay apart, and never go back.
    steps = [axis_step(0.8**round) for round in range(26)]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[1]) == (0, 20_000)


def test_an_unwrapped_model_is_refused(tmp_path):
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="must be wrapped"):
        RoundSummaries(tmp_path / "run").write(plain, 0, {})
    assert not (tmp_path / "run").exists()


def hparams_of(folder):
    """Returns the session start, the experiment and the session's end."""
    reader = event_accumulator.EventAccumulator(str(folder), NEVER_DROP)
    reader.Reload()
    tags = reader.PluginTagToContent("hparams")
    return (
        metadata.parse_session_start_info_plugin_data(
            tags[metadata.SESSION_START_INFO_TAG]
        ),
        metadata.parse_experiment_plugin_data(tags[metadata.EXPERIMENT_TAG]),
        metadata.parse_session_end_info_plugin_data(
            tags[metadata.SESSION_END_INFO_TAG]
        ),
    )


def test_hyper_parameters_make_a_line(tmp_path):
    with RoundSummaries(tmp_path) as rounds:
        rounds.hparams(
            {
                "rate": np.float32(0.5),
                "rounds": 12,
                "jit": True,
                "scope": "global",
                "structure": None,
                "prune_fraction": {"head": 0.1},
            },
        )
    start, experiment, end = hparams_of(tmp_path)
    assert start.hparams["rate"].number_value == 0.5
    assert start.hparams["rounds"].number_value == 12
    assert start.hparams["jit"].bool_value is True
    assert start.hparams["scope"].string_value == "global"
    assert start.hparams["structure"].string_value == "none"
    assert start.hparams["prune_fraction"].string_value == '{"head": 0.1}'
    names = {info.name for info in experiment.hparam_infos}
    assert names == set(start.hparams)
    assert start.start_time_secs <= end.end_time_secs


def test_columns_that_tell_searches_apart_come_first(tmp_path):
    # TensorBoard puts what "differs" first, then goes by name.
    settings = {"batch_size": 60, "dataset": "digits", "scope": "erk"}
    for folder, chosen in ({"a": {}, "b": {"leading": ["batch_size"]}}).items():
        with RoundSummaries(tmp_path / folder) as rounds:
            rounds.hparams(settings, **chosen)
    leading = [
        {
            i.name
            for i in hparams_of(tmp_path / run)[1].hparam_infos
            if i.differs
        }
        for run in "ab"
    ]
    assert leading == [{"dataset", "scope"}, {"batch_size"}]


def test_closing_writes_the_line_with_the_metrics_of_the_rounds(tmp_path):
    model = a_model()
    rounds = RoundSummaries(tmp_path, hyper_parameters={"seed": 3})
    rounds.write(model, 0, {"test_accuracy": 0.5})
    evidence.set_mask(model, a_mask(0.5))
    rounds.write(model, 1, {"seconds": 3.0, "test_accuracy": 0.75})
    rounds.close()
    rounds.close()
    start, experiment, _ = hparams_of(tmp_path)
    assert {k: v.number_value for k, v in start.hparams.items()} == {"seed": 3}
    # The table shows the last value of each of these tags, in this order.
    shown = {m.name.tag: m.display_name for m in experiment.metric_infos}
    assert list(shown.items()) == [
        ("by_round/density", "density"),
        ("by_round/test_accuracy", "test_accuracy"),
        ("by_round/seconds", "seconds"),
    ]
    assert set(shown) <= set(read(tmp_path))


def test_every_tag_is_described(tmp_path):
    model = a_model()
    with RoundSummaries(tmp_path) as rounds:
        rounds.write(model, 0, {"test_accuracy_best": 0.5, "my_metric": 1.0})
        evidence.set_mask(model, a_mask(0.5))
        rounds.write(model, 1, {"test_accuracy_best": 0.5, "my_metric": 1.0})
    reader = event_accumulator.EventAccumulator(str(tmp_path), NEVER_DROP)
    reader.Reload()
    told = {
        tag: reader.SummaryMetadata(tag).summary_description
        for tag in reader.Tags()["tensors"]
    }
    assert all(text.endswith(".") for text in told.values())
    axis = "Horizontal axis: the round; 0 is the dense network."
    assert told["by_round/my_metric"] == axis
    assert told["by_round/test_accuracy_best"] == (
        "Test accuracy at the early-stopping step. " + axis
    )
    assert "80 % pruned" in told["by_pruned_per_100k/test_accuracy_best"]
    picture = told["first_layer_mask/reads_per_input"]
    assert picture.startswith("`fc1/kernel`, shape (64, 5). How many units")


def test_a_search_without_a_round_leaves_no_line(tmp_path):
    RoundSummaries(tmp_path / "run", hyper_parameters={"seed": 3}).close()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("log_dir", ["", "  "])
def test_an_empty_log_dir_is_refused(log_dir):
    with pytest.raises(ValueError, match="`log_dir` must name .* Received: "):
        RoundSummaries(log_dir)


@pytest.mark.parametrize("log_dir", [None, 3, ["logs"]])
def test_a_log_dir_that_is_no_path_is_refused(log_dir):
    with pytest.raises(TypeError, match="`log_dir` must be .* Use a folder"):
        RoundSummaries(log_dir)


def test_a_log_dir_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="which is a file"):
        RoundSummaries(tmp_path / "file")


def test_a_measurement_does_not_follow_the_model():
    model = a_model()
    before = summaries.measure(model)
    evidence.set_mask(model, a_mask(0.5))
    assert (before.density, before.mask.density) == (1.0, 1.0)
