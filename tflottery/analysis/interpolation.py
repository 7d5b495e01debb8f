"""Error along the line between two trained networks, and its highest point.

`W(a) = a W1 + (1 - a) W2` for evenly spaced a in [0, 1], both ends included.
Instability is the height of the error on that line above the mean of the
errors at its ends; below 2 % the two count as connected, and what they have
in common as stable. It is never negative, since the ends are on the line.

The whole state of the networks is interpolated: kernels, biases, and the
statistics of BatchNorm layers too, which are not measured anew.

Reference: Frankle et al., Linear Mode Connectivity and the Lottery Ticket
Hypothesis, 2020, section 2.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tflottery.analysis import stability
from tflottery.analysis.findings import Findings
from tflottery.analysis.run_files import Place, RunFiles
from tflottery.core import checks

ALPHAS = 30
STABLE_BELOW = 0.02
INITIALISATION = "initialisation"


def alphas(count: int = ALPHAS) -> np.ndarray:
    """Returns evenly spaced places on the line, both ends included.

    Args:
        count: how many, at least 2. Default 30.

    Returns:
        A float64 array from 0 to 1.

    Example:
        >>> alphas(5).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    checks.check_positive_int("alphas", count)
    if count < 2:
        raise ValueError(
            "`alphas` must be at least 2, for the two ends of the line. "
            f"Received: alphas={count}. The papers use 30."
        )
    return np.linspace(0.0, 1.0, count)


def interpolated(
    first: Mapping[str, np.ndarray],
    second: Mapping[str, np.ndarray],
    alpha: float,
) -> dict[str, np.ndarray]:
    """Returns the state between two networks.

    Args:
        first: `{path: array}` of the network at alpha = 1.
        second: that of the network at alpha = 0, of the same shapes.
        alpha: place on the line, in [0, 1].

    Returns:
        `{path: array}`, each of its own dtype; what is not made of floating
        numbers, such as the state of random generators, is that of `first`.
        At the ends the arrays are those of the networks, bit for bit.

    Raises:
        ValueError: the networks differ in their paths or shapes.

    Example:
        >>> a, b = {"w": np.array([1.0, 0.0])}, {"w": np.array([0.0, 2.0])}
        >>> interpolated(a, b, 0.25)["w"].tolist()
        [0.25, 1.5]
    """
    shapes = [{k: np.shape(v) for k, v in x.items()} for x in (first, second)]
    if shapes[0] != shapes[1]:
        differ = sorted(
            path
            for path in {*shapes[0], *shapes[1]}
            if shapes[0].get(path) != shapes[1].get(path)
        )
        raise ValueError(
            "`first` and `second` must be networks of one architecture. "
            f"Received: different {differ[:3]} (of {len(differ)}). Interpolate "
            "between networks of one search."
        )
    found = {}
    for path, one in first.items():
        one, other = np.asarray(one), np.asarray(second[path])
        if alpha == 1 or not _is_floating(one.dtype):
            found[path] = one
        elif alpha == 0:
            found[path] = other
        else:
            between = alpha * one.astype(np.float64)
            between += (1 - alpha) * other.astype(np.float64)
            found[path] = between.astype(one.dtype)
    return found


def _is_floating(dtype: np.dtype) -> bool:
    # bfloat16 is of no kind that NumPy knows.
    return dtype.kind == "f" or dtype.name == "bfloat16"


def instability(errors: Sequence[float]) -> float:
    """Returns the height of the error on a line above its ends.

    Args:
        errors: classification errors in [0, 1] along the line, the ends
            included as first and last.

    Returns:
        `max(errors) - (errors[0] + errors[-1]) / 2`, at least 0.

    Example:
        >>> round(instability([0.02, 0.50, 0.04]), 4)
        0.47
    """
    errors = [float(error) for error in errors]
    if len(errors) < 2:
        raise ValueError(
            "`errors` must hold both ends of the line. Received: "
            f"{len(errors)} of them. Measure at two places or more."
        )
    return max(errors) - (errors[0] + errors[-1]) / 2


def pairs(run: RunFiles) -> Iterator[tuple[str, str, Place, Place]]:
    """Yields `(branch, to, first, second)` of all lines of a run directory.

    Copies of one network on different orders of the data, in every round that
    has them; and the dense networks of every two replicates, which began with
    other weights.
    """
    for replicate in run.replicates:
        for round in run.rounds(replicate):
            groups = stability.copies(run, replicate, round)
            for branch, places in groups.items():
                for pair in itertools.combinations(places, 2):
                    yield (branch, stability.DATA_ORDER, *pair)
    dense = [Place(replicate, 0) for replicate in run.replicates]
    dense = [place for place in dense if run.has(place)]
    for pair in itertools.combinations(dense, 2):
        yield (stability.DENSE, INITIALISATION, *pair)


def examine(
    run: RunFiles,
    errors: Callable[[Mapping[str, np.ndarray]], tuple[float, float]],
    count: int = ALPHAS,
    note: Callable[[str], None] = lambda text: None,
) -> Findings:
    """Measures the error along all lines of a run directory.

    Args:
        run: the run directory.
        errors: takes the state of a network, `{path: array}`, and returns its
            training and test error, in [0, 1].
        count: places on each line.
        note: is told which line comes next.

    Returns:
        Rows of the tables `interpolation` and `instability`; a line is stable
        if its test error rises by less than 2 %.
    """
    curves: list[dict[str, Any]] = []
    heights: list[dict[str, Any]] = []
    places = alphas(count)
    lines = list(pairs(run))
    for number, (branch, to, first, second) in enumerate(lines):
        where = _columns(run, branch, to, first, second)
        note(
            f"line {number + 1} of {len(lines)}: round {first.round}, "
            f"{where['first']} to {where['second']}"
        )
        ends = run.trained(first), run.trained(second)
        measured = [errors(interpolated(*ends, alpha)) for alpha in places]
        for alpha, (train, test) in zip(places, measured, strict=True):
            row = {"train_error": train, "test_error": test}
            curves.append({**where, "alpha": float(alpha), **row})
        train, test = (instability(e) for e in zip(*measured, strict=True))
        heights.append(
            {
                **where,
                "train_instability": train,
                "test_instability": test,
                "is_stable": test < STABLE_BELOW,
            }
        )
    tables = {"interpolation": curves, "instability": heights}
    return Findings(tables, list(_lacks(heights)))


def _columns(run, branch, to, first, second):
    replicate, labels = first.replicate, (first.label, second.label)
    if to == INITIALISATION:
        replicate = ""
        labels = tuple(f"replicate_{p.replicate}" for p in (first, second))
    return {
        "replicate": replicate,
        "round": first.round,
        "density": run.mask(first).density,
        "branch": branch,
        "to": to,
        "first": labels[0],
        "second": labels[1],
    }


def _lacks(rows: list[dict[str, Any]]) -> Iterator[str]:
    found = {(row["branch"], row["to"]) for row in rows}
    orders = stability.DATA_ORDER
    for key, what, way_out in (
        (
            (stability.DENSE, orders),
            "dense networks on two orders of the data",
            "Run `tflottery controls --run_dir=DIR --branch=reordered "
            "--round=0`.",
        ),
        (
            ("ticket", orders),
            "tickets on two orders of the data",
            "Run `tflottery controls --run_dir=DIR --branch=reordered`.",
        ),
        (
            (stability.RANDOM, orders),
            "random tickets on two orders of the data",
            "Run `tflottery controls --run_dir=DIR --branch=random_ticket,"
            "reordered_random_ticket`.",
        ),
        (
            (stability.DENSE, INITIALISATION),
            "networks of two initialisations",
            "Search with --replicates=2 or more.",
        ),
    ):
        if key not in found:
            yield f"There is no line between {what}. {way_out}"
