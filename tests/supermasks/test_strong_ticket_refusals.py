"""What no strong ticket is made of, and how that is said."""

import keras
import numpy as np
import pytest
import strong_targets

from tflottery.supermasks import strong_ticket
from tflottery.supermasks.logarithmic import Logarithmic, logarithmic_ticket
from tflottery.supermasks.memory import Budget

BOX = strong_targets.box((4,))


@pytest.mark.parametrize(
    ("gib", "storage", "what"),
    [
        (1e-4, "auto", "One block of `fc1`"),
        (0.01, "full", r"whole random network \([\d,]+ weights\)"),
    ],
)
def test_more_memory_than_allowed_is_refused_with_the_figure(
    gib, storage, what
):
    target = strong_targets.dense(keras, (4, 30, 2))
    with pytest.raises(MemoryError, match=rf"{what}.* takes 0.0[0-9]+ GiB"):
        logarithmic_ticket(
            target,
            BOX,
            0.01,
            storage=storage,
            max_memory_gb=gib,
            control=False,
        )


def test_kept_edges_and_the_model_count_against_the_memory_allowed():
    target = strong_targets.convolutional(keras)
    x = strong_targets.box((7, 6, 2), count=4)
    ticket = logarithmic_ticket(target, x, 1.0, storage="kept", control=False)
    pair = ticket._pairs[0]
    size = 4 * pair.parameters
    # The model, and the values that it is given.
    with pytest.raises(MemoryError, match="^The ticket takes"):
        Budget((2 * size - 1) / 2**30).check_model([pair])
    # 42 positions of 3 numbers for each unit in the first convolution.
    work = 4 * 3 * 42 * pair.units
    with pytest.raises(MemoryError, match="with one example in it"):
        Budget((size + work - 1) / 2**30).check_model([pair])
    fits = Budget((2 * size + work) / 2**30)
    fits.check_model([pair])
    assert fits.batch_size([pair]) == 1
    assert Budget(8 * 10 * work / 2**30).batch_size([pair]) == 10
    with pytest.raises(MemoryError, match="kept, so far, takes 1e-06 GiB"):
        Budget(1e-7).check_kept(1100)


def test_a_control_that_does_not_fit_costs_no_ticket(monkeypatch):
    target = strong_targets.dense(keras, (4, 2))
    checked = []

    def only_once(self, pairs):
        checked.append(pairs)
        if len(checked) > 1:
            raise MemoryError

    monkeypatch.setattr(Budget, "check_model", only_once)
    certificate = logarithmic_ticket(target, BOX, 0.01).certificate
    assert certificate.holds and certificate.control.sup_error is None
    assert "output error unknown" in str(certificate)


def test_a_whole_network_that_is_too_large_is_refused_before_any_search():
    target = strong_targets.dense(keras, (4, 30, 2))
    seen = []
    with pytest.raises(MemoryError, match='storage="kept"'):
        logarithmic_ticket(
            target,
            BOX,
            0.01,
            storage="full",
            max_memory_gb=0.01,
            progress=lambda *of: seen.append(of),
        )
    assert not seen


WRONG = {
    "epsilon=0 .*": ({"epsilon": 0}, "`epsilon` must be positive"),
    "negative": ({"epsilon": -1.0}, "Received: epsilon=-1.0"),
    "infinite": ({"epsilon": float("inf")}, "`epsilon` must be .*finite"),
    "none": ({"epsilon": None}, "must be given, and not both"),
    "both": ({"weight_error": 0.1}, "must be given, and not both"),
    "weight": ({"epsilon": None, "weight_error": 0.0}, "`weight_error` must"),
    "delta=0": ({"delta": 0.0}, r"`delta` must be in \(0, 1\)"),
    "delta=1": ({"delta": 1.0}, "Received: delta=1.0"),
    "storage": ({"storage": "ful"}, "'full'"),
    "memory": ({"max_memory_gb": 0}, "`max_memory_gb` must be positive"),
    "shape": ({"inputs": BOX[:, :3]}, r"shape \(examples, 4\)"),
    "no inputs": ({"inputs": BOX[:0]}, r"shape \(0, 4\)"),
    "NaN": ({"inputs": BOX * np.nan}, "`inputs` must be finite"),
    "zeros": ({"inputs": 0 * BOX}, "`inputs` must not all be zero"),
    "text": ({"inputs": [["a"] * 4]}, "dtype <U1"),
}


@pytest.mark.parametrize("what", WRONG)
def test_arguments_out_of_range_are_refused_with_the_way_out(what):
    target = strong_targets.dense(keras, (4, 2), use_bias=False)
    changes, message = WRONG[what]
    arguments = {"target": target, "inputs": BOX, "epsilon": 0.1, **changes}
    with pytest.raises(ValueError, match=message):
        logarithmic_ticket(**arguments)


def test_arguments_of_a_wrong_type_are_refused():
    target = strong_targets.dense(keras, (4, 2))
    with pytest.raises(TypeError, match="`epsilon`"):
        logarithmic_ticket(target, BOX, "small")
    with pytest.raises(TypeError, match="`seed`"):
        logarithmic_ticket(target, BOX, 0.1, seed=1.5)
    with pytest.raises(TypeError, match="`construction`"):
        strong_ticket.find(target, BOX, Logarithmic, epsilon=0.1)
    with pytest.raises(TypeError, match="`target`"):
        logarithmic_ticket(target.get_weights(), BOX, 0.1)


def test_a_target_that_overflows_on_the_inputs_is_refused():
    target = strong_targets.uniform(strong_targets.dense(keras), 0, 1e30)
    with pytest.raises(ValueError, match="finite activations"):
        logarithmic_ticket(target, BOX, 0.1)
