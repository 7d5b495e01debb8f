"""`IterativePruning`: rounds inside one `fit`, at exact steps."""

import keras
import numpy as np
import pytest

import tflottery
from tflottery.layers import evidence, state

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype("float32")
Y = RNG.normal(size=(40, 3)).astype("float32")
STEPS = 10


class CountingModel(keras.Model):
    traces = 0

    def train_step(self, data):
        type(self).traces += 1
        return super().train_step(data)


def build(rewind_to="3it", per_execution=1, rate=0.01, **arguments):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(8, activation="relu", name="hidden")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, name="head")(hidden))
    arguments = {"prune_fraction": 0.5, **arguments}
    model = tflottery.prune_iteratively(model, rewind_to=rewind_to, **arguments)
    model.compile(
        keras.optimizers.Adam(rate),
        "mse",
        metrics=["mae"],
        steps_per_execution=per_execution,
    )
    return model


def fit(model, search, callbacks=(), **keywords):
    keywords = {"epochs": search.epochs, **keywords}
    return model.fit(
        X,
        Y,
        batch_size=4,
        shuffle=False,
        verbose=0,
        callbacks=[search, *callbacks],
        **keywords,
    )


@pytest.mark.parametrize("rewind_to", ["0it", "3it", "10it", "1ep", "25%"])
def test_rounds_have_their_exact_length_and_density(rewind_to):
    model = build(rewind_to)
    search = tflottery.callbacks.IterativePruning(3, 2, verbose=0)
    fit(model, search)
    k = {"0it": 0, "3it": 3, "10it": 10, "1ep": 10, "25%": 5}[rewind_to]
    assert [row["steps"] for row in search.history] == [20] + [20 - k] * 3
    kept = [round(72 * 0.5**r) for r in range(4)]
    assert [round(row["density"] * 72) for row in search.history] == kept
    assert search.snapshot.step == k
    assert state.iterations(model) == 20
    assert tflottery.sparsity(model) == 1 - kept[-1] / 72
    assert all(np.isfinite(row["mae"]) for row in search.history)


def test_each_round_starts_from_the_snapshot_and_masks_only_shrink():
    model = build()
    search = tflottery.callbacks.IterativePruning(3, 1, verbose=0)
    seen = []

    class Spy(keras.callbacks.Callback):
        rounds = 0

        def on_train_batch_end(self, batch, logs=None):
            if len(search.history) > self.rounds:
                self.rounds = len(search.history)
                if self.rounds <= search.rounds:
                    seen.append(
                        (evidence.current_mask(model), state.read(model))
                    )

    fit(model, search, [Spy()])
    assert len(seen) == 3
    previous = search.ticket_of_round(0).mask
    for number, (mask, values) in enumerate(seen, start=1):
        assert mask <= previous and mask == search.ticket_of_round(number).mask
        previous = mask
        for path, kept in mask.items():
            name = f"weights/{path}"
            np.testing.assert_array_equal(
                values[name], np.where(kept, search.snapshot.values[name], 0)
            )


def test_the_same_rounds_by_hand_give_the_same_bits():
    model = build("0it")
    search = tflottery.callbacks.IterativePruning(2, 1, verbose=0)
    fit(model, search)
    by_hand = build("0it")
    start = tflottery.Snapshot.take(by_hand)
    for round in range(3):
        if round:
            tflottery.prune(by_hand, 0.5**round)
            start.restore(by_hand)
        by_hand.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    ours, theirs = state.read(model), state.read(by_hand)
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.parametrize("per_execution", [1, 5])
def test_the_train_function_is_traced_once(per_execution):
    CountingModel.traces = 0
    inputs = keras.Input((6,))
    model = CountingModel(inputs, keras.layers.Dense(3)(inputs))
    model = tflottery.prune_iteratively(model, 0.3, rewind_to="5it")
    assert isinstance(model, CountingModel)
    model.compile("adam", "mse", steps_per_execution=per_execution)
    search = tflottery.callbacks.IterativePruning(4, 1, verbose=0)
    fit(model, search)
    assert len(search.history) == 5 and CountingModel.traces == 1


def test_validation_is_recorded_at_the_end_of_each_round():
    model = build("0it")
    search = tflottery.callbacks.IterativePruning(
        1, 1, validation_data=(X, Y), verbose=0
    )
    fit(model, search)
    final = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert search.history[-1]["val_loss"] == pytest.approx(final["loss"])
    assert "val_mae" in search.history[0]


def test_a_line_per_round_is_printed(capsys):
    model = build()
    search = tflottery.callbacks.IterativePruning(1, 1)
    fit(model, search)
    out = capsys.readouterr().out
    assert "round 0/1" in out and "round 1/1" in out and "density 0.5" in out


def test_layerwise_fractions_by_name_are_obeyed():
    model = build(
        prune_fraction={"head": 0.25, "default": 0.5}, scope="layerwise"
    )
    search = tflottery.callbacks.IterativePruning(1, 1, verbose=0)
    fit(model, search)
    kept = {p: int(m.sum()) for p, m in search.ticket.mask.items()}
    assert kept == {"hidden/kernel": 24, "head/kernel": 18}


@pytest.mark.parametrize("criterion", ["magnitude_increase", "movement"])
def test_criteria_that_compare_with_the_initial_weights_work(criterion):
    model = build(criterion=criterion)
    search = tflottery.callbacks.IterativePruning(1, 1, verbose=0)
    fit(model, search)
    assert search.history[-1]["density"] == 0.5


@pytest.mark.parametrize(
    ("model_arguments", "search_arguments", "fit_arguments", "message"),
    [
        ({"rewind_to": "10it"}, (2, 1), {}, "before the end of a round"),
        ({"rewind_to": "5ep"}, (2, 1), {}, "before the end of a round"),
        (
            {"rewind_to": "3it", "per_execution": 5},
            (2, 1),
            {},
            "multiple of `steps_per_execution`.*step 0 or 5",
        ),
        ({}, (2, 1), {"epochs": 2}, r"`epochs` must be enough.*search.epochs"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_training(
    model_arguments, search_arguments, fit_arguments, message
):
    model = build(**model_arguments)
    search = tflottery.callbacks.IterativePruning(*search_arguments, verbose=0)
    before = state.read(model)
    with pytest.raises(ValueError, match=message):
        fit(model, search, **fit_arguments)
    after = state.read(model)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_model_that_is_not_wrapped_is_refused():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    search = tflottery.callbacks.IterativePruning(1, 1)
    with pytest.raises(ValueError, match="prune_iteratively"):
        fit(model, search)


@pytest.mark.parametrize("rounds", [0, -1, 1.5])
def test_rounds_must_be_a_positive_number(rounds):
    with pytest.raises((ValueError, TypeError), match="`rounds`"):
        tflottery.callbacks.IterativePruning(rounds, 1)


def test_a_loss_that_is_not_a_number_stops_the_search_in_words(caplog):
    model = build("0it", rate=1e30)
    search = tflottery.callbacks.IterativePruning(3, 2, verbose=0)
    fit(model, search)
    assert len(search.history) < 4
    assert "loss is" in caplog.text and "are kept" in caplog.text
