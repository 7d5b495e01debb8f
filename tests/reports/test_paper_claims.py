import types

import pytest

from tflottery.reports.claims import (
    deep_nets,
    lenet,
    lenet_weights,
)
from tflottery.reports.claims import many_rounds as many
from tflottery.reports.claims import search_measures as of
from tflottery.reports.claims import table_measures as tables
from tflottery.reports.claims.claim import FAILS, HOLDS, NOT_RUN, Claim, judge
from tflottery.reports.claims.evidence import Evidence

DENSITIES = {0: 1.0, 1: 0.5, 2: 0.2, 3: 0.1}
LENET = {
    "model": "lenet_300_100",
    "dataset": "tfds:mnist",
    "optimizer": "adam",
}


def _row(round, branch="ticket", replicate=0, draw=0, **values):
    return {
        "replicate": replicate,
        "branch": branch,
        "draw": draw,
        "round": round,
        "best_step": 1000,
        "test_accuracy_best": 0.98,
        "test_accuracy_final": 0.98,
        "validation_accuracy": 0.97,
        **values,
    }


def _run(*rows, settings=LENET, identity=None, k=0, **found):
    rows = [*[_row(n) for n in DENSITIES], *rows]
    # A later row replaces an earlier one.
    kept = {
        (r["replicate"], r["branch"], r["draw"], r["round"]): r for r in rows
    }
    return types.SimpleNamespace(
        rows=list(kept.values()),
        branches=list(dict.fromkeys(row["branch"] for row in rows)),
        densities=DENSITIES,
        settings=dict(settings),
        identity=identity or {},
        rewinding_step=k,
        path="runs/first",
        table=lambda name: found.get(name, []),
    )


def _judge(measure, *rows, **found):
    claim = Claim("Something.", "A paper", "1", measure)
    return judge(claim, Evidence(_run(*rows, **found)))


def _steps(branch, *steps):
    return [_row(n, branch, best_step=step) for n, step in enumerate(steps, 1)]


def _best(branch, *accuracies):
    return [
        _row(n, branch, test_accuracy_best=value)
        for n, value in enumerate(accuracies, 1)
    ]


CASES = {
    "dense": (
        of.dense_accuracy(98.0, 0.2),
        [_row(0, test_accuracy_final=0.9815)],
        [_row(0, test_accuracy_final=0.9775)],
        "98.15 %",
    ),
    "earlier, half as much is enough": (
        of.earlier(20.0, 0.38),
        [_row(2, best_step=800)],
        [_row(2, best_step=820)],
        "−20 % at 20 %",
    ),
    "faster than dense": (
        of.times_faster(20.0, 3.0),
        [_row(2, best_step=500)],
        [_row(2, best_step=510)],
        "2.00× at 20 %",
    ),
    "faster than a control": (
        of.times_faster_than("random_reinit", 20.0, 2.51),
        [_row(2, "random_reinit", best_step=1760)],
        [_row(2, "random_reinit", best_step=1740)],
        "1.76× at 20 %",
    ),
    "a gain": (
        of.gain(20.0, 0.3),
        [_row(2, test_accuracy_best=0.9816)],
        [_row(2, test_accuracy_best=0.9814)],
        "+0.16 points at 20 %",
    ),
    "the best gain of all rounds": (
        of.best_gain(0.4),
        [_row(1), _row(3, test_accuracy_best=0.983)],
        [_row(1), _row(3, test_accuracy_best=0.981)],
        "+0.30 points at 10 %",
    ),
    "no worse": (
        of.no_worse(10.0),
        [_row(3, test_accuracy_best=0.9785)],
        [_row(3, test_accuracy_best=0.9775)],
        "−0.15 points at 10 %",
    ),
    "worse": (
        of.worse(10.0),
        [_row(3, test_accuracy_best=0.9775)],
        [_row(3, test_accuracy_best=0.9785)],
        "−0.25 points at 10 %",
    ),
    "no later": (
        of.no_later(10.0),
        [_row(3, best_step=1150)],
        [_row(3, best_step=1250)],
        "+15 % at 10 %",
    ),
    "fastest between two densities": (
        of.fastest_between(13.0, 33.0),
        [_row(2, best_step=500)],
        [_row(3, best_step=500)],
        "20 %, 2.00× faster",
    ),
    "better than a control": (
        of.better_than("random_reinit", 20.0, 0.5),
        [_row(2, "random_reinit", test_accuracy_best=0.977)],
        [_row(2, "random_reinit", test_accuracy_best=0.978)],
        "+0.30 points at 20 %",
    ),
    "one branch above another": (
        of.mean_gain("snip", "grasp", lambda gain: gain > 0, "above"),
        [*_best("snip", 0.97, 0.96), *_best("grasp", 0.95, 0.95)],
        [*_best("snip", 0.97, 0.90), *_best("grasp", 0.95, 0.95)],
        "+1.50 points in the mean of 2 rounds (+1.00 to +2.00)",
    ),
    "never below": (
        many.never_below(15.0),
        _best("ticket", 0.98, 0.979, 0.5),  # 10 % is not asked about.
        _best("ticket", 0.98, 0.977, 0.5),
        "least: −0.10 points at 20 %",
    ),
    "always below": (
        many.always_below(21.0, branch="random_reinit"),
        _best("random_reinit", 0.99, 0.979, 0.97),  # 50 % is not asked about.
        _best("random_reinit", 0.99, 0.981, 0.97),
        "most: −0.10 points at 20 %, of 2 rounds",
    ),
    "no winning ticket": (
        many.never_above(same=0.005),
        _best("ticket", 0.981, 0.98, 0.97),
        _best("ticket", 0.986, 0.98, 0.97),
        "most: +0.10 points at 50 %",
    ),
    "slower and slower": (
        many.slower_and_slower("random_reinit"),
        _steps("random_reinit", 1100, 1500, 2000),
        _steps("random_reinit", 1100, 900, 2000),  # Faster than the ticket.
        "1.10× the dense step at 50 %, 2.00× at 10 %",
    ),
    "earlier between": (
        many.earlier_between("one_shot", 60.0, 15.0),
        _steps("one_shot", 800, 1040, 9000),
        _steps("one_shot", 800, 1060, 100),
        "latest: +4 % at 20 %, of 2 rounds",
    ),
    "better between": (
        many.better_between("one_shot", 60.0, 15.0),
        _best("one_shot", 0.984, 0.979, 0.5),
        _best("one_shot", 0.99, 0.977, 0.99),
        "mean of 2 rounds +0.15 points; least: −0.10 points at 20 %",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_claim_holds_as_far_as_its_rule_goes(name):
    measure, holds, fails, ours = CASES[name]
    found = _judge(measure, *holds)
    assert (found.verdict, found.ours) == (HOLDS, ours)
    assert _judge(measure, *fails).verdict == FAILS


def _stability(random):
    row = {"round": 3, "density": 0.1, "to": "pruning", "layer": "all"}
    return [
        {**row, "branch": "ticket", "distance": 10.0, "angle": 20.0},
        {**row, "branch": "random_ticket", "distance": random, "angle": random},
        {**row, "branch": "random_ticket", "layer": "fc1", "distance": 1e9},
    ]


def _instability(height):
    row = {"round": 3, "density": 0.1, "branch": "ticket", "to": "data_order"}
    return [{**row, "test_instability": height}]


def _fit(error):
    row = {"branch": "ticket", "density": 0.1, "round": 3}
    return [
        {**row, "alpha": 1.0, "train_error": error},
        {**row, "alpha": 0.5, "train_error": 0.9},
    ]


def _layers(**values):
    return [
        {"replicate": r, "round": 3, "layer": name, "bimodality": value}
        for name, value in values.items()
        for r in (0, 1)
    ]


_F1 = lenet_weights.APPENDIX_F[0].measure
TABLE_CASES = {
    # 1.6 times in the paper: 1.3 times is half of that.
    "closer": (
        tables.closer("pruning", "distance", 10.0, 10.0, 16.0),
        {"stability": _stability(13.5)},
        {"stability": _stability(12.5)},
        "10 / 13.5, 1.35× at 10 %",
    ),
    "at a smaller angle": (
        tables.closer("pruning", "angle", 10.0, 20.0, 50.0),
        {"stability": _stability(36.0)},
        {"stability": _stability(34.0)},
        "20.0° / 36.0° at 10 %",
    ),
    "no closer": (
        tables.as_far_as_random("pruning", 10.0),
        {"stability": _stability(12.0)},
        {"stability": _stability(14.0)},
        "10 / 12, 1.20× at 10 %",
    ),
    "stable": (
        tables.stable("ticket", 10.0),
        {"instability": _instability(0.019)},
        {"instability": _instability(0.021)},
        "+1.90 points at 10 %",
    ),
    "unstable": (
        tables.stable("ticket", 10.0, is_stable=False),
        {"instability": _instability(0.3)},
        {"instability": _instability(0.019)},
        "+30.00 points at 10 %",
    ),
    "trained to the end": (
        tables.trained_to(0.995, 2.0),
        {"interpolation": _fit(0.002)},
        {"interpolation": _fit(0.006)},
        "least: 99.80 % at 10 %",
    ),
}


@pytest.mark.parametrize("name", TABLE_CASES)
def test_a_claim_of_an_analysis_holds_as_far_as_its_rule_goes(name):
    measure, holds, fails, ours = TABLE_CASES[name]
    found = _judge(measure, **holds)
    assert (found.verdict, found.ours) == (HOLDS, ours)
    assert _judge(measure, **fails).verdict == FAILS


def test_the_modes_of_layers_are_judged_one_by_one(monkeypatch):
    # The sparsest round of this run is 10 %; the claim speaks of 3.6 %.
    monkeypatch.setitem(DENSITIES, 3, 0.0358)
    found = _judge(_F1, signs=_layers(fc1=0.45, fc2=0.8, output=0.6))
    assert found.verdict == HOLDS
    assert found.ours.startswith("fc1 0.45 (0.45 to 0.45); fc2 0.8")
    assert _judge(_F1, signs=_layers(fc1=0.55, fc2=0.8)).verdict == FAILS
    assert _judge(_F1, signs=_layers(fc1=0.45, fc2=0.4)).verdict == FAILS


def test_numbers_are_paired_within_replicates():
    rows = [
        _row(0, replicate=0, test_accuracy_best=0.90),
        _row(0, replicate=1, test_accuracy_best=0.80),
        _row(2, replicate=0, test_accuracy_best=0.91),
        _row(2, replicate=1, test_accuracy_best=0.84),
    ]
    found = _judge(of.gain(20.0, 0.3), *rows)
    assert found.ours == "+2.50 points (+1.00 to +4.00) at 20 %"


def test_every_draw_of_a_control_counts():
    rows = [
        _row(2, "random_reinit", draw=d, test_accuracy_best=value)
        for d, value in enumerate((0.97, 0.96, 0.95))
    ]
    found = _judge(of.better_than("random_reinit", 20.0, 0.5), *rows)
    assert found.ours == "+2.00 points (+1.00 to +3.00) at 20 %"


def test_what_was_not_run_does_not_fail():
    found = _judge(of.better_than("random_reinit", 20.0, 0.5))
    assert (found.verdict, found.ours) == (NOT_RUN, "")
    assert found.lack.what == "Random reinit is not run."
    assert found.lack.branches == ("random_reinit",)


def test_a_density_that_was_not_reached_is_not_judged_elsewhere():
    found = _judge(of.no_worse(3.6))
    assert found.verdict == NOT_RUN
    assert "near 3.6 %" in found.lack.what


def test_a_missing_analysis_names_the_controls_that_it_needs():
    measure = tables.closer("data_order", "angle", 10.0, 20.0, 50.0)
    lack = _judge(measure).lack
    assert (lack.branches, lack.analyse) == (("reordered",), True)
    there = _judge(measure, _row(2, "reordered")).lack
    assert (there.branches, there.analyse) == ((), True)


def test_all_claims_can_be_put_to_a_run_that_has_nothing_else():
    for claims in (
        lenet.CLAIMS + lenet_weights.CLAIMS,
        deep_nets.retraining_claims(),
    ):
        for claim in claims:
            found = judge(claim, Evidence(_run()))
            assert found.verdict in (HOLDS, FAILS, NOT_RUN)
            assert claim.measure.rule and claim.paper and claim.source
