"""`Lack`: what a report could not show, and the commands that would supply it.

Long work is optional, so a report is made of what is there; but a reader has
to see what is not, and how it comes about.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from tflottery.reports import branch_names


@dataclasses.dataclass(frozen=True)
class Lack:
    """Something that was not run.

    Args:
        what: What is missing, as a sentence.
        branches: Controls that would have to be run.
        analyse: Whether `tflottery analyse` would have to be run, after them.
    """

    what: str
    branches: tuple[str, ...] = ()
    analyse: bool = False


def commands(run_dir: Any, lacks: Iterable[Lack]) -> list[str]:
    """Returns the commands that supply what is missing, in order.

    Args:
        run_dir: The run directory.
        lacks: What is missing.

    Returns:
        At most two commands; controls that several things need stand once.

    Example:
        >>> lacks = [Lack("a", ("snip",)), Lack("b", ("one_shot",), True)]
        >>> for line in commands("runs/first", lacks):
        ...     print(line)
        tflottery controls --run_dir=runs/first --branch=snip,one_shot
        tflottery analyse --run_dir=runs/first
    """
    lacks = list(lacks)
    branches = branch_names.ordered(
        name for lack in lacks for name in lack.branches
    )
    found = []
    if branches:
        names = ",".join(branches)
        found.append(f"tflottery controls --run_dir={run_dir} --branch={names}")
    if any(lack.analyse for lack in lacks):
        found.append(f"tflottery analyse --run_dir={run_dir}")
    return found
