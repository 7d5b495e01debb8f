"""Rounds under what `fit` may bring: accumulation, callbacks, restarts."""

import keras
import numpy as np
import pytest

import tflottery
from tflottery.layers import evidence, state

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 6)).astype("float32")
Y = RNG.normal(size=(32, 4)).astype("float32")


def build(optimizer="adam", rewind_to="2it", per_execution=1, **arguments):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(16, name="hidden"),
            keras.layers.Dense(4, name="head"),
        ]
    )
    arguments = {"prune_fraction": 0.5, **arguments}
    model = tflottery.prune_iteratively(model, rewind_to=rewind_to, **arguments)
    model.compile(optimizer, "mse", steps_per_execution=per_execution)
    return model


def fit(model, *callbacks, epochs=None):
    return model.fit(
        X,
        Y,
        batch_size=4,
        epochs=epochs or callbacks[0].epochs,
        verbose=0,
        callbacks=list(callbacks),
    )


def accumulating(batches):
    return keras.optimizers.Adam(gradient_accumulation_steps=batches)


@pytest.mark.parametrize("per_execution", [1, 4])
@pytest.mark.parametrize(
    "policy",
    [
        "weight_rewinding",
        {"name": "weight_rewinding", "optimizer": "fresh"},
        "learning_rate_rewinding",
    ],
)
def test_with_accumulated_gradients_steps_are_updates(policy, per_execution):
    model = build(accumulating(2), per_execution=per_execution)
    search = tflottery.callbacks.IterativePruning(
        2, 2, policy=policy, verbose=0
    )
    fit(model, search)
    assert [row["steps"] for row in search.history] == [8, 6, 6]
    assert search.history[-1]["density"] == 0.25
    assert search.snapshot.step == 2
    assert state.iterations(model) == 8
    assert tflottery.sparsity(model) == 0.75


def test_updates_that_run_over_the_end_of_an_epoch_are_refused():
    model = build(accumulating(3))
    search = tflottery.callbacks.IterativePruning(1, 1, verbose=0)
    with pytest.raises(ValueError, match="whole optimizer updates.*8 batches"):
        fit(model, search)


def test_a_snapshot_with_accumulated_gradients_counts_updates():
    model = build(accumulating(2))
    at = tflottery.callbacks.SnapshotAt("1ep")
    fit(model, at, epochs=2)
    assert at.snapshot.step == 4
    at.snapshot.restore(model, optimizer="fresh")
    assert state.iterations(model) == 4


@pytest.mark.parametrize("scope", ["global", "layerwise", "erk"])
def test_a_second_search_prunes_on_from_where_the_first_ended(scope):
    model = build(scope=scope, prune_fraction={"head": 0, "default": 0.5})
    first = tflottery.callbacks.IterativePruning(1, 1, verbose=0)
    fit(model, first)
    second = tflottery.callbacks.IterativePruning(2, 1, verbose=0)
    fit(model, second)
    kept = [96 * 0.5, 96 * 0.25, 96 * 0.125]
    assert [row["density"] for row in second.history] == [
        (count + 64) / 160 for count in kept
    ]
    assert evidence.current_mask(model)["head/kernel"].all()


def test_a_fit_that_another_callback_stops_is_said(caplog):
    model = build()
    search = tflottery.callbacks.IterativePruning(2, 1, verbose=0)
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9)
    fit(model, search, stop)
    assert len(search.history) < 3
    assert "`fit` ended in round" in caplog.text
    assert "EarlyStopping" in caplog.text


def test_weights_put_back_by_another_callback_are_noticed(caplog):
    model = build()
    search = tflottery.callbacks.IterativePruning(2, 1, verbose=0)

    class PutsBack(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                self.weights = self.model.get_weights()

        def on_train_end(self, logs=None):
            self.model.set_weights(self.weights)

    model.fit(
        X,
        Y,
        batch_size=4,
        epochs=search.epochs,
        verbose=0,
        callbacks=[PutsBack(), search],
    )
    assert "another mask than the last round" in caplog.text


def test_a_finished_search_says_nothing(caplog):
    model = build()
    fit(model, tflottery.callbacks.IterativePruning(2, 1, verbose=0))
    assert not caplog.records


def test_a_batch_that_the_criterion_needs_is_asked_for_before_training():
    model = build(criterion="snip")
    search = tflottery.callbacks.IterativePruning(1, 1, verbose=0)
    with pytest.raises(ValueError, match="`saliency_data`.*'snip'"):
        fit(model, search)
    assert state.iterations(model) == 0


def test_a_fit_that_begins_late_is_told_what_can_go_on():
    model = build()
    search = tflottery.callbacks.IterativePruning(2, 1, verbose=0)
    with pytest.raises(ValueError, match="initial_epoch=1.*find_ticket"):
        model.fit(
            X,
            Y,
            batch_size=4,
            epochs=3,
            initial_epoch=1,
            verbose=0,
            callbacks=[search],
        )


def test_the_ticket_is_there_after_a_subclassed_model_was_stripped():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = keras.layers.Dense(8)
            self.head = keras.layers.Dense(4)

        def call(self, x):
            return self.head(self.hidden(x))

    model = Net()
    model(X)
    model = tflottery.prune_iteratively(model, 0.5, rewind_to="2it")
    model.compile("adam", "mse")
    search = tflottery.callbacks.IterativePruning(1, 1, verbose=0)
    fit(model, search)
    plain = tflottery.strip_pruning(model)
    assert search.ticket.mask.density == 0.5
    assert tflottery.sparsity(search.ticket.apply(plain)) == 0.5
