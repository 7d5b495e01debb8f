"""A `fit` of the user's own under a strategy with two true replicas.

Two logical CPUs are two replicas: each has its copies of weights, masks and
slots, and trains on its half of every batch.
"""

import contextlib

import numpy as np
import pytest
from on_replicas import (
    X,
    Y,
    check_replicas_agree,
    compile_model,
    copies,
    masks_of,
    network,
    stored,
)

import tflottery
from tflottery.layers import evidence

SEARCH = {"rounds": 2, "epochs_per_round": 2, "verbose": 0}


@pytest.fixture
def strategy(two_replicas):
    assert two_replicas.num_replicas_in_sync == 2
    return two_replicas


def in_rounds(model):
    return tflottery.prune_iteratively(model, 0.5, rewind_to="3it")


def fit(model, search, *callbacks):
    model.fit(
        X,
        Y,
        batch_size=16,
        epochs=search.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[search, *callbacks],
    )
    return search


@pytest.mark.parametrize(
    ("kind", "inside"),
    [
        ("sequential", True),
        ("functional", False),
        ("subclassed", False),
        ("not built", False),
    ],
)
def test_masks_lie_where_the_model_was_made(any_keras, strategy, kind, inside):
    with strategy.scope():
        model = network(any_keras, kind)
        if inside:
            model = in_rounds(model)
    if not inside:
        model = in_rounds(model)
    assert model.distribute_strategy is strategy
    with strategy.scope():
        compile_model(model, any_keras)
    model.fit(X, Y, batch_size=16, verbose=0)
    masks = masks_of(model)
    assert len(masks) == 2
    assert all(len(copies(mask)) == 2 for mask in masks)
    mask = tflottery.prune(model, 0.5)
    assert mask.density == 0.5
    assert check_replicas_agree(model) >= 10
    plain = tflottery.strip_pruning(model)
    assert plain.distribute_strategy is strategy
    assert tflottery.sparsity(plain) == 0.5


@pytest.mark.parametrize(
    "wrap",
    [
        tflottery.prune_iteratively,
        tflottery.prune_low_magnitude,
        lambda model: tflottery.prune_once(model, 0.5),
    ],
)
def test_every_verb_finds_the_scope_by_itself(any_keras, strategy, wrap):
    with strategy.scope():
        model = network(any_keras)
    wrapped = wrap(model)
    assert wrapped.distribute_strategy is strategy
    assert [len(copies(mask)) for mask in masks_of(wrapped)] == [2, 2]
    # What has no strategy of its own goes by its weights.
    with strategy.scope():
        layers = network(any_keras).layers[-2:]
    masks = masks_of(wrap(list(layers)))
    assert [len(copies(mask)) for mask in masks] == [2, 2]


def test_a_model_of_no_strategy_gets_plain_masks(any_keras):
    model = in_rounds(network(any_keras))
    assert not any(hasattr(stored(mask), "values") for mask in masks_of(model))


def searched(keras, strategy=None, **options):
    """Returns the search, its model, and the masks and scores by round."""
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = compile_model(in_rounds(network(keras)), keras)
    search = tflottery.callbacks.IterativePruning(**SEARCH, **options)
    weights = []
    search.listeners.append(
        lambda row: weights.append(evidence.current_weights(model))
    )
    fit(model, search, *([AfterEachStep()] if strategy else []))
    return search, model, weights


class AfterEachStep(tflottery.callbacks.SnapshotAt):
    """Compares the replicas after every step, prunings and rewinds too."""

    def __init__(self):
        super().__init__(0)
        self.steps = 0

    def on_train_batch_end(self, batch, logs=None):
        check_replicas_agree(self.model)
        self.steps += 1

    def on_train_end(self, logs=None):
        # Rounds of 8, 5 and 5 steps; this hook runs after the search's.
        assert self.steps == 18


def test_two_replicas_find_the_ticket_that_one_device_finds(
    any_keras, strategy
):
    on_one, _, weights = searched(any_keras)
    on_two, model, _ = searched(any_keras, strategy, validation_data=(X, Y))
    assert [row["density"] for row in on_two.history] == [1.0, 0.5, 0.25]
    # The halves of a batch are summed apart, which changes the last bits of
    # 64. The weakest weight that stays and the strongest that goes are
    # further from each other by far, so the masks must be the same.
    for round in range(2):
        before, after = (
            on_one.ticket_of_round(r).mask for r in (round, round + 1)
        )
        size = {path: np.abs(value) for path, value in weights[round].items()}
        stays = [size[path][after[path]] for path in after]
        goes = [size[path][before[path] & ~after[path]] for path in after]
        gap = np.concatenate(stays).min() - np.concatenate(goes).max()
        assert gap > 1e-9
    for round in range(3):
        one, two = (s.ticket_of_round(round) for s in (on_one, on_two))
        assert one.mask == two.mask
        for name, value in one.snapshot.values.items():
            np.testing.assert_allclose(
                two.snapshot.values[name], value, rtol=1e-12, atol=1e-12
            )
    for row_of_one, row in zip(on_one.history, on_two.history, strict=True):
        assert row["loss"] == pytest.approx(row_of_one["loss"], rel=1e-6)
        assert np.isfinite(row["val_loss"])
    assert tflottery.sparsity(model) == 0.75


def test_a_ticket_goes_from_replicas_to_one_device_and_back(
    any_keras, strategy
):
    search, model, _ = searched(any_keras, strategy)
    alone = search.ticket.apply(network(any_keras))
    with strategy.scope():
        fresh = network(any_keras)
    again = search.ticket.apply(fresh)
    assert [len(copies(mask)) for mask in masks_of(again)] == [2, 2]
    rewound = search.snapshot.weights()
    for path, kept in search.ticket.mask.items():
        expected = np.where(kept, rewound[path], 0.0)
        for found in (alone, again):
            values = evidence.current_weights(found)[path]
            np.testing.assert_array_equal(values, expected)
    search.snapshot.restore(model)
    assert check_replicas_agree(model) >= 10


def test_a_search_says_what_keras_3_cannot_do_on_replicas(strategy):
    import keras

    with strategy.scope():
        model = in_rounds(network(keras))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, steps_per_execution=2)
    search = tflottery.callbacks.IterativePruning(**SEARCH)
    with pytest.raises(ValueError, match="steps_per_execution=2. Keras 3 runs"):
        fit(model, search)


def test_gradual_pruning_keeps_replicas_alike(any_keras, strategy):
    schedule = tflottery.PolynomialDecay(0.2, 0.75, 2, 8, frequency=2)
    with strategy.scope():
        model = network(any_keras)
    model = tflottery.prune_low_magnitude(model, schedule)
    with strategy.scope():
        compile_model(model, any_keras)
    update = tflottery.UpdatePruningStep()
    model.fit(X, Y, batch_size=16, epochs=3, verbose=0, callbacks=[update])
    assert update.step == 12
    assert tflottery.sparsity(model) == 0.75
    check_replicas_agree(model)
    steps = [int(w.pruning_step.numpy()) for w in evidence.wrappers(model)]
    assert steps == [12, 12]


def test_summaries_are_written_under_two_replicas(
    any_keras, strategy, tmp_path
):
    summaries = tflottery.PruningSummaries(tmp_path / "logs")
    with strategy.scope():
        model = compile_model(in_rounds(network(any_keras)), any_keras)
    at = tflottery.callbacks.SnapshotAt("3it", tmp_path / "snapshot")
    search = tflottery.callbacks.IterativePruning(**SEARCH)
    fit(model, search, summaries, at)
    assert list((tmp_path / "logs" / "fit_0").iterdir())
    loaded = tflottery.Snapshot.load(tmp_path / "snapshot")
    assert loaded.digest() == search.snapshot.digest()
