"""Tickets: saved, loaded, put on fresh models, refused by others."""

import keras
import numpy as np
import pytest

import tflottery
from tflottery.layers import evidence

X = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")
Y = np.random.default_rng(1).normal(size=(16, 3)).astype("float32")


def build(width=8):
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(3),
        ]
    )


def found():
    model = tflottery.prune_iteratively(
        build(), prune_fraction=0.5, rewind_to="2it"
    )
    model.compile("adam", "mse")
    search = tflottery.callbacks.IterativePruning(2, 1, verbose=0)
    model.fit(
        X, Y, batch_size=4, epochs=search.epochs, verbose=0, callbacks=[search]
    )
    return search


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_ticket_gives_a_fresh_model_its_mask_and_rewind_weights(
    tmp_path, wrapped
):
    search = found()
    search.ticket.save(tmp_path / "ticket")
    ticket = tflottery.Ticket.load(tmp_path / "ticket")
    assert ticket.mask == search.ticket.mask
    assert ticket.info["round"] == 2
    fresh = build()
    if wrapped:
        fresh = tflottery.prune_iteratively(fresh)
    model = ticket.apply(fresh)
    assert evidence.current_mask(model) == ticket.mask
    weights = evidence.current_weights(model)
    rewind = search.snapshot.weights()
    for path, kept in ticket.mask.items():
        np.testing.assert_array_equal(
            weights[path], np.where(kept, rewind[path], 0)
        )
    np.testing.assert_array_equal(
        model.layers[0].bias.numpy(), rewind["dense/bias"]
    )
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert tflottery.sparsity(model) == pytest.approx(0.75, abs=0.02)


def test_a_ticket_for_another_model_names_the_tensor_and_both_shapes():
    ticket = found().ticket
    with pytest.raises(ValueError, match=r"`dense/kernel`.*\(6, 8\).*\(6, 9\)"):
        ticket.apply(build(9))
    with pytest.raises(ValueError, match="has no `dense_1/kernel`"):
        ticket.apply(
            keras.Sequential([keras.Input((6,)), keras.layers.Dense(8)])
        )


def test_a_damaged_ticket_and_a_foreign_file_are_refused(tmp_path):
    path = tmp_path / "ticket"
    found().ticket.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    with pytest.raises(tflottery.DamagedFileError, match="ticket"):
        tflottery.Ticket.load(path)
    path.write_bytes(b"PK\x03\x04 not ours")
    with pytest.raises(tflottery.ForeignFileError, match="not a tflottery"):
        tflottery.Ticket.load(path)


def test_tickets_of_the_same_search_have_the_same_bytes(tmp_path):
    ticket = found().ticket
    ticket.save(tmp_path / "a")
    tflottery.Ticket.load(tmp_path / "a").save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_there_is_no_ticket_before_a_round_has_finished():
    search = tflottery.callbacks.IterativePruning(1, 1)
    with pytest.raises(ValueError, match="when a round has finished"):
        _ = search.ticket


def test_a_ticket_masks_on_a_fresh_model_just_what_it_masked_before():
    model = tflottery.prune_iteratively(
        build(), skip=lambda layer: getattr(layer, "units", 0) == 3
    )
    tflottery.prune(model, 0.5)
    model.compile("sgd", "mse")
    ticket = tflottery.Ticket.of(model)
    fresh = ticket.apply(build())
    assert evidence.current_mask(fresh) == ticket.mask
    assert tflottery.sparsity(fresh) == 0.5
