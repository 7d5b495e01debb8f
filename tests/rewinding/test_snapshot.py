"""Rewinding, proven bit for bit."""

import keras
import numpy as np
import pytest

import tflottery
from tflottery.layers import evidence, state
from tflottery.rewinding import policy
from tflottery.rewinding.snapshot import Snapshot

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype("float32")
Y = RNG.normal(size=(40, 3)).astype("float32")
STEPS = 10  # per epoch, at batch size 4


def build(schedule=True):
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(0.3, seed=4),
            keras.layers.Dense(3),
        ]
    )
    rate = (
        keras.optimizers.schedules.ExponentialDecay(0.05, 5, 0.7)
        if schedule
        else 0.05
    )
    model = tflottery.prune_iteratively(model, prune_fraction=0.3)
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


@pytest.mark.parametrize(
    "k", [0, 7, STEPS], ids=["init", "mid-epoch", "epoch-end"]
)
@pytest.mark.parametrize("per_execution", [1, "divisor"])
def test_every_part_of_the_state_returns_bit_for_bit(k, per_execution):
    model = build()
    per_execution = {0: 5, 7: 7, STEPS: 5}[k] if per_execution != 1 else 1
    model.steps_per_execution = per_execution
    at = tflottery.callbacks.SnapshotAt(k)
    model.fit(
        X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[at]
    )
    snapshot = at.snapshot
    assert snapshot.step == k
    names = set(snapshot.values)
    assert {
        "weights/dense/kernel",
        "weights/dense/bias",
        "weights/batch_normalization/moving_mean",
        "weights/dropout/seed_generator/seed_generator_state",
    } <= names or any("seed" in name for name in names)
    tflottery.prune(model, 0.5)
    mask = evidence.current_mask(model)
    policy.WeightRewinding().apply(model, snapshot)
    now = state.read(model)
    kernels = {f"weights/{path}": kept for path, kept in mask.items()}
    slots = {}
    for path, wrapper, relative in evidence.masked_weights(model):
        variable = wrapper.masked_weights[relative][0]
        index = model.optimizer._get_variable_index(variable)
        for group in (model.optimizer._momentums, model.optimizer._velocities):
            for number, v in enumerate(model.optimizer.variables):
                if v is group[index]:
                    slots[f"optimizer/{number}"] = mask[path]
    assert len(kernels) == 2 and len(slots) == 4
    checked = 0
    for name, value in snapshot.values.items():
        kept = {**kernels, **slots}.get(name, np.ones(value.shape, bool))
        expected = np.where(kept, value, np.zeros_like(value))
        np.testing.assert_array_equal(now[name], expected, err_msg=name)
        checked += 1
    assert checked == len(now) >= 15
    assert int(model.optimizer.iterations.numpy()) == k
    rate = float(model.optimizer.learning_rate)
    assert rate == pytest.approx(0.05 * 0.7 ** (k / 5), rel=1e-6)


def test_the_same_steps_follow_after_a_rewind_without_pruning():
    """From step k on, training repeats itself bit for bit."""
    model = build()
    at = tflottery.callbacks.SnapshotAt(f"{STEPS}it")
    keywords = dict(batch_size=4, shuffle=False, verbose=0)
    model.fit(X, Y, epochs=3, callbacks=[at], **keywords)
    first = state.read(model)
    at.snapshot.restore(model)
    model.fit(X, Y, epochs=2, **keywords)
    second = state.read(model)
    assert first.keys() == second.keys() and len(first) >= 15
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_a_fresh_optimizer_starts_at_zero_with_the_step_counter_at_k():
    model = build()
    model.fit(X, Y, batch_size=4, verbose=0)
    snapshot = Snapshot.take(model)
    model.fit(X, Y, batch_size=4, verbose=0)
    snapshot.restore(model, optimizer="fresh")
    assert int(model.optimizer.iterations.numpy()) == STEPS
    for slots in (model.optimizer._momentums, model.optimizer._velocities):
        assert all(np.all(slot.numpy() == 0) for slot in slots)


@pytest.mark.parametrize(
    ("name", "weights_move", "iterations"),
    [
        ("weight_rewinding", True, 4),
        ("learning_rate_rewinding", False, 4),
        ("fine_tuning", False, STEPS),
        ("continued_training", False, 0),
    ],
)
def test_policies_put_back_what_their_papers_say(
    name, weights_move, iterations
):
    model = build()
    at = tflottery.callbacks.SnapshotAt(4)
    model.fit(X, Y, batch_size=4, verbose=0, callbacks=[at])
    before = evidence.current_weights(model)
    chosen = policy.get(name)
    chosen.apply(model, at.snapshot)
    after = evidence.current_weights(model)
    assert len(before) == 2
    for path in before:
        same = np.array_equal(before[path], after[path])
        assert same is not weights_move
    assert int(model.optimizer.iterations.numpy()) == iterations
    again = policy.get(policy.serialize(chosen))
    assert again.get_config() == chosen.get_config()


def test_an_unknown_policy_gets_the_nearest_name():
    with pytest.raises(ValueError, match="weight_rewinding"):
        policy.get("weight_rewind")


def test_a_snapshot_file_keeps_every_bit(tmp_path):
    model = build()
    model.fit(X, Y, batch_size=4, verbose=0)
    snapshot = Snapshot.take(model)
    snapshot.save(tmp_path / "snapshot")
    loaded = Snapshot.load(tmp_path / "snapshot")
    assert loaded.digest() == snapshot.digest() and loaded.step == STEPS
    data = bytearray((tmp_path / "snapshot").read_bytes())
    data[-20] ^= 1
    (tmp_path / "snapshot").write_bytes(data)
    with pytest.raises(tflottery.DamagedFileError):
        Snapshot.load(tmp_path / "snapshot")


def test_a_snapshot_of_another_model_names_the_tensor_and_changes_nothing():
    model = build()
    snapshot = Snapshot.take(model)
    other = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    other.compile("adam", "mse")
    with pytest.raises(ValueError, match="does not fit the model"):
        snapshot.restore(other)
    values = dict(snapshot.values)
    values["weights/dense/bias"] = np.zeros(9)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"`weights/dense/bias`.*\(9,\)"):
        Snapshot(0, values).restore(model)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_uncompiled_model_is_refused():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="must be compiled"):
        Snapshot.take(model)


@pytest.mark.parametrize(
    ("step", "per_execution", "message"),
    [
        (7, 5, "multiple of `steps_per_execution`.*step 5 or 10"),
        ("99it", 1, "past the end of training"),
        ("3ep", 1, "past the end of training"),
    ],
)
def test_steps_that_cannot_be_exact_are_refused_before_training(
    step, per_execution, message
):
    model = build()
    model.steps_per_execution = per_execution
    at = tflottery.callbacks.SnapshotAt(step)
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[at])
    assert int(model.optimizer.iterations.numpy()) == 0
