"""A claim of a paper, and what a run says to it.

A reproduction is judged by rules that are written down before the numbers are
looked at. Each claim carries its rule; three general ones stand here.

* An effect holds if it has the paper's sign and at least half its size, in
  the mean over replicates: seeds, and details that papers do not print, move
  effects of this kind by a fifth to a third, and an effect half as large would
  still be told as the same.
* Two accuracies are the same if their means are within 0.2 points. That is
  the spread which Stabilizing the Lottery Ticket Hypothesis prints for LeNet's
  dense accuracy; a test of 10,000 images at 98 % has a standard error of 0.14.
  On CIFAR-10, where accuracies are near 90 %, it is 0.5 points.
* What must hold in several rounds must hold in the mean of each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from tflottery.reports.claims.evidence import Evidence, Missing
from tflottery.reports.lacks import Lack

HOLDS, FAILS, NOT_RUN = "holds", "does not hold", "not run"


@dataclasses.dataclass(frozen=True)
class Measured:
    """Our number, and whether the rule is kept.

    Args:
        ours: The number with its ends, as text.
        holds: Whether the rule is kept.
    """

    ours: str
    holds: bool


@dataclasses.dataclass(frozen=True)
class Measure:
    """How a claim is put to a run.

    Args:
        rule: When the claim holds, in words.
        of: Takes the evidence and returns a `Measured`; raises `Missing` if
            something was not run.
    """

    rule: str
    of: Callable[[Evidence], Measured]


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim of a paper.

    Args:
        text: What is claimed.
        source: Paper and section.
        paper: The paper's number.
        measure: How it is put to a run.
    """

    text: str
    source: str
    paper: str
    measure: Measure


@dataclasses.dataclass(frozen=True)
class Judged:
    """A claim beside what a run says to it.

    Args:
        claim: The claim.
        ours: Our number with its ends; empty if it was not run.
        verdict: `"holds"`, `"does not hold"` or `"not run"`.
        lack: What was not run; else `None`.
    """

    claim: Claim
    ours: str
    verdict: str
    lack: Lack | None = None


def judge(claim: Claim, evidence: Evidence) -> Judged:
    """Puts a claim to a run.

    Args:
        claim: The claim.
        evidence: What the run has.

    Returns:
        Our number and the verdict; what is missing makes it `"not run"`.
    """
    try:
        found = claim.measure.of(evidence)
    except Missing as missing:
        return Judged(claim, "", NOT_RUN, missing.lack)
    return Judged(claim, found.ours, HOLDS if found.holds else FAILS)
