"""Where the training of controls begins: step, rate, weights and mask."""

import types

import numpy as np
import pytest

import tflottery
from tflottery.layers import evidence
from tflottery.lottery.branch_stages import BranchStages
from tflottery.lottery.branches import data_order
from tflottery.lottery.journal import ReplicateJournal
from tflottery.lottery.training import RoundTrainer

FROM_20 = ("weight_rewinding@10it", "learning_rate_rewinding@10it")
CONFIG = tflottery.SearchConfig(
    dataset="digits",
    model_options={"hidden": [8, 6]},
    batch_size=50,
    steps=30,
    validate_every=10,
    rounds=2,
    prune_fraction=0.5,
    layer_prune_fractions={"output": 0.0},
    schedule="linear",
    schedule_options={"final": 1e-4},
    rewind_to="10it",
    jit_compile=False,
)
LABELS = (
    *FROM_20,
    "one_shot_fine_tuning@10it",
    "continued_training",
    "magnitude_at_init",
    "snip",
    "reordered",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The files of a search, and what each training began with."""
    folder = tmp_path_factory.mktemp("run")
    begun, now = {}, []
    train, place = RoundTrainer.train, BranchStages.run

    def watched_run(self, round):
        now.append((self.branch.label, round))
        place(self, round)
        now.pop()

    def watched_train(self, **arguments):
        if now:
            is_measured = arguments.get("validate", True)
            begun[(*now[-1], is_measured)] = types.SimpleNamespace(
                **arguments,
                rate=float(np.asarray(self.model.optimizer.learning_rate)),
                mask=evidence.current_mask(self.model),
                weights=evidence.current_weights(self.model),
            )
        return train(self, **arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BranchStages, "run", watched_run)
        patch.setattr(RoundTrainer, "train", watched_train)
        tflottery.find_ticket(
            config=CONFIG,
            run_dir=folder,
            branches=LABELS,
            control_rounds=[0, 2],
            draws=1,
            summaries=False,
        )
    identity = {"digest": CONFIG.digest(), "build": None, "data": None}
    ticket = ReplicateJournal(folder, 0, identity)
    return types.SimpleNamespace(begun=begun, ticket=ticket)


def _trained(run, round, label=None):
    of = run.ticket.of_branch(label, 0) if label else run.ticket
    return of.snapshot(f"round_{round:02d}/trained").weights()


def _check_alive_are(begun, expected):
    assert begun.mask.density < 1
    for path, alive in begun.mask.items():
        np.testing.assert_array_equal(
            begun.weights[path][alive], expected[path][alive]
        )


def _check_largest_stay(mask, weights):
    for path in ("fc1/kernel", "fc2/kernel"):
        size, alive = np.abs(weights[path]), mask[path]
        assert 0 < size[~alive].max() <= size[alive].min()


@pytest.mark.parametrize("label", FROM_20)
@pytest.mark.parametrize("round", [1, 2])
def test_a_retraining_time_of_t_goes_back_to_t_before_the_end(
    run, label, round
):
    begun = run.begun[label, round, True]
    assert (begun.first_step, begun.last_step) == (20, 30)
    dense = run.ticket.snapshot("dense_at/step_20")
    assert dense.step == 20
    if label.startswith("weight"):
        _check_alive_are(begun, dense.weights())
    else:
        before = _trained(run, round - 1, label if round > 1 else None)
        _check_alive_are(begun, before)


@pytest.mark.parametrize("label", [*LABELS])
def test_the_rate_is_that_of_the_step_a_control_begins_at(run, label):
    begun = run.begun[label, 2, True]
    rate = CONFIG.rate.at(begun.first_step)
    assert begun.rate == pytest.approx(rate, rel=1e-5)
    is_fine_tuning = "fine_tuning" in label
    # Fine-tuning goes on where training has ended.
    assert (begun.first_step >= 30) == is_fine_tuning
    # After the end of the schedule, the rate stays where it has ended.
    assert (rate == 1e-4) == is_fine_tuning


def test_training_on_goes_on_from_where_the_dense_network_ended(run):
    # The training whose survivors are round 2's: under the mask of round 1,
    # and not from the step that tickets are rewound to.
    begun = run.begun["continued_training", 2, False]
    assert (begun.first_step, begun.last_step) == (0, 30)
    journal = run.ticket.of_branch("continued_training", 0)
    assert begun.mask == journal.mask(1)
    _check_alive_are(begun, _trained(run, 0))


def test_one_shot_fine_tuning_prunes_the_dense_network(run):
    begun = run.begun["one_shot_fine_tuning@10it", 2, True]
    assert begun.mask != run.ticket.mask(2)
    _check_largest_stay(begun.mask, _trained(run, 0))


def test_magnitude_at_initialisation_keeps_the_largest_initial_weights(run):
    begun = run.begun["magnitude_at_init", 2, True]
    initial = run.ticket.snapshot("initial").weights()
    _check_largest_stay(begun.mask, initial)
    _check_alive_are(begun, initial)


def test_what_the_search_never_prunes_no_control_prunes(run):
    ticket = run.ticket.mask(2)
    assert ticket["output/kernel"].all() and ticket.density < 0.4
    for label in ("snip", "magnitude_at_init", "one_shot_fine_tuning@10it"):
        mask = run.begun[label, 2, True].mask
        assert mask["output/kernel"].all()
        assert mask.kept == ticket.kept


def test_a_draw_of_another_order_is_the_same_order_in_all_rounds(run):
    # So that the dense network's copies can be compared with the ticket's.
    dense, sparse = (run.begun["reordered", n, True] for n in (0, 2))
    assert dense.order_seed == sparse.order_seed
    assert dense.order_seed != run.begun["snip", 2, True].order_seed


def test_every_replicate_and_draw_has_another_order_of_its_own():
    orders = [
        data_order._other_order(
            types.SimpleNamespace(
                journal=types.SimpleNamespace(number=replicate),
                context=types.SimpleNamespace(config=CONFIG),
                draw=draw,
                round=1,
            )
        )
        for replicate in (0, 1)
        for draw in (0, 1)
    ]
    assert len(set(orders)) == 4
