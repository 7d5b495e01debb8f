import math

import numpy as np
import pytest

from tflottery.lottery.learning_rates import LearningRate


def test_a_step_schedule_drops_at_its_boundaries_and_not_before():
    rate = LearningRate(0.1, "step", 30_000, {"boundaries": [20_000, 25_000]})
    steps = [0, 19_999, 20_000, 24_999, 25_000, 29_999, 40_000]
    # Tolerance: one rounding to float32.
    np.testing.assert_allclose(
        rate.at(steps), [0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-3], rtol=1e-6
    )


def test_step_and_cosine_are_those_of_torch():
    torch = pytest.importorskip("torch")

    def rates(make):
        weight = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([weight], lr=0.1)
        schedule = make(optimizer)
        found = []
        for _ in range(20):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return found

    schedules = torch.optim.lr_scheduler
    milestones = rates(lambda o: schedules.MultiStepLR(o, [6, 12], gamma=0.2))
    ours = LearningRate(
        0.1, "step", 20, {"boundaries": [6, 12], "factor": 0.2}
    ).at(np.arange(20))
    np.testing.assert_allclose(ours, milestones, rtol=1e-6)
    cosine = rates(lambda o: schedules.CosineAnnealingLR(o, 20, eta_min=0.01))
    ours = LearningRate(0.1, "cosine", 20, {"final": 0.01}).at(np.arange(20))
    np.testing.assert_allclose(ours, cosine, rtol=1e-5)


def test_an_exponential_schedule_multiplies_alike_each_step():
    rate = LearningRate(0.66, "exponential", 100, {"final": 6.6e-5})
    found = rate.at(np.arange(101)).astype(float)
    ratios = found[1:] / found[:-1]
    # Four decades in 100 steps.
    np.testing.assert_allclose(ratios, 10 ** (-4 / 100), rtol=1e-5)
    assert found[-1] == pytest.approx(6.6e-5, rel=1e-6)


def test_a_linear_schedule_subtracts_alike_each_step():
    found = LearningRate(0.03, "linear", 10, {"final": 0.005}).at(range(12))
    np.testing.assert_allclose(np.diff(found)[:10], -0.0025, atol=1e-8)
    # It stays at its end.
    assert found[-2] == found[-1] == np.float32(0.005)


@pytest.mark.parametrize(
    ("schedule", "options"),
    [
        ("constant", {}),
        ("step", {"boundaries": [15]}),
        ("linear", {}),
        ("exponential", {"final": 1e-3}),
        ("cosine", {}),
    ],
)
def test_a_warm_up_multiplies_any_schedule(schedule, options):
    steps = np.arange(40)
    plain = LearningRate(0.1, schedule, 40, options).at(steps)
    warm = LearningRate(0.1, schedule, 40, {**options, "warmup": 20}).at(steps)
    np.testing.assert_allclose(
        warm, plain * np.minimum(steps / 20, 1), rtol=1e-6
    )


def test_steps_may_be_written_as_shares_of_the_training():
    rate = LearningRate(
        0.1, "step", 200, {"boundaries": ["80it", "75%"], "warmup": "5%"}
    )
    assert (rate.boundaries, rate.warmup) == ((80, 150), 10)


def test_only_a_rate_that_never_changes_is_constant():
    assert LearningRate(0.1, "constant", 9).is_constant
    assert not LearningRate(0.1, "constant", 9, {"warmup": 2}).is_constant
    assert not LearningRate(0.1, "linear", 9).is_constant


def test_rates_are_float32():
    assert LearningRate(0.1, "linear", 9).at(3).dtype == np.float32


@pytest.mark.parametrize(
    ("schedule", "options", "error", "text"),
    [
        ("steps", {}, ValueError, "schedule.*'steps'.*'step'"),
        ("step", {}, ValueError, "`boundaries` must be steps after 0"),
        ("step", {"boundaries": [9, 3]}, ValueError, "in rising order"),
        ("step", {"boundaries": [0, 3]}, ValueError, "steps after 0"),
        ("step", {"boundaries": 3}, TypeError, "list.*boundaries=3"),
        ("step", {"boundaries": ["8ep"]}, ValueError, "not be in epochs"),
        ("linear", {"warmup": "1ep"}, ValueError, "`warmup`.*in epochs"),
        ("linear", {"boundaries": [3]}, ValueError, "options of 'linear'"),
        ("linear", {"final": -0.1}, ValueError, "`final`.*at least 0"),
        ("exponential", {}, ValueError, "'exponential' greater than 0"),
        ("cosine", {"final": "0"}, TypeError, "`final` must be a number"),
        (
            "step",
            {"boundaries": [3], "factor": 0},
            ValueError,
            "`factor` must be greater than 0",
        ),
        ("linear", {"final": math.nan}, TypeError, "`final` must be a number"),
    ],
)
def test_bad_schedules_are_refused(schedule, options, error, text):
    with pytest.raises(error, match=text):
        LearningRate(0.1, schedule, 100, options)
