"""What the papers claim of the weights and the stability of LeNet's tickets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tflottery.reports.branch_names import TICKET
from tflottery.reports.claims import search_measures as of
from tflottery.reports.claims import table_measures as tables
from tflottery.reports.claims.claim import Claim
from tflottery.reports.claims.papers import CONNECTIVITY, LTH, STABILIZING

_RANDOM = "random_ticket"


def _column(name: str) -> Callable[[Sequence[dict]], dict[str, float]]:
    return lambda rows: {row["layer"]: row[name] for row in rows}


def _moved(rows: Sequence[dict]) -> dict[str, float]:
    pruned = {
        r["layer"]: r["mean_distance"] for r in rows if r["group"] == "pruned"
    }
    return {
        r["layer"]: r["mean_distance"] / pruned[r["layer"]]
        for r in rows
        if r["group"] == "surviving" and pruned.get(r["layer"])
    }


def _uneven(rows: Sequence[dict]) -> dict[str, float]:
    """Relative spread of outgoing connections over that of incoming ones."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["mean"]:
            found.setdefault(row["layer"], {})[row["side"]] = (
                row["variance"] ** 0.5 / row["mean"]
            )
    return {
        layer: sides["outgoing"] / sides["incoming"]
        for layer, sides in found.items()
        if sides.get("incoming") and "outgoing" in sides
    }


APPENDIX_F = (
    Claim(
        "The initial weights of survivors have two modes in the second and "
        "the last layer, not in the first.",
        f"{LTH}, app. F.1",
        "Gaussian; bimodal; bimodal",
        tables.of_layers(
            "signs",
            _column("bimodality"),
            lambda m: m[0] <= 0.5 and all(v > 0.5 for v in m[1:]),
            "bimodality (Gaussian 0.39, flat 0.5) at most 0.5 in the first "
            "layer and above it in the others",
        ),
    ),
    Claim(
        "In dense training, weights of the ticket move further than others.",
        f"{LTH}, app. F.5",
        "further",
        tables.of_layers(
            "movement",
            _moved,
            lambda means: all(mean > 1 for mean in means),
            "mean distance over that of pruned weights above 1 in every layer",
            write="{:.2f}×".format,
        ),
    ),
    Claim(
        "In dense training, weights of the ticket tend to grow.",
        f"{LTH}, app. F.5",
        "most grow",
        tables.of_layers(
            "movement",
            lambda rows: {
                row["layer"]: row["grew_share"]
                for row in rows
                if row["group"] == "surviving"
            },
            lambda means: all(mean > 0.5 for mean in means),
            "more than half of them in every layer",
            write="{:.0%}".format,
        ),
    ),
    Claim(
        "Incoming connections are spread evenly over units, outgoing ones are "
        "not.",
        f"{LTH}, app. F.6",
        "even; uneven",
        tables.of_layers(
            "connectivity",
            _uneven,
            lambda means: means[0] >= 2,
            "in the first layer the relative standard deviation of outgoing "
            "connections at least twice that of incoming ones",
            write="{:.1f}×".format,
        ),
    ),
)

STABILITY = tuple(
    Claim(
        f"At 10.7 %, two tickets {text} are {what} than two random tickets.",
        f"{STABILIZING}, fig. {figure}",
        paper,
        tables.closer(to, column, 10.74, ours, other),
    )
    for text, to, column, what, figure, paper, ours, other in (
        (
            "trained on other orders of the data",
            "data_order",
            "distance",
            "closer (L2)",
            "3",
            "20.7 ± 0.6 / 58.6 ± 4.0, 2.8×",
            20.7,
            58.6,
        ),
        (
            "trained pruned and unpruned",
            "pruning",
            "distance",
            "closer (L2)",
            "3",
            "48.1 ± 0.6 / 75.7 ± 0.5, 1.6×",
            48.1,
            75.7,
        ),
        (
            "trained on other orders of the data",
            "data_order",
            "angle",
            "at a smaller angle",
            "10",
            "22.7° / 49.2°",
            22.7,
            49.2,
        ),
        (
            "trained pruned and unpruned",
            "pruning",
            "angle",
            "at a smaller angle",
            "10",
            "53.1° / 83.6°",
            53.1,
            83.6,
        ),
    )
) + (
    Claim(
        "At 10.7 %, tickets are more accurate than random tickets.",
        f"{STABILIZING}, fig. 3",
        "98.3 ± 0.1 / 97.5 ± 0.3 %, +0.8 points",
        of.better_than(_RANDOM, 10.74, 0.8, of.FINAL),
    ),
    Claim(
        "The dense network is stable from its initialisation on.",
        f"{CONNECTIVITY}, § 3",
        "error rises by less than 1 point",
        tables.stable("dense", 100.0),
    ),
    Claim(
        "Tickets at 3.5 % are stable from their initialisation on.",
        f"{CONNECTIVITY}, § 4",
        "below 2 points",
        tables.stable(TICKET, 3.58),
    ),
    Claim(
        "Tickets at 3.5 % match the dense network.",
        f"{CONNECTIVITY}, § 4",
        "±0 points",
        of.no_worse(3.58, of.FINAL),
    ),
)

CLAIMS = APPENDIX_F + STABILITY
