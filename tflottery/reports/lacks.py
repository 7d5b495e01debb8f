"""`Lack`: what a report could not show, and the commands that would supply it.

Long work is optional, so a report is made of what is there; but a reader has
to see what is not, and how it comes about.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable, Sequence
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


def commands(
    run_dir: Any, lacks: Iterable[Lack], own: Sequence[str] = ()
) -> list[str]:
    """Returns the commands that supply what is missing, in order.

    Args:
        run_dir: The run directory.
        lacks: What is missing.
        own: Which of `"build"` and `"data"` the search was given from
            Python. Defaults to none.

    Returns:
        At most two commands, or calls in Python if the search was given
        something that a command line cannot name; controls that several
        things need stand once.

    Example:
        >>> lacks = [Lack("a", ("snip",)), Lack("b", ("one_shot",), True)]
        >>> for line in commands("runs/first", lacks):
        ...     print(line)
        tflottery controls --run_dir=runs/first --branch=snip,one_shot
        tflottery analyse --run_dir=runs/first
        >>> commands("runs/first", lacks[1:], own=["data"])[1]
        "tflottery.analysis.analyse('runs/first', data=...)"
    """
    lacks = list(lacks)
    branches = branch_names.ordered(
        name for lack in lacks for name in lack.branches
    )
    has_analysis = any(lack.analyse for lack in lacks)
    found = []
    if own:
        given = ", ".join(f"{name}=..." for name in own)
        place = repr(str(run_dir))
        if branches:
            found.append(
                f"tflottery.run_controls({place}, {branches}, {given})"
            )
        if has_analysis:
            found.append(f"tflottery.analysis.analyse({place}, {given})")
        return found
    place = shlex.quote(str(run_dir))
    if branches:
        names = shlex.quote(",".join(branches))
        found.append(f"tflottery controls --run_dir={place} --branch={names}")
    if has_analysis:
        found.append(f"tflottery analyse --run_dir={place}")
    return found
