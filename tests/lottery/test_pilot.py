"""Tickets against controls on real digits: what holds for any three seeds.

LeNet-300-100 on 8x8 digits, the settings of Frankle and Carbin (2019) for
MNIST but for the size of the images and the number of steps. What is asserted
was found to hold in every choice of three out of five seeds, by an independent
implementation. What needs more seeds to show is left out; so is that the first
tickets learn faster than the dense network, which on this division of the data
is within the noise (500, 633 and 458 steps dense in three settings; the first
tickets 500, below, and 544). The 397 test images give accuracies in steps of
a quarter of a point, so accuracies are averaged over rounds.
"""

from statistics import fmean

import pytest

import tflottery

CONTROL_ROUNDS = (4, 8)


@pytest.fixture(scope="module")
def means(tmp_path_factory):
    """{(branch, round): {column: mean over three replicates}}"""
    result = tflottery.find_ticket(
        config=tflottery.SearchConfig(
            dataset="digits",
            model="lenet_300_100",
            batch_size=60,
            steps=1500,
            validate_every=25,
            rounds=max(CONTROL_ROUNDS),
            output_prune_fraction=0.1,
            rewind_optimizer="fresh",
            replicates=3,
        ),
        run_dir=tmp_path_factory.mktemp("pilot"),
        branches=["ticket", "random_reinit", "random_ticket"],
        control_rounds=CONTROL_ROUNDS,
        checkpoint_seconds=1e9,
        summaries=False,
    )
    groups = {}
    for row in result.rows:
        groups.setdefault((row["branch"], row["round"]), []).append(row)
    columns = ("best_step", "validation_loss", "test_accuracy_best", "density")
    assert {len(rows) for rows in groups.values()} == {3}
    return {
        place: {name: fmean(row[name] for row in rows) for name in columns}
        for place, rows in groups.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("round", CONTROL_ROUNDS)
@pytest.mark.parametrize("control", ["random_reinit", "random_ticket"])
def test_tickets_learn_faster_than_controls(means, control, round):
    ticket, other = means["ticket", round], means[control, round]
    assert ticket["density"] == other["density"]
    assert ticket["best_step"] < other["best_step"]


@pytest.mark.slow
@pytest.mark.parametrize("round", CONTROL_ROUNDS)
def test_tickets_reach_a_lower_loss_than_their_masks_alone(means, round):
    ticket, reinit = means["ticket", round], means["random_reinit", round]
    assert ticket["validation_loss"] < reinit["validation_loss"]


@pytest.mark.slow
def test_tickets_generalise_better_than_their_masks_alone(means):
    ticket, reinit = (
        fmean(means[b, r]["test_accuracy_best"] for r in CONTROL_ROUNDS)
        for b in ("ticket", "random_reinit")
    )
    assert ticket > reinit


@pytest.mark.slow
def test_tickets_keep_the_dense_accuracy_within_a_third_of_a_point(means):
    dense = means["ticket", 0]["test_accuracy_best"]
    tickets = fmean(
        means["ticket", round]["test_accuracy_best"]
        for round in range(1, max(CONTROL_ROUNDS) + 1)
    )
    assert tickets >= dense - 0.003
