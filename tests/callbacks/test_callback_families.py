"""Callbacks in a `fit` of either Keras family: same hooks, same counts."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tflottery
from tflottery.callbacks import counting, searches, summaries
from tflottery.callbacks.callback import Callback
from tflottery.callbacks.rounds import RoundPlan
from tflottery.layers import evidence, state
from tflottery.layers.settings import PruningSettings
from tflottery.lottery import network
from tflottery.lottery.checkpoint import CheckpointFile
from tflottery.lottery.journal import ReplicateJournal
from tflottery.lottery.training import RoundTrainer, TrainingDivergedError

FAMILIES = {"keras": keras, "tf_keras": tf_keras}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype("float32")
Y = RNG.normal(size=(40, 3)).astype("float32")
STEPS = 10

both = pytest.mark.parametrize("family", ["keras", "tf_keras"])


def plain(family, **arguments):
    k = FAMILIES[family]
    model = tflottery.models.build(
        "mlp", k, input_shape=(6,), num_classes=3, hidden=(5,), seed=0
    )
    arguments = {"optimizer": k.optimizers.Adam(0.01), **arguments}
    model.compile(loss="mse", metrics=["mae"], **arguments)
    return model


def fit(model, *callbacks, **keywords):
    keywords = {"epochs": 2, "batch_size": 4, "shuffle": False, **keywords}
    return model.fit(X, Y, verbose=0, callbacks=list(callbacks), **keywords)


class Recorder(Callback):
    """Notes what it is told."""

    def __init__(self):
        super().__init__()
        self.ends, self.updates, self.logs = [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.ends.append([])
        self.updates.append([])

    def on_train_batch_end(self, batch, logs=None):
        self.ends[-1].append(batch)
        self.updates[-1].append(state.iterations(self.model))
        self.logs.append(logs)


class Quiet(Callback):
    """Overrides no batch hook."""

    ended = 0

    def on_epoch_end(self, epoch, logs=None):
        self.ended += 1


@both
@pytest.mark.parametrize("per_execution", [1, 4, 100])
def test_hooks_name_the_last_batch_of_each_execution(family, per_execution):
    model = plain(family, steps_per_execution=per_execution)
    seen = Recorder()
    fit(model, seen)
    full = [n + per_execution - 1 for n in range(0, STEPS, per_execution)]
    true = [min(n, STEPS - 1) for n in full]
    # Keras 3 counts a last, shorter execution as if it were a full one.
    assert seen.ends == [full if family == "keras" else true] * 2
    assert seen.updates == [
        [n + 1 for n in true],
        [n + 1 + STEPS for n in true],
    ]
    assert seen.params["steps"] == STEPS and seen.params["epochs"] == 2
    assert seen.model is model
    assert counting.steps_per_execution(model) == per_execution


@both
@pytest.mark.parametrize("jit_compile", [False, True])
def test_logs_are_numbers_or_become_such(family, jit_compile):
    model = plain(family, jit_compile=jit_compile)
    seen = Recorder()
    history = fit(model, seen, epochs=1)
    assert len(seen.logs) == STEPS
    for logs in seen.logs:
        assert set(logs) == {"loss", "mae"}
        assert all(np.isfinite(float(value)) for value in logs.values())
    assert float(seen.logs[-1]["mae"]) == pytest.approx(
        history.history["mae"][0]
    )


def test_tf_keras_converts_no_logs_for_our_batch_hooks():
    seen = Recorder()
    fit(plain("tf_keras"), seen, epochs=1)
    assert all(tf.is_tensor(logs["loss"]) for logs in seen.logs)
    assert len(seen.logs) == STEPS


def test_tf_keras_calls_no_batch_hooks_that_nobody_overrides():
    quiet, recorder = Quiet(), Recorder()
    for callback, expected in ((quiet, False), (recorder, True)):
        hooks = tf_keras.callbacks.CallbackList([callback])
        assert hooks._should_call_train_batch_hooks is expected
        assert hooks._should_call_test_batch_hooks is False
        assert hooks._should_call_predict_batch_hooks is False
    fit(plain("tf_keras"), quiet)
    assert quiet.ended == 2


@pytest.mark.parametrize(
    ("hook", "mode"),
    [
        ("on_batch_begin", "train"),
        ("on_batch_end", "train"),
        ("on_train_batch_begin", "train"),
        ("on_test_batch_end", "test"),
        ("on_predict_batch_begin", "predict"),
    ],
)
def test_every_batch_hook_that_is_overridden_is_called(hook, mode):
    calls = []

    class Overrides(Callback):
        pass

    setattr(Overrides, hook, lambda self, batch, logs=None: calls.append(batch))
    hooks = tf_keras.callbacks.CallbackList([Overrides()])
    for name in ("train", "test", "predict"):
        found = getattr(hooks, f"_should_call_{name}_batch_hooks")
        assert found is (name == mode)
    model = plain("tf_keras")
    if mode == "train":
        fit(model, Overrides(), epochs=1)
    elif mode == "test":
        model.evaluate(X, Y, batch_size=4, verbose=0, callbacks=[Overrides()])
    else:
        model.predict(X, batch_size=4, verbose=0, callbacks=[Overrides()])
    assert calls == list(range(STEPS))


@both
def test_ours_stand_beside_the_familys_own_callbacks(family):
    seen = Recorder()
    k = FAMILIES[family]
    stop = k.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9)
    spy = k.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.logs.append(logs)
    )
    history = fit(plain(family), seen, spy, stop, epochs=5)
    assert len(history.history["loss"]) == 2
    assert len(seen.logs) == 2 * 2 * STEPS


@both
@pytest.mark.parametrize("last", [3, 9])
def test_a_fit_ends_where_it_is_stopped_and_the_model_stays(family, last):
    """The last execution of an epoch holds 2 batches, the others 4."""

    class Stops(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch >= last:
                self.stop_training()

    model = plain(family, steps_per_execution=4)
    fit(model, Stops())
    assert state.iterations(model) == last + 1
    assert counting.steps_per_execution(model) == 4
    seen = Recorder()
    fit(model, seen, epochs=1)
    assert seen.updates == [[last + 1 + n for n in (4, 8, 10)]]


@both
@pytest.mark.parametrize("per_execution", [1, 3])
def test_an_evaluation_inside_a_fit_is_that_of_all_data(family, per_execution):
    """With 3 batches per execution the last of an epoch holds only one."""
    found = []

    class Evaluates(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch >= STEPS - 1:
                self.settle_execution()
                found.append(
                    self.model.evaluate(
                        X, Y, batch_size=4, verbose=0, return_dict=True
                    )
                )
                self.model.reset_metrics()

    model = plain(family, steps_per_execution=per_execution)
    seen = Recorder()
    fit(model, Evaluates(), seen)
    after = model.evaluate(X, Y, batch_size=4, verbose=0, return_dict=True)
    assert len(found) == 2 and found[1] == pytest.approx(after)
    output = np.asarray(model(X))
    assert after["mae"] == pytest.approx(np.abs(output - Y).mean(), rel=1e-4)
    assert state.iterations(model) == 2 * STEPS
    assert [updates[-1] for updates in seen.updates] == [STEPS, 2 * STEPS]


@both
@pytest.mark.parametrize("per_execution", [1, 4])
def test_steps_are_counted_and_read_only_when_it_matters(
    family, per_execution, monkeypatch
):
    reads = []
    true = state.iterations
    monkeypatch.setattr(
        state, "iterations", lambda model: reads.append(1) or true(model)
    )

    class Counts(Callback):
        reached = ()

        def on_train_begin(self, logs=None):
            self.counter = counting.StepCounter(self.model)

        def on_epoch_begin(self, epoch, logs=None):
            self.counter.epoch_began()

        def on_train_batch_end(self, batch, logs=None):
            self.counter.batch_ended(batch)
            if not self.reached and self.counter.reached(14):
                self.reached = (self.counter.at_most, batch)

    counts = Counts()
    fit(plain(family, steps_per_execution=per_execution), counts)
    assert counts.reached == (14, 3)
    assert counts.counter.at_most >= 2 * STEPS and len(reads) == 2
    counts.counter.reset()
    assert counts.counter.at_most == 2 * STEPS


@both
@pytest.mark.parametrize(
    ("step", "expected", "jit_compile"),
    [(0, 0, False), ("4it", 4, True), ("1ep", 10, False), ("70%", 14, False)],
)
def test_a_snapshot_is_that_of_its_exact_step(
    family, step, expected, jit_compile
):
    model = plain(family, steps_per_execution=2, jit_compile=jit_compile)
    at = tflottery.callbacks.SnapshotAt(step)
    fit(model, at)
    assert at.snapshot.step == expected
    again = plain(family, steps_per_execution=2, jit_compile=jit_compile)
    before = state.read(again)
    if expected:
        kept = X[: 4 * expected], Y[: 4 * expected]
        if expected > STEPS:
            kept = [np.concatenate([a, a])[: 4 * expected] for a in (X, Y)]
        again.fit(*kept, batch_size=4, shuffle=False, verbose=0)
    values = state.read(again)
    assert values.keys() == at.snapshot.values.keys()
    assert len(values) >= 4 + 2 * 4
    for name, value in values.items():
        np.testing.assert_array_equal(value, at.snapshot.values[name], name)
        if expected and name.startswith(state.WEIGHTS):
            assert np.any(value != before[name]), name


@both
def test_a_snapshot_inside_an_execution_is_refused_before_training(family):
    model = plain(family, steps_per_execution=4)
    with pytest.raises(ValueError, match="`step` must be a multiple.*4 or 8"):
        fit(model, tflottery.callbacks.SnapshotAt("5it"))
    assert state.iterations(model) == 0


def test_an_execution_that_keras_tunes_is_refused_before_training():
    model = plain("tf_keras", steps_per_execution="auto")
    with pytest.raises(ValueError, match="`steps_per_execution` must be a fix"):
        fit(model, tflottery.callbacks.SnapshotAt("5it"))
    assert state.iterations(model) == 0
    seen = Recorder()
    fit(model, seen, epochs=1)
    assert seen.updates[-1][-1] == STEPS


@both
@pytest.mark.parametrize("per_execution", [1, 5, 100])
def test_rounds_are_planned_alike(family, per_execution):
    plan = RoundPlan.of(
        plain(family, steps_per_execution=per_execution),
        PruningSettings.create(rewind_to="1ep"),
        batches=STEPS,
        rounds=2,
        epochs_per_round=3,
        starts_over=False,
    )
    assert plan == RoundPlan(30, 10, 20, STEPS, 2)


@both
def test_a_model_tells_the_shape_of_one_example(family):
    k = FAMILIES[family]

    class Net(k.Model):
        def __init__(self):
            super().__init__()
            self.head = k.layers.Dense(3)

        def call(self, x):
            return self.head(x)

    net = Net()
    net(X)
    a, b = k.Input((6,)), k.Input((2,))
    several = k.Model([a, b], k.layers.Concatenate()([a, b]))
    assert summaries.input_shape_of(plain(family)) == (6,)
    assert summaries.input_shape_of(net) is None
    assert summaries.input_shape_of(several) is None
    assert summaries.input_shape_of(k.layers.Dense(3)) is None
    assert summaries.input_shape_of([k.layers.Dense(3)]) is None


def wrapped(family, rewind_to="3it", **arguments):
    k = FAMILIES[family]
    model = tflottery.models.build(
        "mlp", k, input_shape=(6,), num_classes=3, hidden=(8,), seed=0
    )
    model = tflottery.prune_iteratively(model, 0.5, rewind_to=rewind_to)
    optimizer = k.optimizers.Adam(0.01)
    model.compile(optimizer, "mse", metrics=["mae"], **arguments)
    return model


def searched(family, rounds=2, callbacks=(), **arguments):
    model = wrapped(family, **arguments)
    search = tflottery.callbacks.IterativePruning(
        rounds, 2, validation_data=(X, Y), verbose=0
    )
    fit(model, search, *callbacks, epochs=search.epochs)
    return model, search


@pytest.mark.parametrize("family", FAMILIES)
def test_validation_data_have_the_forms_that_fit_takes(family):
    weights = np.arange(len(X), dtype="float32")
    # Of a single number, so that a metric weighed otherwise would differ.
    for data in ((X, Y), [X, Y], (X, Y, weights)):
        model = wrapped(family, weighted_metrics=["mse"])
        search = tflottery.callbacks.IterativePruning(
            1, 2, validation_data=data, verbose=0
        )
        fit(model, search, epochs=search.epochs)
        errors = (model.predict(X, verbose=0) - Y) ** 2
        weight = weights if len(data) == 3 else np.ones(len(X))
        expected = np.average(errors.mean(axis=1), weights=weight)
        names = [n for n in search.history[-1] if n.startswith("val_")]
        found = {n: search.history[-1][n] for n in names}
        np.testing.assert_allclose(
            found["val_mse"], expected, rtol=1e-4, err_msg=str(found)
        )


def test_validation_data_of_too_many_parts_are_refused_before_training():
    with pytest.raises(ValueError, match=r"Received: a tuple of 4 parts"):
        tflottery.callbacks.IterativePruning(
            1, 2, validation_data=(X, Y, None, 3)
        )


class AfterRewind(Callback):
    """Keeps the state that each round begins with."""

    def __init__(self):
        super().__init__()
        self.states = []

    def on_train_batch_end(self, batch, logs=None):
        search = searches.search_of(self.model)
        if len(self.states) < min(len(search.history), search.rounds):
            mask = evidence.current_mask(self.model)
            self.states.append((mask, state.read(self.model)))


def test_the_search_is_the_same_in_both_families():
    found = {}
    for family in FAMILIES:
        model, search = searched(family, rounds=3)
        found[family] = search.history
        assert state.iterations(model) == search.snapshot.step + 17 == 20
        assert tflottery.sparsity(model) == 1 - search.history[-1]["density"]
    assert [row["steps"] for row in found["keras"]] == [20, 17, 17, 17]
    assert [row["density"] for row in found["keras"]] == [1, 0.5, 0.25, 0.125]
    for ours, theirs in zip(found["keras"], found["tf_keras"], strict=True):
        assert ours.keys() == theirs.keys() >= {"loss", "mae", "val_loss"}
        assert theirs == pytest.approx(ours, rel=1e-3)


@both
@pytest.mark.parametrize(
    ("rewind_to", "per_execution", "jit_compile"),
    [("3it", 1, False), ("5it", 5, True), ("1ep", 3, False)],
)
def test_survivors_go_back_to_the_snapshot_bit_for_bit(
    family, rewind_to, per_execution, jit_compile
):
    seen = AfterRewind()
    model, search = searched(
        family,
        callbacks=[seen],
        rewind_to=rewind_to,
        steps_per_execution=per_execution,
        jit_compile=jit_compile,
    )
    assert len(seen.states) == 2
    kernels = 0
    for number, (mask, values) in enumerate(seen.states, start=1):
        assert mask == search.ticket_of_round(number).mask
        assert mask.density == 0.5**number
        assert values.keys() == search.snapshot.values.keys()
        for name, stored in search.snapshot.values.items():
            kept = mask.get(name.removeprefix(state.WEIGHTS), True)
            kernels += kept is not True
            if name.startswith(state.WEIGHTS):
                expected = np.where(kept, stored, np.zeros_like(stored))
                assert values[name].tobytes() == expected.tobytes(), name
    assert kernels == 2 * 2
    assert counting.steps_per_execution(model) == per_execution
    loss, mae = model.evaluate(X, Y, batch_size=4, verbose=0)
    assert mae == pytest.approx(np.abs(np.asarray(model(X)) - Y).mean(), 1e-4)
    assert search.history[-1]["val_loss"] == pytest.approx(loss)


@both
def test_the_train_function_is_traced_once_for_all_rounds(family):
    k = FAMILIES[family]
    traces = []

    class Traced(k.layers.Layer):
        def call(self, x, training=None):
            if training:
                traces.append(1)
            return x

    def fitted(rounds):
        traces.clear()
        model = k.Sequential([k.Input((6,)), k.layers.Dense(3), Traced()])
        model = tflottery.prune_iteratively(model, 0.5, rewind_to="3it")
        model.compile("adam", "mse")
        search = tflottery.callbacks.IterativePruning(rounds, 1, verbose=0)
        fit(model, search, epochs=search.epochs)
        assert len(search.history) == rounds + 1
        return len(traces)

    once = fitted(1)
    assert once == fitted(4) > 0


@both
def test_summaries_measure_at_the_same_steps(family, tmp_path):
    tensorboard = tflottery.callbacks.PruningSummaries(
        tmp_path, update_freq=4, images=False
    )
    steps = []
    measure = tensorboard._measure
    tensorboard._measure = lambda: (
        measure() or steps.append(tensorboard._measured_at)
    )
    searched(family, callbacks=[tensorboard], steps_per_execution=1)
    steps = sorted(set(steps))
    # Rounds end at 20, 37 and 54; between them every fourth step counts.
    assert steps == [*range(0, 37, 4), 37, *range(41, 54, 4), 54]
    assert (tmp_path / "fit_0").is_dir()


@both
def test_a_loss_that_is_not_a_number_stops_the_search_in_words(family, caplog):
    model = wrapped(family)
    model.optimizer.learning_rate.assign(1e30)
    search = tflottery.callbacks.IterativePruning(3, 2, verbose=0)
    fit(model, search, epochs=search.epochs)
    assert len(search.history) < 4
    assert "loss is" in caplog.text and "are kept" in caplog.text


CONFIG = tflottery.SearchConfig(
    dataset="digits",
    model_options={"hidden": [12, 8]},
    batch_size=50,
    steps=40,
    validate_every=20,
    rounds=1,
    prune_fraction=0.4,
    jit_compile=False,
)


def rows(folder, config=CONFIG, build=None):
    result = tflottery.find_ticket(
        build, config=config, run_dir=folder, summaries=False
    )
    return result.rows


def test_find_ticket_finds_the_same_in_both_families(tmp_path):
    found = {}
    for family in FAMILIES:
        config = CONFIG.replace(keras=family, rewind_to="10it")
        found[family] = rows(tmp_path / family, config)
    assert [row["steps"] for row in found["keras"]] == [40, 30]
    for ours, theirs in zip(found["keras"], found["tf_keras"], strict=True):
        ours, theirs = dict(ours, seconds=0), dict(theirs, seconds=0)
        assert ours.pop("branch") == theirs.pop("branch")
        assert theirs == pytest.approx(ours, rel=1e-3)


def own(compiled=False, **optimizer):
    """A `build` of tf_keras, whatever the config says."""

    def build():
        model = tf_keras.Sequential(
            [
                tf_keras.Input((8, 8, 1)),
                tf_keras.layers.Flatten(),
                tf_keras.layers.Dense(12, activation="relu"),
                tf_keras.layers.Dropout(0.3),
                tf_keras.layers.BatchNormalization(),
                tf_keras.layers.Dense(10),
            ]
        )
        if compiled:
            model.compile(
                tf_keras.optimizers.Adam(0.01, **optimizer),
                tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["sparse_top_k_categorical_accuracy"],
            )
        return model

    return build


@pytest.mark.parametrize("compiled", [False, True])
def test_a_search_takes_the_family_of_the_model_it_is_given(tmp_path, compiled):
    found = rows(tmp_path, build=own(compiled))
    assert [row["steps"] for row in found] == [40, 40]
    config = CONFIG.replace(jit_compile=True)
    model = network.prepare(network.seeded(own(compiled)), 3, config)
    model.evaluate(np.zeros((2, 8, 8, 1)), np.zeros(2), verbose=0)
    assert isinstance(model, tf_keras.Sequential)
    names = ["sparse_top_k_categorical_accuracy"] if compiled else []
    expected = ["loss", *names, "accuracy"]
    assert [metric.name for metric in model.metrics] == expected
    assert counting.steps_per_execution(model) == 20 and model.jit_compile


def checkpoint_in(folder, name):
    return CheckpointFile(ReplicateJournal(folder, 0, {}), name)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_round_of_tf_keras_goes_on_from_its_checkpoint(tmp_path, jit_compile):
    """With Dropout, whose random state has to go on too."""
    data = tflottery.data.load("digits", seed=0)
    build = network.seeded(own())
    config = CONFIG.replace(jit_compile=jit_compile)

    def trained(name, stop_at=None):
        trainer = RoundTrainer(
            network.prepare(build, 0, config),
            data,
            batch_size=50,
            steps=60,
            validate_every=20,
            checkpoint_seconds=0,
        )

        def stop(row):
            if row["step"] == stop_at:
                raise KeyboardInterrupt

        trainer.train(
            first_step=0,
            order_seed=1,
            checkpoint=checkpoint_in(tmp_path, name),
            on_validation=stop,
        )
        return state.read(trainer.model)

    straight = trained("straight")
    with pytest.raises(KeyboardInterrupt):
        trained("killed", stop_at=40)
    resumed = trained("killed")
    assert any("seed" in name for name in straight)
    assert straight.keys() == resumed.keys()
    for name, value in straight.items():
        assert value.tobytes() == resumed[name].tobytes(), name


def test_seeds_reach_the_family_of_the_build():
    switch = tf_keras.backend.experimental
    before = switch.is_tf_random_generator_enabled()
    build = network.seeded(own())
    first, same, other = (build(seed).get_weights()[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert np.any(first != other)
    assert switch.is_tf_random_generator_enabled() == before


def test_a_build_that_imports_its_keras_is_seeded_too(monkeypatch):
    """As if tf_keras were imported first while the network is built."""
    monkeypatch.delitem(sys.modules, "tf_keras")

    def build():
        sys.modules["tf_keras"] = tf_keras
        return own()()

    lazily = network.seeded(build)(1).get_weights()[0]
    known = network.seeded(own())(1).get_weights()[0]
    np.testing.assert_array_equal(lazily, known)


@pytest.mark.parametrize("scaled", [False, True])
def test_averages_of_weights_are_refused(scaled):
    k = tf_keras
    build = own()

    def averaged():
        model = build()
        optimizer = k.optimizers.Adam(use_ema=True)
        if scaled:
            optimizer = k.mixed_precision.LossScaleOptimizer(optimizer)
        model.compile(optimizer, "mse")
        return model

    with pytest.raises(ValueError, match="must not average the weights"):
        network.prepare(network.seeded(averaged), 0, CONFIG)


@both
def test_rounds_of_a_trainer_are_traced_once_and_end_in_time(family, tmp_path):
    """Chunks of 7, 13 and 20 steps, one of them cut short by a stop."""
    data = tflottery.data.load("digits", seed=0)
    config = CONFIG.replace(keras=family)
    model = network.prepare(network.builder(config, data), 0, config)
    step, traced = model.train_step, []
    model.train_step = lambda data: (traced.append(1), step(data))[1]
    trainer = RoundTrainer(
        model, data, batch_size=50, steps=40, validate_every=20
    )
    start = state.read(model)
    stopped = []
    for round in range(3):
        state.write(model, start)
        progress = trainer.train(
            first_step=0,
            order_seed=1,
            checkpoint=checkpoint_in(tmp_path, f"{round}"),
            stops={7: lambda: stopped.append(state.iterations(model))},
        )
        assert progress.step == state.iterations(model) == 40
        assert [row["step"] for row in progress.curve] == [20, 40]
    assert stopped == [7, 7, 7]
    assert len(traced) == 1
    assert counting.steps_per_execution(model) == 20


@both
def test_a_search_that_diverges_is_ended_in_words(family, tmp_path):
    config = CONFIG.replace(keras=family, learning_rate=1e30)
    with pytest.raises(TrainingDivergedError, match="the loss is"):
        rows(tmp_path, config)
