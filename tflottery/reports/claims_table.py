"""The papers' numbers beside ours, as a table of a page and as rows."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from tflottery.reports.claims.claim import FAILS, HOLDS, NOT_RUN, Judged

RULES = (
    "Each claim is judged by the rule beside it, in the mean over replicates: "
    "an effect holds with the paper's sign and at least half its size; two "
    "accuracies are the same within 0.2 points (0.5 on CIFAR-10)."
)
_MARKS = {HOLDS: "✓", FAILS: "✗", NOT_RUN: "–"}


def counts(judged: Sequence[Judged]) -> str:
    """Says how many claims hold.

    Example:
        >>> counts([])
        'No claim of a paper speaks of this search.'
    """
    if not judged:
        return "No claim of a paper speaks of this search."
    found = {
        verdict: sum(one.verdict == verdict for one in judged)
        for verdict in _MARKS
    }
    return (
        f"Of {len(judged)} claims, {found[HOLDS]} hold, {found[FAILS]} do not, "
        f"and {found[NOT_RUN]} were not run."
    )


def claims_rows(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Returns the table as rows of a CSV file."""
    return [
        {
            "claim": one.claim.text,
            "source": one.claim.source,
            "paper": one.claim.paper,
            "ours": one.ours,
            "verdict": one.verdict,
            "rule": one.claim.measure.rule,
            "missing": one.lack.what if one.lack else "",
        }
        for one in judged
    ]


def claims_html(judged: Sequence[Judged]) -> str:
    """Returns the table as HTML; all texts are escaped.

    Claims that were run come first, in the papers' order.
    """
    ordered = sorted(judged, key=lambda one: one.verdict == NOT_RUN)
    lines = []
    for one in ordered:
        ours = one.ours or (one.lack.what if one.lack else "")
        kind = {HOLDS: "holds", FAILS: "fails", NOT_RUN: "unrun"}[one.verdict]
        lines.append(
            f"<tr><td>{html.escape(one.claim.text)}"
            f"<small>{html.escape(one.claim.source)}</small></td>"
            f"<td>{html.escape(one.claim.paper)}</td>"
            f"<td>{html.escape(ours)}</td>"
            f'<td class="{kind}">{_MARKS[one.verdict]} {one.verdict}'
            f"<small>{html.escape(one.claim.measure.rule)}</small></td></tr>"
        )
    return (
        '<div class="wide"><table class="claims">\n<thead><tr>'
        '<th scope="col">Claim</th><th scope="col">Paper</th>'
        '<th scope="col">Here: mean (least to greatest)</th>'
        '<th scope="col">Verdict, and its rule</th></tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + "\n</tbody></table></div>"
    )
