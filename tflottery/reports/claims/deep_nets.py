"""What the papers claim of ResNet-20 and VGG-19 on CIFAR-10."""

from __future__ import annotations

from tflottery.reports.branch_names import TICKET
from tflottery.reports.claims import many_rounds as many
from tflottery.reports.claims import search_measures as of
from tflottery.reports.claims import table_measures as tables
from tflottery.reports.claims.claim import Claim
from tflottery.reports.claims.conv_nets import SAME
from tflottery.reports.claims.papers import (
    CONNECTIVITY,
    LTH,
    RETRAINING,
    STABILIZING,
)
from tflottery.reports.claims.settings import is_near_step

_RANDOM = "random_ticket"


def _table(
    density: float,
    order: tuple[float, float],
    pruning: tuple[float, float],
    accuracy: tuple[float, float],
) -> tuple[Claim, ...]:
    """Returns the claims of a row of the table of stability."""
    found = []
    for to, text, (ours, other) in (
        ("data_order", "to the order of the data", order),
        ("pruning", "to pruning", pruning),
    ):
        ratio = other / ours
        is_gap = ratio >= 1.2
        found.append(
            Claim(
                f"At {density:.3g} %, tickets are "
                f"{'' if is_gap else 'no '}more stable {text} than random ones "
                "(L2).",
                f"{STABILIZING}, fig. 3",
                f"{ours:g} / {other:g}, {ratio:.1f}×",
                tables.closer(to, "distance", density, ours, other)
                if is_gap
                else tables.as_far_as_random(to, density),
            )
        )
    ours, other = accuracy
    if ours - other >= 1:
        found.append(
            Claim(
                f"At {density:.3g} %, tickets are more accurate than random "
                "ones.",
                f"{STABILIZING}, fig. 3",
                f"{ours} / {other} %, +{ours - other:.1f} points",
                of.better_than(_RANDOM, density, ours - other, of.FINAL),
            )
        )
    else:
        found.append(
            Claim(
                f"At {density:.3g} %, tickets are no more accurate than random "
                "ones.",
                f"{STABILIZING}, fig. 3",
                f"{ours} / {other} %",
                of.mean_gain(
                    TICKET,
                    _RANDOM,
                    lambda gain: abs(gain) <= SAME,
                    "within 0.5 points in the mean of the rounds near it",
                    column=of.FINAL,
                    below=density * 1.2,
                    above=density / 1.2,
                ),
            )
        )
    return tuple(found)


# (model, variant) -> dense accuracy and its spread, as in STABILIZING, fig. 2.
_DENSE = {
    ("resnet20", "standard"): (90.5, 0.5),
    ("resnet20", "low"): (89.1, 0.5),
    ("resnet20", "warmup"): (89.6, 0.5),
    ("vgg19", "standard"): (91.5, 0.5),
    ("vgg19", "low"): (92.0, 0.5),
    ("vgg19", "warmup"): (92.3, 0.5),
}
_AT_INITIALISATION = {
    ("resnet20", "standard"): (
        Claim(
            "At this rate there is no winning ticket.",
            f"{LTH}, § 4",
            "none",
            many.never_above(same=SAME, below=70.0, column=of.FINAL),
        ),
        *_table(17.76, (66.4, 66.7), (54.4, 53.4), (87.7, 87.7)),
        Claim(
            "At k = 0, tickets are unstable.",
            f"{CONNECTIVITY}, § 4",
            "at least 2 points",
            tables.stable(TICKET, 17.76, is_stable=False),
        ),
    ),
    ("resnet20", "low"): (
        Claim(
            "The best tickets, from 41.7 to 21.9 %, are above the dense "
            "network.",
            f"{LTH}, § 4",
            "89.5 %, dense 89.1 %: +0.4 points",
            of.best_gain(0.4, of.FINAL),
        ),
        *_table(17.76, (7.1, 28.9), (19.8, 26.6), (89.1, 86.1)),
    ),
    ("resnet20", "warmup"): (
        Claim(
            "Tickets win down to 11.8 %.",
            f"{LTH}, § 4",
            "no lower than dense from 11.8 % on",
            many.never_below(11.5, same=SAME, column=of.FINAL),
        ),
        *_table(17.76, (9.5, 37.4), (24.8, 34.6), (90.3, 86.8)),
    ),
    ("vgg19", "standard"): (
        Claim(
            "At this rate there is no winning ticket.",
            f"{LTH}, § 4",
            "none",
            many.never_above(same=SAME, below=70.0, column=of.FINAL),
        ),
        *_table(2.28, (285.0, 245.0), (216.0, 212.0), (90.0, 90.2)),
    ),
    ("vgg19", "low"): (
        Claim(
            "Tickets stay within a point of dense down to 3.5 %.",
            f"{LTH}, § 4",
            "within 1 point",
            many.never_below(3.5, same=0.01, column=of.FINAL),
        ),
        *_table(2.28, (36.8, 90.3), (44.0, 66.1), (91.0, 88.0)),
    ),
    ("vgg19", "warmup"): (
        Claim(
            "Tickets are above the dense network down to 1.5 %.",
            f"{LTH}, § 4",
            "above from 1.5 % on",
            many.never_below(1.45, same=0.0, column=of.FINAL),
        ),
        *_table(2.28, (97.0, 267.0), (138.0, 201.0), (92.4, 90.3)),
    ),
}
# Rewound, standard rate: model -> (k, density).
REWOUND = {"resnet20": (500, 17.76), "vgg19": (100, 2.28)}


def deep_claims(
    model: str, variant: str, rewinding_step: int | None
) -> tuple[Claim, ...]:
    """Returns the claims of ResNet-20 or VGG-19 at a rate and a step k.

    Args:
        model: `"resnet20"` or `"vgg19"`.
        variant: Rate and warm-up: `"standard"`, `"low"` or `"warmup"`.
        rewinding_step: The step k; `None` if it is not known.
    """
    paper, within = _DENSE[model, variant]
    dense = Claim(
        "The dense network reaches the paper's test accuracy.",
        f"{STABILIZING}, fig. 2",
        f"{paper} %",
        of.dense_accuracy(paper, within),
    )
    if rewinding_step == 0:
        return (dense, *_AT_INITIALISATION[model, variant])
    k, density = REWOUND[model]
    if variant == "standard" and is_near_step(rewinding_step, k):
        is_late = rewinding_step is not None and rewinding_step >= k
        return (dense, *_rewound(model, k, density, is_late))
    return (dense,)


def _rewound(
    model: str, k: int, density: float, is_late: bool
) -> tuple[Claim, ...]:
    stable = (
        (
            Claim(
                "From k = 500 on, tickets are stable.",
                f"{CONNECTIVITY}, § 4",
                "below 2 points",
                tables.stable(TICKET, density),
            ),
        )
        if model == "resnet20" and is_late
        else ()
    )
    return (
        Claim(
            f"Rewound to k = {k}, tickets at {density:.3g} % are no less "
            "accurate than the dense network.",
            f"{STABILIZING}, § 3",
            "above dense",
            of.no_worse(density, of.FINAL, SAME),
        ),
        Claim(
            f"Rewound to k = {k}, tickets are more stable to the order of the "
            "data than random ones.",
            f"{STABILIZING}, § 3",
            "a gap opens",
            tables.closer("data_order", "distance", density, 1.0, 1.4),
        ),
        *stable,
    )


# Density -> Δ test accuracy of ResNet-20 in points: fine-tuning, weight
# rewinding and learning-rate rewinding (whole training), medians of three.
_RETRAINING = {
    51.2: (-0.38, 0.22, 0.57),
    32.8: (-0.59, 0.16, 0.41),
    21.0: (-1.11, -0.04, 0.17),
    16.8: (-1.36, -0.40, 0.07),
}


def retraining_claims() -> tuple[Claim, ...]:
    """Returns the claims of ResNet-20 pruned and retrained."""
    texts = ", ".join(
        f"{a:+.2f} / {b:+.2f} / {c:+.2f} at {d:g} %".replace("-", "−")
        for d, (a, b, c) in _RETRAINING.items()
    )
    below = {"below": 52.0, "above": 10.0, "column": of.FINAL}
    return (
        Claim(
            "Learning-rate rewinding keeps the dense accuracy down to 16.8 % "
            f"(fine-tuning / weights / rate: {texts}).",
            RETRAINING,
            "+0.07 points at 16.8 %",
            of.no_worse(16.8, of.FINAL, SAME, branch="learning_rate_rewinding"),
        ),
        Claim(
            "Learning-rate rewinding beats fine-tuning.",
            RETRAINING,
            "+0.95 to +1.43 points",
            of.mean_gain(
                "learning_rate_rewinding",
                "fine_tuning",
                lambda gain: gain >= 0.005,
                "at least half a point in the mean of the rounds from 52 to "
                "10 %",
                **below,
            ),
        ),
        Claim(
            "Weight rewinding beats fine-tuning.",
            RETRAINING,
            "+0.60 to +1.07 points",
            of.mean_gain(
                "weight_rewinding",
                "fine_tuning",
                lambda gain: gain >= 0.003,
                "at least 0.3 points in the mean of the rounds from 52 to 10 %",
                **below,
            ),
        ),
    )
