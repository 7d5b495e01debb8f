"""Claims are measured as they are worded: who beats whom, where, by what."""

import re
import types

import pytest

from tflottery.reports.claims import conv_nets, deep_nets, lenet, lenet_weights
from tflottery.reports.claims.claim import FAILS, HOLDS, judge
from tflottery.reports.claims.evidence import Evidence

# A fifth is pruned in each round, as in the papers.
DENSITIES = {n: 0.8**n for n in range(18)}
ACCURACIES = ("test_accuracy_best", "test_accuracy_final")


def _row(round, branch, accuracy, best_step=1000):
    return {
        "replicate": 0,
        "branch": branch,
        "draw": 0,
        "round": round,
        "best_step": best_step,
        "validation_accuracy": accuracy,
        **dict.fromkeys(ACCURACIES, accuracy),
    }


def _judge(claim, rows=(), densities=DENSITIES, **tables):
    run = types.SimpleNamespace(
        rows=list(rows),
        branches=list({row["branch"] for row in rows}),
        densities=densities,
        table=lambda name: tables.get(name, []),
    )
    return judge(claim, Evidence(run))


def _claim(claims, words):
    [found] = [claim for claim in claims if words in claim.text]
    return found


# Words of a claim, the branch that wins if it holds, and the one that loses.
CONTESTS = [
    ("At 21 %, tickets are more accurate", "ticket", "random_reinit"),
    ("Reinitialised tickets beat", "random_reinit", "random_ticket"),
    ("Pruned round by round", "ticket", "one_shot"),
    ("Resetting the weights between", "ticket", "continued_training"),
    ("smallest initial weights is", "random_reinit", "magnitude_at_init"),
    ("Noise of half a standard", "noisy_init@0.5", "ticket"),
    ("noise of three standard", "noisy_init@3", "random_reinit"),
    ("is their sign", "signed_constant", "unsigned_constant"),
    ("At 10.7 %, tickets are more acc", "ticket", "random_ticket"),
    ("rate rewinding beats", "learning_rate_rewinding", "fine_tuning"),
    ("Weight rewinding beats", "weight_rewinding", "fine_tuning"),
]


@pytest.mark.parametrize(("words", "winner", "loser"), CONTESTS)
def test_a_claim_holds_if_the_branch_that_it_names_wins(words, winner, loser):
    claims = lenet.CLAIMS + lenet_weights.CLAIMS
    claim = _claim(claims + deep_nets.retraining_claims(), words)

    def judged(better, worse):
        # A point apart in every round: more than any rule asks for, and more
        # than passes as no difference.
        rows = [_row(0, "ticket", 0.95)]
        for n in list(DENSITIES)[1:]:
            rows += [_row(n, better, 0.96), _row(n, worse, 0.95)]
        return _judge(claim, rows).verdict

    assert judged(winner, loser) == HOLDS
    assert judged(loser, winner) == FAILS


@pytest.mark.parametrize("model", conv_nets._CONV)
def test_a_claim_at_a_density_is_measured_at_that_density(model):
    claims = [
        claim
        for claim in conv_nets.conv_claims({"model": model})
        if claim.text.startswith("At ")
    ]
    places = [re.match(r"At ([\d.]+) %", claim.text)[1] for claim in claims]
    assert len(places) == 4
    # A run with just the rounds that the claims speak of.
    wanted = sorted({float(place) for place in places}, reverse=True)
    densities = {0: 1.0, **{n: d / 100 for n, d in enumerate(wanted, 1)}}
    rows = [_row(n, "ticket", 0.9) for n in densities]
    for claim, place in zip(claims, places, strict=True):
        assert _judge(claim, rows, densities).ours.endswith(f" at {place} %")


def _of_layers(**columns):
    """A row for each value, of two layers at 3.5 % of the weights."""
    name, values = columns.popitem()
    return [
        {"replicate": 0, "round": 15, "layer": layer, name: value, **columns}
        for layer in ("fc1/kernel", "output/kernel")
        for value in values
    ]


@pytest.mark.parametrize(
    ("words", "column"),
    [("move further than", "mean_distance"), ("tend to grow", "grew_share")],
)
def test_it_is_the_survivors_that_move_and_grow(words, column):
    claim = _claim(lenet_weights.CLAIMS, words)

    def judged(surviving, pruned):
        groups = {"surviving": surviving, "pruned": pruned}
        rows = [
            {**row, "group": group}
            for group, value in groups.items()
            for row in _of_layers(**{column: [value]})
        ]
        return _judge(claim, movement=rows).verdict

    # As shares, one half is where more grow than shrink.
    assert judged(surviving=0.7, pruned=0.3) == HOLDS
    assert judged(surviving=0.3, pruned=0.7) == FAILS


def test_it_is_the_outgoing_connections_that_are_uneven():
    claim = _claim(lenet_weights.CLAIMS, "Incoming connections are spread")

    def judged(incoming, outgoing):
        sides = {"incoming": incoming, "outgoing": outgoing}
        rows = [
            {**row, "side": side, "mean": 4.0}
            for side, variance in sides.items()
            for row in _of_layers(variance=[variance])
        ]
        return _judge(claim, connectivity=rows).verdict

    # A deviation four times as large where the mean is the same; two is asked.
    assert judged(incoming=1.0, outgoing=16.0) == HOLDS
    assert judged(incoming=16.0, outgoing=1.0) == FAILS
