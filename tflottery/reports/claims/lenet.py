"""What the papers claim of LeNet-300-100 on MNIST."""

from __future__ import annotations

from tflottery.reports.branch_names import TICKET
from tflottery.reports.claims import many_rounds as many
from tflottery.reports.claims import search_measures as of
from tflottery.reports.claims import table_measures as tables
from tflottery.reports.claims.claim import Claim
from tflottery.reports.claims.papers import DECONSTRUCTING, LTH, STABILIZING

_REINIT, _RANDOM = "random_reinit", "random_ticket"

TICKETS = (
    Claim(
        "The dense network reaches the paper's test accuracy.",
        f"{STABILIZING}, fig. 2",
        "98.0 ± 0.2 %",
        of.dense_accuracy(98.0, 0.2),
    ),
    Claim(
        "At 21 % of the weights, tickets reach their lowest validation loss "
        "earlier than the dense network.",
        f"{LTH}, § 2",
        "−38 %",
        of.earlier(21.07, 0.38),
    ),
    Claim(
        "Tickets learn fastest at 21 % of the weights.",
        f"{LTH}, § 2",
        "21.1 %",
        of.fastest_between(13.0, 33.0),
    ),
    Claim(
        "At 13.5 %, the test accuracy at early stop is above that of the "
        "dense network.",
        f"{LTH}, § 2",
        "more than +0.3 points",
        of.gain(13.52, 0.3),
    ),
    Claim(
        "At 3.6 %, tickets are as accurate as the dense network.",
        f"{LTH}, § 2",
        "±0 points",
        of.no_worse(3.58),
    ),
    Claim(
        "At 3.6 %, tickets learn as fast as the dense network.",
        f"{LTH}, § 2",
        "±0 %",
        of.no_later(3.58),
    ),
    Claim(
        "At the end of training, tickets are more accurate than the dense "
        "network.",
        f"{LTH}, § 2",
        "up to +0.35 points",
        of.best_gain(0.35, of.FINAL),
    ),
    Claim(
        "Tickets fit the training data as well as the dense network does.",
        f"{LTH}, § 2",
        "≈ 100 % from 2 % of the weights on",
        tables.trained_to(0.995, 2.0),
    ),
    Claim(
        "Tickets fall below the dense accuracy only at 2.9 %.",
        f"{LTH}, § 2",
        "from 2.9 % on",
        many.never_below(3.5),
    ),
)

CONTROLS = (
    Claim(
        "Reinitialised, tickets learn ever slower as they are pruned.",
        f"{LTH}, § 2",
        "slower in every round",
        many.slower_and_slower(_REINIT),
    ),
    Claim(
        "Reinitialised, tickets fall below the dense accuracy from 21.1 % on.",
        f"{LTH}, § 2",
        "from 21.1 % on",
        many.always_below(21.2, branch=_REINIT),
    ),
    Claim(
        "At 21 %, tickets learn faster than reinitialised ones.",
        f"{LTH}, § 2",
        "2.51×",
        of.times_faster_than(_REINIT, 21.07, 2.51),
    ),
    Claim(
        "At 21 %, tickets are more accurate than reinitialised ones.",
        f"{LTH}, § 2",
        "+0.5 points",
        of.better_than(_REINIT, 21.07, 0.5),
    ),
    Claim(
        "Reinitialised tickets beat random tickets.",
        f"{LTH}, app. E",
        "above at all densities",
        of.mean_gain(
            _REINIT,
            _RANDOM,
            lambda gain: gain > 0,
            "more accurate in the mean of the rounds run",
        ),
    ),
    Claim(
        "Random tickets learn ever slower as they are pruned.",
        f"{LTH}, fig. 1",
        "slower in every round",
        many.slower_and_slower(_RANDOM),
    ),
    Claim(
        "Pruned at once, tickets learn faster than the dense network between "
        "67.5 and 17.6 %.",
        f"{LTH}, § 2",
        "earlier at all of them",
        many.earlier_between("one_shot", 67.5, 16.5),
    ),
    Claim(
        "Pruned at once, tickets are more accurate than the dense network "
        "between 95.0 and 5.17 %.",
        f"{LTH}, § 2",
        "above at all of them",
        many.better_between("one_shot", 95.0, 5.1),
    ),
    Claim(
        "Pruned round by round, small tickets are more accurate than pruned "
        "at once.",
        f"{LTH}, § 2",
        "above at small sizes",
        of.mean_gain(
            TICKET,
            "one_shot",
            lambda gain: gain > 0,
            "more accurate in the mean of the rounds up to 11 %",
            below=11.0,
        ),
    ),
    Claim(
        "Resetting the weights between rounds beats training on.",
        f"{LTH}, app. B",
        "higher validation accuracy, to smaller sizes",
        of.mean_gain(
            TICKET,
            "continued_training",
            lambda gain: gain > 0,
            "higher validation accuracy in the mean of the rounds up to 11 %",
            column="validation_accuracy",
            below=11.0,
        ),
    ),
    Claim(
        "Weights drawn from those of the survivors are no better than a plain "
        "reinit.",
        f"{LTH}, app. F.3",
        "about the same",
        of.mean_gain(
            "survivor_reinit",
            _REINIT,
            lambda gain: abs(gain) <= of.SAME,
            "within 0.2 points in the mean of the rounds run",
        ),
    ),
    Claim(
        "Pruning the smallest initial weights is worse than reinitialising "
        "the ticket.",
        f"{LTH}, app. F.4",
        "below",
        of.mean_gain(
            "magnitude_at_init",
            _REINIT,
            lambda gain: gain < 0,
            "less accurate in the mean of the rounds run",
        ),
    ),
    Claim(
        "Noise of half a standard deviation on the initial weights barely "
        "matters.",
        f"{LTH}, app. F.7",
        "about the same",
        of.mean_gain(
            "noisy_init@0.5",
            TICKET,
            lambda gain: gain >= -of.SAME,
            "at most 0.2 points below the ticket in the mean of the rounds run",
        ),
    ),
    Claim(
        "Even with noise of three standard deviations, tickets beat "
        "reinitialised ones.",
        f"{LTH}, app. F.7",
        "above",
        of.mean_gain(
            "noisy_init@3",
            _REINIT,
            lambda gain: gain > 0,
            "more accurate in the mean of the rounds run",
        ),
    ),
    Claim(
        "What matters of the initial weights is their sign: constants with "
        "the right signs beat constants with random signs.",
        DECONSTRUCTING,
        "signed works, unsigned fails",
        of.mean_gain(
            "signed_constant",
            "unsigned_constant",
            lambda gain: gain > 0,
            "more accurate in the mean of the rounds run",
        ),
    ),
)

CLAIMS = TICKETS + CONTROLS
