"""What the papers claim of Conv-2, Conv-4 and Conv-6 on CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tflottery.reports.claims import many_rounds as many
from tflottery.reports.claims import search_measures as of
from tflottery.reports.claims.claim import Claim
from tflottery.reports.claims.papers import LTH

# Two accuracies are the same within this: near 90 %, 10,000 images have a
# standard error of 0.3 points.
SAME = 0.005
_REINIT, _RANDOM = "random_reinit", "random_ticket"

# Model -> (fastest at %, times; best at %, points; App. H: dense validation
# accuracy, best one, gained at %, times faster, at %).
_CONV = {
    "conv2": (8.81, 3.5, 4.57, 3.4, 67.6, 3.3, 2.97, 4.8, 8.81),
    "conv4": (9.18, 3.5, 11.06, 3.5, 74.9, 3.7, 5.37, 4.27, 11.06),
    "conv6": (15.29, 2.5, 26.61, 3.3, 79.1, 2.4, 8.86, 2.61, 12.74),
}
_DROPOUT = {"conv2": 2.3, "conv4": 4.6, "conv6": 4.7}


def conv_claims(settings: Mapping[str, Any]) -> tuple[Claim, ...]:
    """Returns the claims of Conv-2, -4 or -6, with dropout or without."""
    model = settings["model"]
    if settings.get("model_options", {}).get("dropout"):
        return (
            Claim(
                "With dropout, pruning raises the test accuracy further.",
                f"{LTH}, § 3",
                f"up to +{_DROPOUT[model]} points",
                of.best_gain(_DROPOUT[model]),
            ),
        )
    fast, times, good, points, dense, more, at, val_times, val_at = _CONV[model]
    return (
        Claim(
            "The dense network reaches the paper's validation accuracy.",
            f"{LTH}, app. H",
            f"{dense} %",
            of.dense_accuracy(dense, 1.5, "validation_accuracy"),
        ),
        Claim(
            f"At {fast:.3g} %, tickets learn faster than the dense network.",
            f"{LTH}, § 3",
            f"{times}×",
            of.times_faster(fast, times),
        ),
        Claim(
            f"At {good:.3g} %, tickets are more accurate at early stop.",
            f"{LTH}, § 3",
            f"+{points} points",
            of.gain(good, points),
        ),
        Claim(
            f"At {at:.3g} %, the validation accuracy is higher.",
            f"{LTH}, app. H",
            f"+{more} points",
            of.gain(at, more, "validation_accuracy"),
        ),
        Claim(
            f"At {val_at:.3g} %, tickets learn faster (other trials).",
            f"{LTH}, app. H",
            f"{val_times}×",
            of.times_faster(val_at, val_times),
        ),
        Claim(
            "Tickets stay above the dense accuracy down to 2 %.",
            f"{LTH}, § 3",
            "above",
            many.never_below(2.0, same=0.0),
        ),
        Claim(
            "Reinitialised, tickets learn ever slower as they are pruned.",
            f"{LTH}, § 3",
            "slower in every round",
            many.slower_and_slower(_REINIT),
        ),
        Claim(
            "Reinitialised tickets are no better than random ones.",
            f"{LTH}, app. E",
            "no significant difference",
            of.mean_gain(
                _REINIT,
                _RANDOM,
                lambda gain: abs(gain) <= SAME,
                "within 0.5 points in the mean of the rounds run",
            ),
        ),
    )
